"""What the QEMU of one domain really has, asked of QEMU itself: libvirt's XML may only say what was written."""

from collections.abc import Callable, Collection
from typing import TypeVar
from xml.etree import ElementTree as ET

import libvirt
import msgspec

from provision.providers.libvirt import monitor
from provision.providers.libvirt.monitor import MonitorError

T = TypeVar("T")
MEMORY_OBJECTS = ("/objects/pc.ram", "/objects/ram-node0")
"""What QEMU calls the guest's memory: without and with a NUMA cell."""
DEVICES = "/machine/peripheral"
"""Where devices are, by the alias that libvirt gives them."""
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
    """Of one that does not run: `paused`, `internal-error`, ..."""
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
    iommu: Iommu | None = None
    features: dict[str, bool] | None = None
    """vmx and svm, as the CPU itself shows them; one of them alone where that is the one that matters."""
    hyperv: frozenset[str] | None = None
    """Parts of the Hyper-V interface that the CPU shows, of those asked for."""
    trouble: str = ""
    """Why the CPU could not be asked."""


def look_inside(
    domain: "libvirt.virDomain", xml: ET.Element, features: Collection[str], hyperv: Collection[str], *, running: bool
) -> Inside:
    """Ask what can be otherwise than the live XML says, which is told of every device that comes or goes.

    `features` and `hyperv` are those of the CPU to ask for.
    """
    slots = _or_none(lambda: monitor.ask(domain, "query-hotpluggable-cpus", list[monitor.Slot]))
    cpus = _cpus(slots) if slots else None
    has_tpm, has_flash = xml.find("devices/tpm") is not None, xml.find("os/loader") is not None
    tpms = _or_none(lambda: monitor.ask(domain, "query-tpm", list[monitor.Tpm])) if has_tpm else []
    uefi = _or_none(lambda: bool(monitor.get(domain, FLASH, "drive", str))) if has_flash else None
    shown, trouble = _features(domain, cpus, features)
    reserved = xml.find("memoryBacking/allocation[@mode='immediate']") is not None
    return Inside(
        status=None if running else _or_none(lambda: monitor.ask(domain, "query-status", monitor.Status).status),
        cpus=cpus,
        memory=_or_none(lambda: _memory(domain)),
        memory_most=_or_none(lambda: monitor.get(domain, "/machine", "memory", monitor.Room).most),
        memory_allocated=_memory_allocated(domain) if reserved else False,
        tpm=None if tpms is None else next((tpm.model for tpm in tpms), ""),
        uefi=uefi,
        secure=_or_none(lambda: monitor.get(domain, FLASH, "secure", bool)) if uefi else uefi,
        iommu=_or_none(lambda: _iommu(domain, xml)),
        features=shown,
        hyperv=_hyperv(domain, cpus, hyperv),
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


def _iommu(domain: "libvirt.virDomain", xml: ET.Element) -> Iommu | None:
    alias = xml.find("devices/iommu[@model='intel']/alias")
    if alias is None:
        return None
    path = f"{DEVICES}/{alias.get('name')}"
    remaps = monitor.get(domain, path, "intremap", str) == "on"
    return Iommu(remaps, monitor.get(domain, path, "caching-mode", bool))


def _features(
    domain: "libvirt.virDomain", cpus: Cpus | None, names: Collection[str]
) -> tuple[dict[str, bool] | None, str]:
    if cpus is None:
        return None, "it does not tell its CPUs"
    try:
        return {name: monitor.get(domain, cpus.path, name, bool) for name in names}, ""
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
