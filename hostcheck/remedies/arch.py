"""Nesting on other architectures than x86."""

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy
from hostcheck.remedies.book import recipe

ARM64 = recipe(
    "arch.arm64-nested",
    "boot with kvm-arm.mode=nested on the kernel's command line",
    needs=Needs.REBOOT,
    risk="the machine reboots; protected mode (pKVM) and nesting exclude each other",
    applies="arm64 with FEAT_NV2, Linux 6.16 and later",
)
S390X = recipe(
    "arch.s390x-nested",
    "switch nesting on in kvm, now and after the next boot",
    "echo options kvm nested=1 > /etc/modprobe.d/nestproof.conf",
    "modprobe -r kvm && modprobe kvm",
    then="stop all VMs first; hpage=1 of the same module has to go: the two exclude each other",
    needs=Needs.RELOAD,
    risk="every VM of this machine is down meanwhile, and none can use huge pages after it",
    applies="s390x",
)
PPC64 = recipe(
    "arch.ppc64-nested",
    "switch nesting on in kvm_hv",
    "echo 1 > /sys/module/kvm_hv/parameters/nested",
    "echo options kvm_hv nested=1 > /etc/modprobe.d/nestproof.conf",
    then="POWER9 and later; the VM needs cap-nested-hv=on in QEMU's machine",
    applies="ppc64le with kvm_hv",
)
BY_ARCH = {"aarch64": ARM64, "arm64": ARM64, "s390x": S390X, "ppc64le": PPC64}


def nesting_elsewhere(facts: Facts) -> tuple[Remedy, ...]:
    """The switch of this architecture; none where there is none."""
    found = BY_ARCH.get(facts.arch)
    return (found.fill(facts),) if found else ()
