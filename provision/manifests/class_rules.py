"""The meaning of a VMClass: contradictions, inverted settings, sizes."""

from collections.abc import Iterator
from fractions import Fraction

from provision.manifests import quantity, rulebook
from provision.manifests.documents import Document
from provision.manifests.rulebook import Rule
from provision.manifests.schemas import VMClass
from provision.manifests.schemas.vmclass import VMClassSpec
from provision.manifests.text import shown
from provision.manifests.tree import Loc
from provision.model import Problem

SMALLEST_MEMORY = Fraction(16 * quantity.MIB)
SMALLEST_DISK = Fraction(quantity.MIB)

NESTED = ("spec", "performanceProfile", "nestedVirtualization")
_VBS = ("spec", "performanceProfile", "virtualizationBasedSecurity")
_SECURE_BOOT = ("spec", "securityProfile", "secureBoot")
_VTD = ("spec", "securityProfile", "vtdEnabled")
_TPM_VERSION = ("spec", "securityProfile", "tpmVersion")
_FIRMWARE = ("spec", "firmware")
_HOT_ADD = ("spec", "performanceProfile", "cpuHotAddEnabled")
_LATENCY = ("spec", "performanceProfile", "latencySensitivity")


def check(document: Document[VMClass]) -> Iterator[Problem]:
    """Every broken rule of one class."""
    if document.model is None:
        return
    spec = document.model.spec
    for rule, loc, what in (
        *_security(document, spec),
        *_tpm(spec),
        *_performance(spec),
        *_sizes(document, spec),
        *_limits(spec),
        *_extra_config(spec),
    ):
        yield rule.broken(document.at(*loc), document.path(*loc), what)


Found = Iterator[tuple[Rule, Loc, str]]


def _security(document: Document[VMClass], spec: VMClassSpec) -> Found:
    bios = "firmware is BIOS" if document.has(*_FIRMWARE) else "firmware is not set, which means BIOS"
    if spec.performance_profile.virtualization_based_security:
        for rule, loc, fine in (
            (rulebook.VBS_SECURE_BOOT, _SECURE_BOOT, spec.security_profile.secure_boot),
            (rulebook.VBS_NESTED, NESTED, spec.performance_profile.nested_virtualization),
            (rulebook.VBS_VTD, _VTD, spec.security_profile.vtd_enabled),
        ):
            if not fine:
                state = "is false" if document.has(*loc) else "is not set"
                yield rule, loc if document.has(*loc) else _VBS, f"virtualizationBasedSecurity is on, {loc[-1]} {state}"
        if spec.firmware == "BIOS":
            place = _FIRMWARE if document.has(*_FIRMWARE) else _VBS
            yield rulebook.VBS_UEFI, place, f"virtualizationBasedSecurity is on, {bios}"
    if spec.security_profile.secure_boot and spec.firmware == "BIOS":
        yield rulebook.SECURE_BOOT_UEFI, _SECURE_BOOT, f"secureBoot is on, {bios}"
    if spec.firmware == "EFI":
        yield rulebook.FIRMWARE_EFI, _FIRMWARE, "EFI is only an alias"


def tpm_version(spec: VMClassSpec) -> str:
    """`1.2` or `2.0`, however it was written; as given when it is neither."""
    given = spec.security_profile.tpm_version
    return "2.0" if given is None or str(given) in ("2", "2.0") else str(given)


def _tpm(spec: VMClassSpec) -> Found:
    given = spec.security_profile.tpm_version
    if given is None:
        return
    yield rulebook.TPM_VERSION, _TPM_VERSION, f"tpmVersion {shown(str(given))} cannot be stored"
    if tpm_version(spec) not in ("1.2", "2.0"):
        yield rulebook.TPM_VERSION_UNKNOWN, _TPM_VERSION, f"tpmVersion is {shown(str(given))}"
    elif not spec.security_profile.tpm_enabled:
        yield rulebook.TPM_VERSION_UNUSED, _TPM_VERSION, "tpmVersion is set, tpmEnabled is not"


def _performance(spec: VMClassSpec) -> Found:
    profile = spec.performance_profile
    if profile.latency_sensitivity == "low":
        yield rulebook.LATENCY_LOW, _LATENCY, "low is the worst setting for performance"
    if not profile.nested_virtualization:
        return
    if profile.cpu_hot_add_enabled:
        yield rulebook.NESTED_HOT_ADD, _HOT_ADD, "CPU hot-add and nested virtualization are both on"
    if spec.cpu < 8:
        yield (
            rulebook.NESTED_CPU,
            ("spec", "cpu"),
            f"{spec.cpu} CPU{'' if spec.cpu == 1 else 's'} for a VM that runs VMs",
        )
    if spec.memory < 16 * quantity.GIB:
        what = f"{quantity.show(spec.memory)} of memory for a VM that runs VMs"
        yield rulebook.NESTED_MEMORY, ("spec", "memory"), what
    if spec.resource_limits.cpu_limit is None and spec.resource_limits.cpu_shares is None:
        yield rulebook.NESTED_LIMITS, NESTED, "it runs VMs, and nothing limits its CPU time"


def _sizes(document: Document[VMClass], spec: VMClassSpec) -> Found:
    for loc, size, smallest, unit, unit_name in (
        (("spec", "memory"), spec.memory, SMALLEST_MEMORY, quantity.MIB, "MiB"),
        (("spec", "diskDefaults", "size"), spec.disk_defaults.size, SMALLEST_DISK, quantity.GIB, "GiB"),
    ):
        what = f"{quantity.show(size)} is "
        if size <= 0:
            yield rulebook.NOT_POSITIVE, loc, f"{what}not a size"
        elif size < smallest:
            given = shown(str(document.places.value_at(loc)))
            yield rulebook.UNIT_FORGOTTEN, loc, f"{given} means {float(size):.15g} bytes"
        elif size % unit:
            rounded = f"{quantity.ceil(size, unit)} {unit_name}"
            yield rulebook.ROUNDED, loc, f"{what}not a whole number of {unit_name} and becomes {rounded}"


def _limits(spec: VMClassSpec) -> Found:
    limits = spec.resource_limits
    if limits.cpu_limit is not None and (limits.cpu_reservation or 0) > limits.cpu_limit:
        what = f"cpuReservation {limits.cpu_reservation} is above cpuLimit {limits.cpu_limit}"
        yield rulebook.LIMIT_BELOW, ("spec", "resourceLimits", "cpuReservation"), what
    if limits.memory_limit is not None and limits.memory_limit < spec.memory:
        what = f"memoryLimit {quantity.show(limits.memory_limit)} is below memory {quantity.show(spec.memory)}"
        yield rulebook.LIMIT_BELOW_MEMORY, ("spec", "resourceLimits", "memoryLimit"), what
    if limits.memory_reservation is None:
        return
    loc = ("spec", "resourceLimits", "memoryReservation")
    what = f"memoryReservation {quantity.show(limits.memory_reservation)} is above"
    if limits.memory_limit is not None and limits.memory_limit < limits.memory_reservation:
        yield rulebook.LIMIT_BELOW, loc, f"{what} memoryLimit {quantity.show(limits.memory_limit)}"
    if limits.memory_reservation > spec.memory:
        yield rulebook.RESERVATION_ABOVE, loc, f"{what} memory {quantity.show(spec.memory)}"


def _extra_config(spec: VMClassSpec) -> Found:
    for key in spec.extra_config:
        if key.lower().startswith(("vhv.", "vbs.", "vvtd.")):
            yield rulebook.EXTRA_CONFIG, ("spec", "extraConfig", key), f"{shown(key)} has no effect"
