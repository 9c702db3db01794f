"""From the VM that is there to the one that is wanted: what to set, what only a cold start takes up. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hostcheck.model import Asked
from provision.model import VmSpec
from provision.provider import Step
from provision.providers.proxmox import config as configs
from provision.providers.proxmox.config import MANAGED, disk_gib, same
from provision.providers.proxmox.guests import Guest
from provision.providers.proxmox.observe import asked_of
from provision.providers.proxmox.record import GONE

LIVE = ("name", "tags", "description", "cpulimit", "cpuunits", "balloon")
LIVE_DEVICES = re.compile(r"(net|scsi)\d+")
"""What a running VM takes up at once, with Proxmox's usual hot-plug."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A VM as the manifest wants it, in Proxmox's keys."""

    settings: Mapping[str, str]
    nics: Mapping[str, str]
    sizes: Mapping[str, int]
    """Drive -> GiB."""
    image: str
    cloud_init: str
    power_on: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done with a VM that is there."""

    rebuild: str = ""
    """Why only a new disk will do; empty when the VM can be kept."""
    values: Mapping[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    grow: Mapping[str, int] = field(default_factory=dict)
    seed: bool = False
    words: tuple[str, ...] = ()
    """For people: `cores 1 → 2`."""
    cold: bool = False
    """It is running, and some of it waits for a stop and a start."""

    @property
    def nothing(self) -> bool:
        return not (self.rebuild or self.values or self.delete or self.grow or self.seed)


def wanted_sizes(vm: VmSpec, drive: str) -> dict[str, int]:
    """The size of every disk in GiB; `drive` has the image."""
    return {drive: vm.disk_gib} | {f"scsi{number}": disk.size_gib for number, disk in enumerate(vm.disks, 1)}


def compare(guest: Guest, wanted: Wanted, disks: Mapping[str, str]) -> Difference:
    """`disks` are the new ones that have to be made."""
    record = guest.record
    assert record is not None
    if record.image != wanted.image:
        return Difference(rebuild="it was made from another image")
    if record.cloud_init != wanted.cloud_init:
        return Difference(rebuild="its user-data or meta-data is another")
    if not configs.boot_drive(guest.config):
        return Difference(rebuild="its disk is missing")
    values, delete, words = {}, [], []
    asked = {**wanted.settings, **wanted.nics}
    networks = {key for key in guest.config if re.fullmatch(r"net\d+", key)} if wanted.nics else set()
    for key in sorted(set(MANAGED) | networks | asked.keys()):
        old, new = guest.config.get(key), asked.get(key)
        if same(key, old, new):
            continue
        if new is not None:
            values[key] = new
        elif old is not None:
            delete.append(key)
        words.append(f"{key} {_short(old)} → {_short(new)}")
    grow = {drive: gib for drive, gib in wanted.sizes.items() if 0 < disk_gib(guest.config, drive) < gib}
    before, after = (asked_of(keys, "")[0] is Asked.ON for keys in (guest.config, wanted.settings))
    if before is not after:
        words.insert(0, "nested no → yes" if after else "nested yes → no")
    words += [f"{drive} {disk_gib(guest.config, drive):g} → {gib} GiB" for drive, gib in grow.items()]
    words += [f"{drive} is new" for drive in sorted(disks)]
    values |= disks
    waits = [key for key in (*values, *delete, *guest.pending) if key not in LIVE and not LIVE_DEVICES.fullmatch(key)]
    return Difference(
        values=values,
        delete=tuple(delete),
        grow=grow,
        seed=not record.seed,
        words=tuple(words),
        cold=guest.running and bool(waits),
    )


def shrunk(guest: Guest, wanted: Wanted) -> str:
    """The drive that would have to get smaller, which no disk in use survives; empty when none would."""
    return next((drive for drive, gib in wanted.sizes.items() if disk_gib(guest.config, drive) > gib + 0.01), "")


def with_seed(values: Mapping[str, str], seed: str) -> dict[str, str]:
    """The keys with the seed's drive; an empty one once the seed is gone."""
    return {**values, configs.SEED_DRIVE: "none,media=cdrom" if seed in ("", GONE) else f"{seed},media=cdrom"}


def steps(guest: Guest | None, difference: Difference, wanted: Wanted, made: tuple[Step, ...]) -> tuple[Step, ...]:
    """The plan in words. `made` is how a VM that is not there comes to be."""
    seed = Step("create", "seed", "cloud-init: the user's data and the agent, as an ISO image")
    cpu = wanted.settings["cpu"]
    start = (Step("start", "VM", f"{'KVM' if wanted.settings.get('kvm') != '0' else 'TCG'}, cpu={cpu}"),)
    on = start if wanted.power_on else ()
    if guest is None:
        return (*made, seed, *on)
    if difference.rebuild:
        stop = (Step("stop", "VM"),) if guest.running else ()
        lost = Step("replace", "disk", f"what was written to it is lost: {difference.rebuild}")
        return (*stop, lost, *made, seed, *on)
    stops = guest.running and (difference.cold or not wanted.power_on)
    found: list[Step] = [Step("stop", "VM", "a stop and a start: it takes this up cold")] if difference.cold else []
    if guest.running and not wanted.power_on and not difference.cold:
        found.append(Step("stop", "VM"))
    if difference.words:
        found.append(Step("change", "VM", ", ".join(difference.words)))
    if difference.seed:
        found.append(seed)
    if wanted.power_on and (stops or not guest.running):
        found += start
    return tuple(found) or (Step("keep", "VM", "running as wanted" if wanted.power_on else "off, as wanted"),)


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= 60 else f"{value[:59]}…"
