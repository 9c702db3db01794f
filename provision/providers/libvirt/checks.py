"""What is wrong with a wanted VM on the host where it is to run, found before anything is touched. Pure."""

import shlex

from provision.images import LocalImage
from provision.model import FieldAccount, Firmware, Handling, VmSpec
from provision.provider import Plan, Power, ProviderError
from provision.providers.libvirt.changes import Change, Present, power, shrinking
from provision.providers.libvirt.choose import where
from provision.providers.libvirt.firmware import machine_type
from provision.providers.libvirt.fitting import DEFAULT_POOL, FIRMWARE, SECURE_BOOT, VTD
from provision.providers.libvirt.machine import Machine, version_text
from provision.providers.libvirt.offer import MACHINE, Offer
from provision.providers.libvirt.record import Settings
from provision.providers.libvirt.site import pool_path

DISK = "VMClass spec.diskDefaults.size"


def check_accounts(accounts: tuple[FieldAccount, ...]) -> None:
    """A field that is refused stops the VM: without it, it would not be the VM that was asked for."""
    for account in accounts:
        if account.handling is Handling.REFUSED:
            raise ProviderError(f"{account.origin}: {account.path}: {account.value}: {account.how}", refused=True)


def check_size(vm: VmSpec, image: LocalImage) -> None:
    """The image has to fit on its disk."""
    if vm.disk_gib << 30 < image.size:
        raise ProviderError(
            f"{where(vm, DISK)}: a disk of {vm.disk_gib} GiB is smaller than its image {vm.image.name} "
            f"({image.size / 2**30:.1f} GiB)",
            refused=True,
        )


def check_shrinking(vm: VmSpec, present: Present, wanted: Settings) -> None:
    """A disk in use does not survive getting smaller."""
    fault = shrinking(present, wanted)
    if fault:
        raise ProviderError(f"{where(vm, DISK)}: {fault}", hint="destroy the VM first, or keep the size", refused=True)


def check_moving(vm: VmSpec, present: Present, wanted: Settings) -> None:
    """Disks stay in the pool that they were made in: what is on them would be lost, or left behind."""
    before = present.settings
    if before is not None and before.pool != wanted.pool:
        old, new = before.pool or DEFAULT_POOL, wanted.pool or DEFAULT_POOL
        raise ProviderError(
            f"{where(vm, pool_path(vm))}: its disks are in the storage pool {old!r} and are not moved to {new!r}",
            hint=f"name the pool {old!r} again, or destroy the VM first, which removes its disks",
            refused=True,
        )


def check_consent(plan: Plan, present: Present, change: Change) -> None:
    """A plan that is carried out does to a VM no more than it said: another run may have changed the VM since."""
    lost = change is Change.REBUILD and not plan.loses_disk
    stopped = plan.power is Power.UNTOUCHED and power(change, present, power_on=plan.vm.power_on) is not Power.UNTOUCHED
    if lost or stopped:
        what = "what was written to its disk would be lost" if lost else "it would have to be stopped"
        raise ProviderError(
            f"{what}, which the plan did not say: it has changed since",
            hint="plan again, and apply that plan",
            refused=True,
        )


def check_moved(vm: VmSpec, present: Present, change: Change) -> tuple[str, ...]:
    """A note on a disk that is not where it was made. Raises ProviderError where the domain would be put back on it."""
    if not present.moved:
        return ()
    moved = present.moved[0]
    said = f"its disk is now {moved.found}, and no more {moved.made}: a snapshot's layer, or a copy"
    if change not in (Change.RECONFIGURE, Change.REBUILD):
        return (said,)
    name = f"{vm.namespace}.{vm.name}"
    raise ProviderError(
        f"{where(vm, 'vm')}: {said}; what was written since would be lost",
        hint=f"merge it while the VM runs: virsh -c {shlex.quote(vm.provider.endpoint)} blockcommit {name} "
        f"{moved.device} --base {shlex.quote(moved.made)} --active --pivot; or destroy the VM",
        refused=True,
    )


def check_firmware(vm: VmSpec, offer: Offer, machine: Machine) -> None:
    """UEFI and Secure Boot have to be there, on a machine that has the rest, too."""
    if vm.firmware is Firmware.UEFI and not offer.uefi:
        raise ProviderError(
            f"{where(vm, FIRMWARE)}: there is no UEFI firmware on that host",
            hint="apt-get install ovmf",
            refused=True,
        )
    if vm.secure_boot and not (vm.firmware is Firmware.UEFI and offer.secure_boot):
        fault = "that host's firmware cannot do it" if vm.firmware is Firmware.UEFI else "it needs spec.firmware: UEFI"
        raise ProviderError(f"{where(vm, SECURE_BOOT)}: secure boot was asked for, but {fault}", refused=True)
    if vm.vtd and machine_type(vm, machine) != MACHINE:
        raise ProviderError(
            f"{where(vm, VTD)}: an IOMMU takes machine {MACHINE}, for which libvirt {version_text(machine.version)} "
            "cannot be kept from firmware with Secure Boot, which was not asked for",
            hint="ask for it (spec.securityProfile.secureBoot: true), use firmware: BIOS, or libvirt 7.2 or newer",
            refused=True,
        )
