"""What a VM is fitted with on one host beyond its CPU's feature, and the honest answer for what it is not. Pure."""

from collections.abc import Mapping

import msgspec

from hostcheck.model import Accelerator
from provision.model import ExtraDisk, FieldAccount, Firmware, Handling, VmSpec
from provision.provider import ProviderError
from provision.providers.libvirt.choose import Choice, where
from provision.providers.libvirt.hyperv import enlightenments
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import Offer

PERIOD = 100_000
"""Microseconds in which a CPU limit is counted."""
LEAST_QUOTA = 1000
HOT_ADD_FACTOR = 4
"""How many times its first size a VM may grow, if the host is that large."""
SLOTS = 16
SHARES = (2, 10_000)
"""What the cgroups of both versions take."""
PREALLOCATION = {"thick": "falloc", "eagerzeroedthick": "full"}
"""qemu-img's words for the disk types that take their space at once; all others are thin."""
TAKING = ("falloc", "full")
"""The words that take all of the space."""

DISK_TYPE = "VMClass spec.diskDefaults.type"
CPU_HOT_ADD = "VMClass spec.performanceProfile.cpuHotAddEnabled"
MEMORY_HOT_ADD = "VMClass spec.performanceProfile.memoryHotAddEnabled"
VBS = "VMClass spec.performanceProfile.virtualizationBasedSecurity"
FIRMWARE = "VMClass spec.firmware"
SECURE_BOOT = "VMClass spec.securityProfile.secureBoot"
VTD = "VMClass spec.securityProfile.vtdEnabled"
TPM = "VMClass spec.securityProfile.tpmEnabled"
TPM_VERSION = "VMClass spec.securityProfile.tpmVersion"
CPU_LIMIT = "VMClass spec.resourceLimits.cpuLimit"
CPU_SHARES = "VMClass spec.resourceLimits.cpuShares"
MEMORY_LIMIT = "VMClass spec.resourceLimits.memoryLimit"
IMAGE_POOLS = ("VMImage spec.source.libvirt.storagePool", "VMImage spec.prepare.storage.libvirt.storagePool")
POOLS = ("VirtualMachine spec.placement.datastore", "Provider spec.defaults.datastore", *IMAGE_POOLS)
DEFAULT_POOL = "default"
PREPARED = tuple(f"VMImage spec.prepare.storage.libvirt.{name}" for name in ("preallocation", "allocationPolicy"))
"""How the disk that is made from an image takes its space."""
MEMORY_RESERVATION = "VMClass spec.resourceLimits.memoryReservation"

Answer = tuple[Handling, str]


class Fitting(msgspec.Struct, frozen=True):
    """Everything is possible on the host that it was made for."""

    cpus_max: int
    memory_max_mib: int
    tpm: str = ""
    """Version, empty for none."""
    iommu: bool = False
    quota: int = 0
    """Microseconds of CPU time for the whole VM in each PERIOD; 0: no limit."""
    shares: int = 0
    """Relative weight; 0: libvirt's own."""
    allocated: bool = False
    """All of the memory is taken from the host at the start."""
    iops: int = 0
    """Of each disk; 0: no limit."""
    preallocation: str = ""
    """qemu-img's word for the image's disk, which then is a copy; empty: a thin overlay."""
    enlightenments: tuple[str, ...] = ()
    disks: tuple[ExtraDisk, ...] = ()
    pool: str = ""
    """Of the disks; empty: the default one, or none at all."""
    image_pool: str = ""
    """Of the image; empty: the same."""
    pooled: bool = False
    """Disks are volumes of a pool: those that take their space at once are raw."""
    answers: Mapping[str, Answer] = msgspec.field(default_factory=dict)
    """By path: what this host, unlike others, makes of a field."""


def fit(vm: VmSpec, choice: Choice, offer: Offer, machine: Machine) -> Fitting:
    """Decide. `offer` is that of the chosen accelerator. Raises ProviderError for what cannot be left away."""
    answers: dict[str, Answer] = {}
    _check_tpm(vm, offer)
    _firmware(vm, machine, answers)
    return Fitting(
        cpus_max=_cpus_max(vm, offer, machine, answers),
        memory_max_mib=_memory_max(vm, machine, answers),
        tpm=vm.tpm_version if vm.tpm else "",
        iommu=vm.vtd,
        quota=_quota(vm, machine, answers),
        shares=_shares(vm, machine, answers),
        allocated=_allocated(vm, answers),
        iops=vm.disk_iops or 0,
        preallocation=_preallocation(vm, machine, answers),
        enlightenments=_enlightenments(vm, choice, offer, answers),
        disks=vm.disks,
        pool=_pool(vm, machine, answers),
        image_pool=_image_pool(vm, machine, answers),
        pooled=machine.pooled,
        answers=answers,
    )


def answered(accounts: tuple[FieldAccount, ...], answers: Mapping[str, Answer]) -> tuple[FieldAccount, ...]:
    """The accounts, those replaced that are different on this host."""
    return tuple(
        FieldAccount(a.path, a.value, *answers[a.path], a.origin) if a.path in answers else a for a in accounts
    )


def _check_tpm(vm: VmSpec, offer: Offer) -> None:
    if vm.tpm and vm.tpm_version not in offer.tpm:
        found = f"only version {', '.join(offer.tpm)}" if offer.tpm else "none: it takes swtpm and swtpm_setup"
        raise ProviderError(
            f"{where(vm, TPM)}: a TPM {vm.tpm_version} was asked for, but libvirt there can emulate {found}",
            hint="apt-get install swtpm swtpm-tools",
            refused=True,
        )


def _firmware(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> None:
    if vm.firmware is Firmware.UEFI and not machine.firmware_features:
        from provision.accounting_versions import SINCE  # late: few are that old

        known = {FIRMWARE: vm.firmware, SECURE_BOOT: str(vm.secure_boot).lower()}
        before = {path: SINCE["libvirt"].get(f"{path}={value}") for path, value in known.items()}
        answers.update({path: since.before for path, since in before.items() if since})


def _cpus_max(vm: VmSpec, offer: Offer, machine: Machine, answers: dict[str, Answer]) -> int:
    if not vm.cpu_hot_add:
        return vm.cpus
    most = max(vm.cpus, min(HOT_ADD_FACTOR * vm.cpus, machine.cpus, offer.max_cpus or machine.cpus))
    if most == vm.cpus:
        said = f"no room to add any: the VM has {vm.cpus} CPUs, its host {machine.cpus}"
        answers[CPU_HOT_ADD] = (Handling.UNSUPPORTED, said)
    else:
        said = f"up to {most} CPUs: {HOT_ADD_FACTOR} times the first {vm.cpus}, at most the host's {machine.cpus}"
        answers[CPU_HOT_ADD] = (Handling.HONOURED, said)
    return most


def _memory_max(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> int:
    if not vm.memory_hot_add:
        return vm.memory_mib
    most = max(vm.memory_mib, min(HOT_ADD_FACTOR * vm.memory_mib, machine.memory_mib))
    if most == vm.memory_mib:
        said = f"no room to add any: the VM has {vm.memory_mib} MiB, its host {machine.memory_mib} MiB"
        answers[MEMORY_HOT_ADD] = (Handling.UNSUPPORTED, said)
    else:
        said = f"up to {most} MiB in {SLOTS} slots: {HOT_ADD_FACTOR} times the first, at most the host's"
        answers[MEMORY_HOT_ADD] = (Handling.HONOURED, f"{said} {machine.memory_mib} MiB")
    return most


def _preallocation(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> str:
    by_class = PREALLOCATION.get(vm.disk_type, "")
    by_image = _preallocation_of_image(vm)
    how = by_class or by_image
    if by_class and by_image != by_class:
        said = f"the disk takes its space as the class says, whose type is {vm.disk_type}"
        answers.update(dict.fromkeys(PREPARED, (Handling.UNSUPPORTED, said)))
    elif how == "metadata" and machine.pooled:
        said = "libvirt reserves the metadata of no copy that is larger than its image: the disk is a thin layer"
        answers[PREPARED[0]] = (Handling.UNSUPPORTED, said)
        return ""
    if how and machine.pooled:
        said = "a raw copy of the image that takes all of its space, which libvirt does for raw volumes alone"
        answer = (Handling.HONOURED if how == "falloc" else Handling.APPROXIMATED, said)
        answers.update(dict.fromkeys((DISK_TYPE,) if by_class else PREPARED, answer))
    return how


def _preallocation_of_image(vm: VmSpec) -> str:
    asked = vm.image.prepare
    if asked.preallocation is None:
        return "falloc" if asked.eager else ""
    return "" if asked.preallocation == "off" else asked.preallocation


def _pool(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> str:
    if not machine.pooled:
        if vm.placement.datastore or vm.image.storage:
            answers.update(dict.fromkeys(POOLS, (Handling.UNSUPPORTED, _NO_POOLS)))
        return ""
    return "" if vm.placement.datastore in (None, DEFAULT_POOL) else str(vm.placement.datastore)


def _image_pool(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> str:
    wanted = vm.image.storage if machine.pooled else None
    if wanted and (vm.disk_type in PREALLOCATION or _preallocation_of_image(vm) in TAKING):
        said = "the disk is a copy of the image, which is not kept beside it"
        answers.update(dict.fromkeys(IMAGE_POOLS, (Handling.UNSUPPORTED, said)))
        return ""
    return "" if wanted in (None, vm.placement.datastore or DEFAULT_POOL) else str(wanted)


def _quota(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> int:
    limit = vm.limits.cpu_limit
    if limit is None:
        return 0
    if not machine.cgroups:
        answers[CPU_LIMIT] = (Handling.UNSUPPORTED, _NO_CGROUPS)
        return 0
    if not machine.mhz:
        answers[CPU_LIMIT] = (Handling.UNSUPPORTED, "libvirt does not know that host's MHz, nor QEMU any limit in MHz")
        return 0
    quota = max(LEAST_QUOTA, limit * PERIOD // machine.mhz)
    said = f"{limit} MHz of a CPU of {machine.mhz} MHz: {quota} µs of CPU time in every {PERIOD} µs, for all its CPUs"
    answers[CPU_LIMIT] = (Handling.APPROXIMATED, said)
    return quota


def _shares(vm: VmSpec, machine: Machine, answers: dict[str, Answer]) -> int:
    wanted = vm.limits.cpu_shares
    if wanted is None:
        return 0
    if not machine.cgroups:
        answers[CPU_SHARES] = (Handling.UNSUPPORTED, _NO_CGROUPS)
        return 0
    least, most = SHARES
    shares = min(max(wanted, least), most)
    if shares != wanted:
        answers[CPU_SHARES] = (Handling.APPROXIMATED, f"a weight of {shares}: cgroups take {least} to {most}")
    return shares


def _allocated(vm: VmSpec, answers: dict[str, Answer]) -> bool:
    limit, reservation = vm.limits.memory_limit_mib, vm.limits.memory_reservation_mib
    if limit is not None and limit >= vm.memory_mib:
        said = f"the guest never has more than its {vm.memory_mib} MiB; what QEMU itself needs is not counted"
        answers[MEMORY_LIMIT] = (Handling.APPROXIMATED, said)
    if reservation is None or reservation < vm.memory_mib:
        return False
    said = "all of the memory is taken from the host at the start; the host may still swap it out"
    answers[MEMORY_RESERVATION] = (Handling.APPROXIMATED, said)
    return True


def _enlightenments(vm: VmSpec, choice: Choice, offer: Offer, answers: dict[str, Answer]) -> tuple[str, ...]:
    if not vm.vbs:
        return ()
    if choice.accelerator is Accelerator.TCG:
        answers[VBS] = (
            Handling.UNSUPPORTED,
            "QEMU's emulator shows guests no Hyper-V interface, whatever its XML says",
        )
        return ()
    names = enlightenments(offer.hyperv, choice.feature if vm.nested else "")
    parts = {"nesting": vm.nested, "Secure Boot": vm.secure_boot, "an IOMMU (vtdEnabled)": vm.vtd}
    lacking = [part for part, given in parts.items() if not given]
    said = f"libvirt has no switch for it: Windows turns it on. Hyper-V interface: {', '.join(names) or 'none there'}"
    answers[VBS] = (
        Handling.APPROXIMATED,
        f"{said}; the class leaves out {' and '.join(lacking)}" if lacking else said,
    )
    return names


_NO_POOLS = "the embedded driver has no pools: disks and images are files below its own directory"
_NO_CGROUPS = "takes cgroups, which only a system daemon keeps: use qemu:///system"
