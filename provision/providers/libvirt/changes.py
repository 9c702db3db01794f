"""From what is there to what is wanted: which of few changes it takes, and how that reads in a plan. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from provision.provider import Step
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


@dataclass(frozen=True, slots=True)
class Present:
    """What was found of a VM."""

    settings: Settings | None
    """From the domain's record; None when there is no domain."""
    running: bool = False
    disks: bool = False
    """Disk and seed are there and whole."""


def change_to(present: Present, wanted: Settings, *, power_on: bool) -> Change:
    """The change that leads from what is present to what is wanted."""
    if present.settings is None:
        return Change.CREATE
    if not present.disks or present.settings.needs_new_disk(wanted):
        return Change.REBUILD
    if present.settings != wanted:
        return Change.RECONFIGURE
    if present.running == power_on:
        return Change.KEEP
    return Change.START if power_on else Change.STOP


def shrinks(present: Present, wanted: Settings) -> bool:
    """The disk would have to get smaller, which no disk in use survives."""
    if present.settings is None or present.settings.needs_new_disk(wanted):
        return False
    before = present.settings.disk_gib
    return before.isdecimal() and int(wanted.disk_gib) < int(before)


def steps(
    change: Change, present: Present, wanted: Settings, *, power_on: bool, download: str = ""
) -> tuple[Step, ...]:
    """The change in the words of a plan. `download` is the URL of an image that is not here yet."""
    start = (Step("start", "domain", f"{wanted.accelerator}, {_cpu(wanted)}"),) if power_on else ()
    stop = (Step("stop", "domain"),) if present.running else ()
    fetch = (Step("download", "image", download),) if download else ()
    disk = Step("create", "disk", f"{wanted.disk_gib} GiB from the image")
    seed = Step("create", "seed", "cloud-init: the user's data and the agent")
    differences = ", ".join(present.settings.differences(wanted)) if present.settings else ""
    match change:
        case Change.CREATE:
            return (*fetch, disk, seed, Step("define", "domain"), *start)
        case Change.REBUILD:
            why = "the disk or the seed is missing" if not present.disks else differences
            return (*fetch, *stop, Step("replace", "disk", f"what was written to it is lost: {why}"), seed,
                    Step("redefine", "domain", differences), *start)  # fmt: skip
        case Change.RECONFIGURE:
            return (*stop, Step("redefine", "domain", differences), *start)
        case Change.START:
            return start
        case Change.STOP:
            return stop
        case Change.KEEP:
            return (Step("keep", "domain", "running as wanted" if power_on else "off, as wanted"),)


def _cpu(wanted: Settings) -> str:
    if not wanted.feature:
        return "no nesting"
    return f"CPU with {wanted.feature} {'required' if wanted.nested == 'yes' else 'disabled'}"
