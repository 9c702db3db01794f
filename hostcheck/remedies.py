"""What to do about a broken link: where, which command, and what has to follow.

`proved_in` names the test scenario in which the commands were run and turned the verdict. It stays empty, and the
reader is told so, until such a scenario exists.
"""

from hostcheck.facts import Facts
from hostcheck.model import Remedy, Where

POWER_CYCLE = "power the VM off and on again: a reboot from inside keeps the old virtual CPU"


def expose_to_this_vm(facts: Facts) -> tuple[Remedy, ...]:
    """For a VM whose hypervisor hides vmx/svm: the setting by product, recognised by CPUID signature and DMI."""
    names = " ".join(facts.hypervisor_names)
    dmi = " ".join((facts.dmi.value or {}).values()).lower()
    found = []
    if "VMwareVMware" in names:
        found.append(
            Remedy(
                "vSphere: expose hardware assisted virtualization to this VM (nestedHVEnabled)",
                Where.HYPERVISOR,
                ("govc vm.change -vm NAME -nested-hv-enabled=true",),
                "the VM has to be powered off for the change",
            )
        )
    elif "Microsoft Hv" in names and "KVMKVMKVM" not in names:
        found.append(
            Remedy(
                "Hyper-V: expose virtualization extensions to this VM",
                Where.HYPERVISOR,
                ("Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true",),
                "the VM has to be powered off for the change",
            )
        )
    elif "KVMKVMKVM" in names or "TCGTCGTCG" in names or "qemu" in dmi:
        vendor = facts.cpu.value.vendor if facts.cpu.value else ""
        feature = "vmx" if vendor == "GenuineIntel" else "svm"
        found.append(
            Remedy(
                f"libvirt: give this VM the host's CPU and require {feature}",
                Where.HYPERVISOR,
                (f"virt-xml NAME --edit --cpu clearxml=yes,mode=host-model,check=partial,require={feature}",),
                POWER_CYCLE + "; if it then does not start, run `nestproof check` on the hypervisor",
            )
        )
        found.append(
            Remedy(
                "Proxmox VE: give this VM the CPU type `host`",
                Where.HYPERVISOR,
                ("qm set VMID --cpu host",),
                POWER_CYCLE,
            )
        )
    else:
        found.append(
            Remedy(
                "switch nested virtualization on for this VM where it is configured", Where.HYPERVISOR, (), POWER_CYCLE
            )
        )
    return tuple(found)


def enable_in_firmware(facts: Facts) -> tuple[Remedy, ...]:
    """Off in firmware; inside a VM the virtual firmware only passes on what the VM was given."""
    if facts.is_vm:
        return expose_to_this_vm(facts)
    name = {"vmx": "Intel Virtualization Technology (VT-x)", "svm": "SVM Mode (AMD-V)"}.get(facts.feature or "", "")
    return (
        Remedy(
            f"enable {name or 'hardware virtualization'} in the firmware set-up",
            Where.HOST_FIRMWARE,
            ("systemctl reboot --firmware-setup",),
            "power the machine off and on: the lock survives a warm reboot",
        ),
    )


def kernel_with_module(facts: Facts, module: str) -> tuple[Remedy, ...]:
    """The running kernel was built or packaged without KVM."""
    _ = facts
    return (
        Remedy(
            f"run a kernel that has {module}",
            Where.HOST_SHELL,
            (f"modinfo {module}",),
            "install a distribution kernel with KVM and boot it",
        ),
    )


def load_module(module: str) -> tuple[Remedy, ...]:
    return (Remedy(f"load {module}", Where.HOST_SHELL, (f"modprobe {module}",)),)


def switch_nested_on(module: str) -> tuple[Remedy, ...]:
    """`nested=1` is understood by the bool of kvm_intel and by the int of kvm_amd; Y is not by the latter."""
    return (
        Remedy(
            f"switch nesting on in {module}, now and after the next boot",
            Where.HOST_SHELL,
            (
                f"echo 'options {module} nested=1' > /etc/modprobe.d/nestproof.conf",
                f"modprobe -r {module} && modprobe {module}",
            ),
            "stop all VMs first: the module cannot be reloaded while one runs; then start the VMs anew",
        ),
    )


def make_node(facts: Facts) -> tuple[Remedy, ...]:
    wanted = facts.vendor_module or "kvm_intel"
    return (
        Remedy(
            "load the KVM module; it makes the node",
            Where.HOST_SHELL,
            (f"modprobe {wanted}", "udevadm trigger --name-match=kvm"),
        ),
    )


def grant_access(facts: Facts) -> tuple[Remedy, ...]:
    """Membership of the node's group where the group is allowed, else an ACL for this one user."""
    device = facts.device.value
    process = facts.process.value
    user = process.user if process and process.user else "USER"
    group_may = device is not None and device.mode[-2:-1] in ("6", "7") and device.group not in ("", "root")
    if device is not None and group_may:
        return (
            Remedy(
                f"add {user} to the group {device.group}",
                Where.HOST_SHELL,
                (f"usermod -aG {device.group} {user}",),
                "log in again: a running session keeps its groups",
            ),
        )
    path = device.path if device else "/dev/kvm"
    return (
        Remedy(
            f"let {user} open {path}, until the node is made anew",
            Where.HOST_SHELL,
            (f"setfacl -m u:{user}:rw {path}",),
            "for good: a udev rule that gives the node to group kvm with mode 0660",
        ),
    )


def stop_other_hypervisor() -> tuple[Remedy, ...]:
    return (
        Remedy(
            "stop the other hypervisor's VMs and unload its module",
            Where.HOST_SHELL,
            ("lsmod | grep -E 'vboxdrv|vmmon|xen'", "systemctl stop vboxdrv"),
        ),
    )
