"""What cannot work on a node, by its version and by its size, before anything is made. Pure."""

from collections.abc import Callable

import msgspec

from provision.model import Firmware, VmSpec
from provision.providers.proxmox.facts import Node
from provision.providers.proxmox.words import (
    CPUS,
    FIRMWARE,
    IGNITION,
    MEMORY,
    MEMORY_HOT_ADD,
    SECURE_BOOT,
    TPM,
    VTD,
    refusal,
)

HOT_PLUG_MIB = 1024
"""Of static memory that memory hot-plug needs."""


class Gate(msgspec.Struct, frozen=True):
    """Something that is there from a version on."""

    path: str
    what: str
    since: tuple[int, ...]
    asked: Callable[[VmSpec], bool]


GATES = (
    Gate(VTD, "a virtual IOMMU", (8, 2), lambda vm: vm.vtd),
    Gate(TPM, "a TPM", (7, 1), lambda vm: vm.tpm),
    Gate(SECURE_BOOT, "Secure Boot with enrolled keys", (7, 1), lambda vm: vm.secure_boot),
)


def check(vm: VmSpec, node: Node) -> None:
    """Raises ProviderError, refused, at the first thing that this node cannot do."""
    for gate in GATES:
        if gate.asked(vm) and node.version < gate.since:
            since = ".".join(map(str, gate.since))
            why = f"{gate.what} needs Proxmox VE {since}; {node.name} has {node.version}"
            raise refusal(vm, gate.path, why, f"upgrade {node.name}, or choose another node")
    if vm.secure_boot and vm.firmware is not Firmware.UEFI:
        raise refusal(vm, SECURE_BOOT, "secure boot was asked for, but it needs spec.firmware: UEFI")
    if (vm.vtd or vm.secure_boot) and not node.q35:
        raise refusal(vm, VTD if vm.vtd else FIRMWARE, f"{node.name} knows no machine q35")
    if vm.memory_hot_add and vm.memory_mib < HOT_PLUG_MIB:
        why = f"memory hot-plug needs {HOT_PLUG_MIB} MiB of memory, the VM has {vm.memory_mib}"
        raise refusal(vm, MEMORY_HOT_ADD, why)
    if node.cpus and vm.cpus > node.cpus:
        raise refusal(vm, CPUS, f"{vm.cpus} CPUs are more than the {node.cpus} of {node.name}, which Proxmox refuses")
    if node.memory_mib and vm.memory_mib > node.memory_mib:
        raise refusal(vm, MEMORY, f"{vm.memory_mib} MiB are more than the {node.memory_mib} MiB of {node.name}")
    if vm.ignition is not None:
        why = "Ignition reaches a guest by `args`, which only root@pam may set, and no API token"
        raise refusal(vm, IGNITION, why, "use cloud-init")
