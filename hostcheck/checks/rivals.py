"""Other hypervisors on this machine: only one can hold the CPU's virtualization at a time; how they share changes."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.modules import is_on
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.rivals import SHARE, VERIFIED, stop_other_hypervisor, virt_at_load, virtualbox_version

NAMES = {
    "vboxdrv": "VirtualBox",
    "vmmon": "VMware",
    "vmw_vmx86": "VMware",
    "prl_hypervisor": "Parallels",
    "acrn": "ACRN",
    "mshv_root": "Hyper-V (this is its root partition)",
}
MONITORS = ("VBoxHeadless", "VirtualBoxVM", "vmware-vmx", "prl_vm_app", "xenstored")
"""Processes that run VMs without KVM; QEMU, Firecracker and their like are KVM's own users."""
ON_DEMAND = (6, 12)
"""The first kernel with kvm.enable_virt_at_load."""


@check(
    "rivals.present",
    question="Is another hypervisor loaded beside KVM?",
    why="VirtualBox, VMware and KVM take turns at best: who switches VMX or SVM on first makes the others fail, with "
    "EBUSY, since Linux 6.12 with EIO.",
    judged="Modules of other hypervisors in /sys/module, and processes that run VMs by them. Warns when there is "
    "one; that it really holds the CPU shows only when a VM is made (kvm.run).",
    severity=Severity.DEGRADES,
    facts=("machine.rivals",),
    gives=(PASS, WARN, UNKNOWN),
    remedies=("rivals.stop-virtualbox", "rivals.stop-vmware", "rivals.stop-other"),
    links=("Linux, virt/kvm/kvm_main.c: kvm_enable_virtualization",),
)
def rivals_present(facts: Facts) -> Outcome:
    rivals = facts.rivals.known
    if rivals is None:
        return Outcome(UNKNOWN, f"modules and processes could not be listed: {facts.rivals.error}")
    if rivals.xen_dom0:
        dom0 = (Evidence("/proc/xen/capabilities", "control_d"),)
        return Outcome(WARN, "this is Xen's dom0: Xen holds the CPU's virtualization, and KVM cannot", dom0)
    loaded = list(dict.fromkeys(NAMES[name] for name in rivals.modules if name in NAMES))
    running = [f"{count} x {name}" for name, count in sorted(rivals.processes.items()) if name in MONITORS]
    if not loaded and not running:
        hidden = ", as far as this PID namespace shows" if rivals.own_pid_namespace else ""
        return Outcome(PASS, f"no other hypervisor{hidden}")
    evidence = tuple(Evidence(facts.rivals.source, text) for text in (*rivals.modules, *running))
    what = f"{', '.join(loaded)} is loaded" if loaded else "another hypervisor runs VMs"
    return Outcome(WARN, f"{what} beside KVM", evidence, stop_other_hypervisor(facts))


@check(
    "rivals.virt-at-load",
    question="Does kvm.enable_virt_at_load suit the other hypervisor?",
    why="Since Linux 6.12 KVM switches virtualization on when it is loaded. VirtualBox before 7.2.10 then cannot "
    "start a VM, and needs 0; VirtualBox 7.2.10 and later relies on it, and needs 1. Advice from before is wrong "
    "after.",
    judged=f"By the versions of the kernel and of vboxdrv, and the running value; {VERIFIED}. Warns when they do not "
    "fit, and when the version of VirtualBox is not known: then both ways are shown.",
    severity=Severity.DEGRADES,
    facts=("machine.rivals", "kernel.release", "kvm.modules", "cpu.identity", "cpu.flags", "cpu.cpuid"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("rivals.virt-on-demand", "rivals.virt-at-load"),
    links=("kernel-parameters.txt: kvm.enable_virt_at_load", "VirtualBox issues 711 and 713"),
)
def rivals_virt_at_load(facts: Facts) -> Outcome:
    rivals, modules = facts.rivals.known, facts.modules.known
    if rivals is None:
        return Outcome(UNKNOWN, f"modules could not be listed: {facts.rivals.error}")
    if "vboxdrv" not in rivals.modules:
        return Outcome(SKIP, "VirtualBox is not loaded")
    kernel = facts.kernel_number
    if kernel is not None and kernel < ON_DEMAND:
        return Outcome(SKIP, "before Linux 6.12 KVM switches virtualization on with its first VM")
    value = modules["kvm"].parameters.get("enable_virt_at_load") if modules and "kvm" in modules else None
    if kernel is None or value is None:
        return Outcome(UNKNOWN, "the kernel's version or kvm.enable_virt_at_load could not be read")
    version = virtualbox_version(facts)
    evidence = (
        Evidence("/sys/module/kvm/parameters/enable_virt_at_load", value),
        Evidence("/sys/module/vboxdrv/version", ".".join(map(str, version)) if version else "not known"),
    )
    if version is None:
        summary = f"whether enable_virt_at_load={value} is right depends on VirtualBox's version, which is not known"
        return Outcome(WARN, summary, evidence, virt_at_load(facts))
    wanted = version >= SHARE
    if is_on(value) is wanted:
        return Outcome(PASS, f"enable_virt_at_load={value} is what this VirtualBox needs", evidence)
    summary = f"enable_virt_at_load={value}, but this VirtualBox needs {int(wanted)}"
    return Outcome(WARN, summary, evidence, virt_at_load(facts))
