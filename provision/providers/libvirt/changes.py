"""From what is there to what is wanted: which of few changes it takes, and how that reads in a plan. Pure."""

from enum import StrEnum
from xml.etree import ElementTree as ET

import msgspec

from provision.model import Firmware
from provision.provider import Difference, Power, Step
from provision.providers.libvirt.record import Settings


class Change(StrEnum):
    """What an apply does with one VM. A setting that changes always costs a cold start: simple, and true for CPUs."""

    CREATE = "create"
    REBUILD = "rebuild"
    """A new disk as well: the old one was made from another image or for other user-data."""
    RECONFIGURE = "reconfigure"
    START = "start"
    STOP = "stop"
    KEEP = "keep"


class Life(StrEnum):
    """What a domain is doing."""

    OFF = "off"
    SAVED = "saved"
    """Off, and its memory was saved: it goes on from there."""
    RUNNING = "running"
    PAUSED = "paused"
    ASLEEP = "asleep"
    """Its guest has suspended it to memory."""
    BROKEN = "broken"
    """It has a QEMU that cannot go on, or is about to end."""


class Moved(msgspec.Struct, frozen=True):
    """A disk that a domain has somewhere else than where it was made."""

    device: str
    found: str
    made: str


class Present(msgspec.Struct, frozen=True):
    """What was found of a VM."""

    settings: Settings | None
    """From the domain's record; None when there is no domain."""
    life: Life = Life.OFF
    disks: bool = False
    """Disk and seed are there and whole."""
    edits: tuple[Difference, ...] = ()
    """Where somebody changed the domain after it was made."""
    configured: ET.Element | None = None
    """The domain's lasting configuration."""
    moved: tuple[Moved, ...] = ()

    @property
    def active(self) -> bool:
        """It has a QEMU."""
        return self.life not in (Life.OFF, Life.SAVED)

    def differences(self, wanted: Settings) -> tuple[Difference, ...]:
        """What has to change to become `wanted`; nothing for a VM that is not there."""
        return (*self.settings.differences(wanted), *self.edits) if self.settings else ()


GOING_ON = {
    Life.SAVED: (Step("start", "domain", "from the memory that was saved of it"),),
    Life.PAUSED: (Step("resume", "domain", "it is paused"),),
    Life.ASLEEP: (Step("wake", "domain", "its guest sleeps"),),
}


def change_to(present: Present, wanted: Settings, *, power_on: bool) -> Change:
    """The change that leads from what is present to what is wanted."""
    if present.settings is None:
        return Change.CREATE
    if not present.disks or present.settings.needs_new_disk(wanted):
        return Change.REBUILD
    if present.settings != wanted or present.edits:
        return Change.RECONFIGURE
    if present.life is Life.RUNNING if power_on else not present.active:
        return Change.KEEP
    return Change.START if power_on else Change.STOP


def power(change: Change, present: Present, *, power_on: bool) -> Power:
    """What the change does to a VM that runs."""
    goes_on = change is Change.START and present.life is not Life.BROKEN
    if not present.active or change is Change.KEEP or goes_on:
        return Power.UNTOUCHED
    return Power.POWER_CYCLE if power_on else Power.OFF


def shrinking(present: Present, wanted: Settings) -> str:
    """The disk that would have to get smaller, which none in use survives; empty when none would."""
    before = present.settings
    if before is None:
        return ""
    sizes, disks = extra_sizes(before.extra_disks), [("its disk", before.disk_gib, wanted.disk_gib)]
    for name, size in extra_sizes(wanted.extra_disks).items():
        disks.append((f"its disk {name}", sizes.get(name, size), size))
    if before.needs_new_disk(wanted):
        del disks[0]
    for what, old, new in disks:
        if old.isdecimal() and int(new) < int(old):
            return f"{what} of {old} GiB cannot shrink to {new} GiB"
    return ""


def extra_sizes(text: str) -> dict[str, str]:
    """The names and GiB of extra disks in a record."""
    return {name: size for name, size, *_ in (word.split(":") for word in text.split())}


def steps(
    change: Change, present: Present, wanted: Settings, *, power_on: bool, fetch: tuple[Step, ...] = ()
) -> tuple[Step, ...]:
    """The change in the words of a plan. `fetch` brings an image that is not here yet."""
    start = (Step("start", "domain", f"{wanted.accelerator}, {_cpu(wanted)}"),) if power_on else ()
    stop = (Step("stop", "domain"),) if present.active else ()
    lost = (*stop, *_forgotten(present, wanted), *_lost(present, wanted))
    extras = extra_sizes(wanted.extra_disks)
    beside = "".join(f", {name} {size} GiB" for name, size in extras.items())
    disk = Step("create", "disk", f"{wanted.disk_gib} GiB from the image{beside}")
    seed = Step("create", "seed", "cloud-init: the user's data and the agent")
    found = present.differences(wanted)
    differences = ", ".join(f"{d.setting} {d.observed or 'none'} → {d.wanted or 'none'}" for d in found)
    match change:
        case Change.CREATE:
            return (*fetch, disk, seed, Step("define", "domain"), *start)
        case Change.REBUILD:
            why = "the disk or the seed is missing" if not present.disks else differences
            replaced = Step("replace", "disk", f"what was written to it is lost: {why}")
            redefined = Step("redefine", "domain", differences)
            return (*fetch, *lost, replaced, seed, redefined, *start)
        case Change.RECONFIGURE:
            return (*lost, Step("redefine", "domain", differences), *start)
        case Change.START:
            return GOING_ON.get(present.life, (*stop, *start))
        case Change.STOP:
            return stop
        case Change.KEEP:
            return (Step("keep", "domain", "running as wanted" if power_on else "off, as wanted"),)


def _forgotten(present: Present, wanted: Settings) -> tuple[Step, ...]:
    """What libvirt keeps for the domain as it was, and that the domain as it will be has no use for."""
    saved = (Step("discard", "saved memory", "what was in it is lost"),) if present.life is Life.SAVED else ()
    return (*saved, Step("discard", "firmware variables")) if renews_variables(present.settings, wanted) else saved


def renews_variables(before: Settings | None, wanted: Settings) -> bool:
    """The variables that UEFI keeps were made for other firmware: with Secure Boot's keys in them, or without."""
    if before is None or before.firmware != Firmware.UEFI:
        return False
    return (before.firmware, before.secure_boot) != (wanted.firmware, wanted.secure_boot)


def _lost(present: Present, wanted: Settings) -> tuple[Step, ...]:
    before = extra_sizes(present.settings.extra_disks if present.settings else "")
    gone = sorted(before.keys() - extra_sizes(wanted.extra_disks).keys())
    return tuple(Step("remove", f"disk {name}", "what was written to it is lost") for name in gone)


def _cpu(wanted: Settings) -> str:
    if not wanted.feature:
        return "no nesting"
    return f"CPU with {wanted.feature} {'required' if wanted.nested == 'yes' else 'disabled'}"
