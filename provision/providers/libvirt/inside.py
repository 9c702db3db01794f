"""What the QEMU of one domain really has, asked of QEMU itself: libvirt's XML may only say what was written."""

from collections.abc import Callable, Collection
from typing import TypeVar

import libvirt
import msgspec

from provision.providers.libvirt import monitor
from provision.providers.libvirt.monitor import MonitorError

T = TypeVar("T")
MEMORY_OBJECTS = ("/objects/pc.ram", "/objects/ram-node0")
"""What QEMU calls the guest's memory: without and with a NUMA cell."""
DEVICES = ("/machine/peripheral", "/machine/peripheral-anon")
"""Where devices are, with and without an id."""
IOMMU = "child<intel-iommu>"
FLASH = "/machine/system.flash0"
"""The chip that UEFI is in; BIOS leaves it empty."""
NO_SPINLOCKS = 0xFFFF_FFFF
"""How often a guest tries before it tells the hypervisor: for ever."""
FEATURES = ("vmx", "svm")


class Cpus(msgspec.Struct, frozen=True):
    """The CPUs that the guest has, and how many could be added."""

    type: str
    path: str
    """Of the first."""
    count: int
    free: int


class Iommu(msgspec.Struct, frozen=True):
    """An Intel IOMMU."""

    remaps_interrupts: bool
    caches: bool
    """Caching mode, without which nothing can be passed through to guests of the guest."""


class Inside(msgspec.Struct, frozen=True):
    """One answer for each question; None where QEMU could not be asked or does not know the question."""

    status: str | None = None
    """`running`, `paused`, `internal-error`, ..."""
    kvm: bool | None = None
    cpus: Cpus | None = None
    memory: int | None = None
    """Bytes that the guest has, less what a balloon has taken back."""
    memory_most: int | None = None
    """Bytes that it could have."""
    memory_allocated: bool | None = None
    tpm: str | None = None
    """QEMU's model; empty for none."""
    uefi: bool | None = None
    secure: bool | None = None
    """Only firmware can write to the chip that it is in."""
    iommus: tuple[Iommu, ...] | None = None
    features: dict[str, bool] | None = None
    """vmx and svm, as the CPU itself shows them."""
    hyperv: frozenset[str] | None = None
    """Parts of the Hyper-V interface that the CPU shows, of those asked for."""
    trouble: str = ""
    """Why the CPU could not be asked."""


def look_inside(domain: "libvirt.virDomain", hyperv: Collection[str]) -> Inside:
    """Ask all of it; `hyperv` are the parts of the Hyper-V interface to ask for."""
    slots = _or_none(lambda: monitor.ask(domain, "query-hotpluggable-cpus", list[monitor.Slot]))
    cpus = _cpus(slots) if slots else None
    kvm = _or_none(lambda: monitor.ask(domain, "query-kvm", monitor.Accelerated).enabled)
    tpms = _or_none(lambda: monitor.ask(domain, "query-tpm", list[monitor.Tpm]))
    uefi = _or_none(lambda: bool(monitor.get(domain, FLASH, "drive", str)))
    features, trouble = _features(domain, cpus)
    return Inside(
        status=_or_none(lambda: monitor.ask(domain, "query-status", monitor.Status).status),
        kvm=kvm,
        cpus=cpus,
        memory=_or_none(lambda: _memory(domain)),
        memory_most=_or_none(lambda: monitor.get(domain, "/machine", "memory", monitor.Room).most),
        memory_allocated=_memory_allocated(domain),
        tpm=None if tpms is None else next((tpm.model for tpm in tpms), ""),
        uefi=uefi,
        secure=_or_none(lambda: monitor.get(domain, FLASH, "secure", bool)) if uefi else uefi,
        iommus=_or_none(lambda: _iommus(domain)),
        features=features,
        hyperv=_hyperv(domain, cpus, hyperv) if kvm else (frozenset() if kvm is False else None),
        trouble=trouble,
    )


def _or_none(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except MonitorError:
        return None


def _cpus(slots: list[monitor.Slot]) -> Cpus | None:
    taken = [slot for slot in slots if slot.qom]
    if not taken:
        return None
    free = sum(slot.count for slot in slots if not slot.qom)
    return Cpus(taken[0].type, taken[0].qom, sum(slot.count for slot in taken), free)


def _memory(domain: "libvirt.virDomain") -> int:
    given = monitor.ask(domain, "query-memory-size-summary", monitor.Memory)
    balloon = _or_none(lambda: monitor.ask(domain, "query-balloon", monitor.Balloon))  # there may be none
    total = given.base + given.plugged
    return min(total, balloon.actual) if balloon else total


def _memory_allocated(domain: "libvirt.virDomain") -> bool | None:
    for path in MEMORY_OBJECTS:
        try:
            return monitor.get(domain, path, "prealloc", bool)
        except MonitorError:
            continue
    return None


def _iommus(domain: "libvirt.virDomain") -> tuple[Iommu, ...]:
    found = []
    for where in DEVICES:
        for child in monitor.ask(domain, "qom-list", list[monitor.Child], path=where):
            if child.type == IOMMU:
                path = f"{where}/{child.name}"
                remaps = monitor.get(domain, path, "intremap", str) == "on"
                found.append(Iommu(remaps, monitor.get(domain, path, "caching-mode", bool)))
    return tuple(found)


def _features(domain: "libvirt.virDomain", cpus: Cpus | None) -> tuple[dict[str, bool] | None, str]:
    if cpus is None:
        return None, "it does not tell its CPUs"
    try:
        return {name: monitor.get(domain, cpus.path, name, bool) for name in FEATURES}, ""
    except MonitorError as e:
        return None, str(e)


def _hyperv(domain: "libvirt.virDomain", cpus: Cpus | None, names: Collection[str]) -> frozenset[str] | None:
    if cpus is None:
        return None
    try:
        return frozenset(name for name in names if _shows(domain, cpus.path, name))
    except MonitorError:
        return None


def _shows(domain: "libvirt.virDomain", path: str, part: str) -> bool:
    if part == "spinlocks":
        return monitor.get(domain, path, "hv-spinlocks", int) != NO_SPINLOCKS
    return monitor.get(domain, path, f"hv-{part}", bool)
