"""Others who use, or hold, the machine's virtualization: modules and processes."""

import os

MODULES = ("vboxdrv", "vmmon", "vmw_vmx86", "prl_hypervisor", "xen_evtchn", "acrn", "nitro_enclaves", "mshv_root")
PROCESSES = (
    "VBoxHeadless",
    "VirtualBoxVM",
    "VBoxSVC",
    "vmware-vmx",
    "vmware-hostd",
    "prl_vm_app",
    "xenstored",
    "libvirtd",
    "virtqemud",
    "firecracker",
    "cloud-hyperviso",
    "crosvm",
)


def rivals(machine):
    """Return loaded modules of other hypervisors with their versions, and how many processes of each known monitor run.

    QEMU counts by the first letters of its name: the kernel keeps only fifteen.
    """
    present = machine.listed("/sys/module")
    loaded = [name for name in MODULES if name in present]
    found = {}  # type: dict
    for pid in machine.listed("/proc"):
        if not pid.isdecimal():
            continue
        try:
            name = machine.text("/proc/%s/comm" % pid, 64).strip()
        except OSError:
            continue
        if name.startswith("qemu-system") or name in ("qemu-kvm", "kvm"):
            name = "qemu"
        if name == "qemu" or name in PROCESSES:
            found[name] = found.get(name, 0) + 1
    versions = [(name, machine.line("/sys/module/%s/version" % name)) for name in loaded]
    xen = machine.line("/proc/xen/capabilities") or ""
    return {
        "modules": loaded,
        "versions": {name: text[:64] for name, text in versions if text},
        "processes": found,
        "xen_dom0": "control_d" in xen,
        "own_pid_namespace": own_pid_namespace(),
    }


def own_pid_namespace():
    """Tell whether we only see the processes of a PID namespace of our own; None where that cannot be told."""
    try:
        return os.readlink("/proc/self/ns/pid") != "pid:[4026531836]"  # PROC_PID_INIT_INO
    except OSError:
        return None
