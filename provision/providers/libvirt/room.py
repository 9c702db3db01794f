"""Whether a host is large enough for a VM at all, before anything is made. Pure."""

from provision.model import VmSpec
from provision.provider import ProviderError
from provision.providers.libvirt.choose import where
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import Offer

CPUS = ("VirtualMachine spec.resources.cpu", "VMClass spec.cpu")
MEMORY = ("VirtualMachine spec.resources.memoryMiB", "VMClass spec.memory")
"""What says it: the VM, else its class."""


def check_room(vm: VmSpec, offer: Offer, machine: Machine) -> tuple[str, ...]:
    """Notes on what is possible and slow. Raises ProviderError, refused, for what cannot be."""
    most = machine.memory_mib
    if most and vm.memory_mib > most:
        raise ProviderError(
            f"{_said(vm, MEMORY)}: {vm.memory_mib} MiB of memory are more than the {most} MiB of that host",
            hint="lower memory, or this VM's spec.resources.memoryMiB",
            refused=True,
        )
    if offer.max_cpus and vm.cpus > offer.max_cpus:
        raise ProviderError(
            f"{_said(vm, CPUS)}: {vm.cpus} CPUs are more than the {offer.max_cpus} that a VM can have there",
            hint="lower cpu, or this VM's spec.resources.cpu",
            refused=True,
        )
    if machine.cpus and vm.cpus > machine.cpus:
        return (f"it has {vm.cpus} CPUs, its host {machine.cpus}: they wait for each other, and its own VMs for them",)
    return ()


def _said(vm: VmSpec, paths: tuple[str, ...]) -> str:
    said = {field.path for field in vm.fields}
    return where(vm, next((path for path in paths if path in said), paths[-1]))
