"""Other hypervisors on the same machine. What helps depends on versions, and has reversed once already."""

import re

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy
from hostcheck.remedies.book import recipe

VERIFIED = "last verified 2026-08 in the issues of VirtualBox (#711, #713) and the source of Linux 6.12"
VERSION = re.compile(r"([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})(?![0-9.])")
SHARE = (7, 2, 10)
"""The first VirtualBox that wants KVM to have switched virtualization on, where those before want the opposite."""

STOP_VIRTUALBOX = recipe(
    "rivals.stop-virtualbox",
    "stop VirtualBox's VMs and unload its modules",
    "VBoxManage list runningvms",
    "systemctl stop vboxdrv",
    then="then start the KVM guests; systemctl disable vboxdrv keeps it so",
    risk="VirtualBox's VMs are down",
    applies="VirtualBox on Linux",
)
STOP_VMWARE = recipe(
    "rivals.stop-vmware",
    "stop VMware's VMs and unload its modules",
    "vmrun list",
    "systemctl stop vmware",
    risk="VMware's VMs are down",
    applies="VMware Workstation on Linux",
)
STOP_OTHER = recipe(
    "rivals.stop-other",
    "stop the other hypervisor's VMs and unload its module",
    "lsmod | grep -E 'vboxdrv|vmmon|xen|prl_hypervisor'",
    risk="the other hypervisor's VMs are down",
)
VIRT_ON_DEMAND = recipe(
    "rivals.virt-on-demand",
    "let KVM hold the CPU's virtualization only while one of its VMs runs",
    "echo options kvm enable_virt_at_load=0 > /etc/modprobe.d/nestproof-virt-at-load.conf",
    "modprobe -r {module} kvm && modprobe {module}",
    then="VirtualBox and KVM can then take turns, not run together",
    needs=Needs.RELOAD,
    risk="every VM of this machine is down meanwhile",
    applies=f"VirtualBox before 7.2.10 with Linux 6.12 and later; {VERIFIED}",
)
VIRT_AT_LOAD = recipe(
    "rivals.virt-at-load",
    "let KVM switch the CPU's virtualization on when it is loaded: this VirtualBox relies on it",
    "echo options kvm enable_virt_at_load=1 > /etc/modprobe.d/nestproof-virt-at-load.conf",
    "modprobe -r {module} kvm && modprobe {module}",
    needs=Needs.RELOAD,
    risk="every VM of this machine is down meanwhile",
    applies=f"VirtualBox 7.2.10 and later with Linux 6.12 and later; {VERIFIED}",
)


def stop_other_hypervisor(facts: Facts) -> tuple[Remedy, ...]:
    """By what is loaded; without a sign of who it is, how to find out."""
    rivals = facts.rivals.known
    loaded = rivals.modules if rivals else []
    found = []
    if "vboxdrv" in loaded:
        found.append(STOP_VIRTUALBOX)
    if "vmmon" in loaded or "vmw_vmx86" in loaded:
        found.append(STOP_VMWARE)
    return tuple(each.fill(facts) for each in found or [STOP_OTHER])


def virtualbox_version(facts: Facts) -> tuple[int, ...] | None:
    """The version of the loaded vboxdrv; None when it is not known.

    It calls itself `7.0.20_Debian r163906 (0x00330004)`, and in Oracle's own packages `7.2.10 r170000 (0x00340001)`.
    """
    rivals = facts.rivals.known
    found = VERSION.match(rivals.versions.get("vboxdrv", "")) if rivals else None
    return tuple(int(number) for number in found.groups()) if found else None


def virt_at_load(facts: Facts) -> tuple[Remedy, ...]:
    """kvm.enable_virt_at_load, the way that this VirtualBox wants it; both ways when its version is not known."""
    version = virtualbox_version(facts)
    module = facts.vendor_module or "kvm_intel"
    if version is None:
        return (VIRT_ON_DEMAND.fill(facts, module=module), VIRT_AT_LOAD.fill(facts, module=module))
    return ((VIRT_AT_LOAD if version >= SHARE else VIRT_ON_DEMAND).fill(facts, module=module),)
