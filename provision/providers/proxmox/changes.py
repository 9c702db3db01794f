"""From the VM that is there to the one that is wanted: what to set, what only a cold start takes up. Pure."""

import re
from collections.abc import Mapping

import msgspec

from hostcheck.model import Asked
from provision.identity import Identity
from provision.model import VmSpec
from provision.provider import Difference, Power, Step
from provision.providers.proxmox import cloudinit
from provision.providers.proxmox import config as configs
from provision.providers.proxmox.config import MANAGED, disk_gib, parts, same
from provision.providers.proxmox.guests import Guest
from provision.providers.proxmox.observe import asked_of
from provision.providers.proxmox.record import GONE, NATIVE

LIVE = ("name", "tags", "description", "cpulimit", "cpuunits", "balloon")
LIVE_DEVICES = {"network": re.compile(r"net\d+"), "disk": re.compile(r"scsi\d+")}
"""What a running VM takes up at once where its hot-plug has this feature."""
HOT_PLUG = "network,disk,usb"
"""What hot-plug has where a VM does not say: then it is also written `1`."""
DIGEST = 16
"""Characters of a digest, or of `template NUMBER`, that are shown."""


class Wanted(msgspec.Struct, frozen=True):
    """A VM as the manifest wants it, in Proxmox's keys."""

    settings: Mapping[str, str]
    nics: Mapping[str, str]
    sizes: Mapping[str, int]
    """Drive -> GiB."""
    image: Identity
    cloud_init: str
    power_on: bool
    native: bool = False
    """Proxmox's own cloud-init drive in place of a seed."""
    iops: int | None = None
    """The most of its first disk; None: none, or what its template brought."""


class Change(msgspec.Struct, frozen=True):
    """What has to be done with a VM that is there."""

    rebuild: str = ""
    """Why only a new disk will do; empty when the VM can be kept."""
    values: Mapping[str, str] = msgspec.field(default_factory=dict)
    delete: tuple[str, ...] = ()
    grow: Mapping[str, int] = msgspec.field(default_factory=dict)
    seed: bool = False
    differences: tuple[Difference, ...] = ()
    """For people, in Proxmox's keys."""
    cold: bool = False
    """It is running, and some of it waits for a stop and a start."""

    @property
    def nothing(self) -> bool:
        return not (self.rebuild or self.values or self.delete or self.grow or self.seed)


def wanted_sizes(vm: VmSpec, drive: str) -> dict[str, int]:
    """The size of every disk in GiB; `drive` has the image."""
    return {drive: vm.disk_gib} | {f"scsi{number}": disk.size_gib for number, disk in enumerate(vm.disks, 1)}


def compare(guest: Guest, wanted: Wanted, disks: Mapping[str, str]) -> Change:
    """`disks` are the new ones that have to be made."""
    if (anew := _needs_new_disk(guest, wanted)) is not None:
        return anew
    record = guest.record
    assert record is not None
    values, delete, found, cold = {}, [], [], not record.seed
    asked = {**wanted.settings, **wanted.nics, **disks}
    networks = {key for key in guest.config if re.fullmatch(r"net\d+", key)} if wanted.nics else set()
    brought = cloudinit.other_drives(guest.config)
    for key in sorted({*MANAGED, *networks, *brought, *asked}):
        old, new = guest.config.get(key), asked.get(key)
        runs = guest.live.get(key) if guest.running else old
        if not same(key, old, new):
            if new is not None:
                values[key] = new
            elif old is not None:
                delete.append(key)
        elif same(key, runs, new):
            continue
        found.append(Difference(key, _observed(key, old, runs), _short(new)))
        cold |= not same(key, runs, new) and not _live(key, guest.live)
    before, after = (asked_of(keys, "")[0] is Asked.ON for keys in (guest.running_config, wanted.settings))
    if before is not after:
        found.insert(0, Difference("nested", _yes(before), _yes(after)))
    drive = configs.boot_drive(guest.config)
    limited = configs.limited(guest.config[drive], wanted.iops, keep=not record.source)
    if limited != guest.config[drive]:
        values[drive] = limited
        found.append(Difference(f"{drive} iops", parts(guest.config[drive]).get("iops", ""), f"{wanted.iops or ''}"))
    grow = {drive: gib for drive, gib in wanted.sizes.items() if 0 < disk_gib(guest.config, drive) < gib}
    found += [Difference(each, f"{disk_gib(guest.config, each):g} GiB", f"{gib} GiB") for each, gib in grow.items()]
    return Change(
        values=values,
        delete=tuple(delete),
        grow=grow,
        seed=not record.seed,
        differences=tuple(found),
        cold=guest.running and cold,
    )


def _live(key: str, running: Mapping[str, str]) -> bool:
    """A running VM takes this key up at once."""
    said = running.get("hotplug", "1")
    features = (HOT_PLUG if said == "1" else said).split(",")
    return key in LIVE or any(feature in features and of.fullmatch(key) for feature, of in LIVE_DEVICES.items())


def _needs_new_disk(guest: Guest, wanted: Wanted) -> Change | None:
    """Where nothing but a new disk will do."""
    record = guest.record
    assert record is not None
    if wanted.image.seen_from(record.identity) != record.identity:
        images = Difference("image", record.image[:DIGEST], wanted.image.content[:DIGEST] or "not downloaded yet")
        return Change(rebuild="it was made from another image", differences=(images,))
    if record.cloud_init != wanted.cloud_init:
        said = Difference("cloud init", record.cloud_init[:DIGEST], wanted.cloud_init[:DIGEST])
        return Change(rebuild="its user-data or meta-data is another", differences=(said,))
    if record.seed and (record.seed == NATIVE) is not wanted.native:
        ways = ("a seed", "Proxmox's own drive")
        told = Difference("cloud init", ways[not wanted.native], ways[wanted.native])
        return Change(rebuild="its cloud-init data comes another way", differences=(told,))
    if not configs.boot_drive(guest.config):
        drive, gib = next(iter(wanted.sizes.items()))
        return Change(rebuild="its disk is missing", differences=(Difference(drive, "", f"{gib} GiB"),))
    return None


def power(guest: Guest | None, change: Change, *, power_on: bool) -> Power:
    """What a VM that runs goes through."""
    if guest is None or not guest.running or (power_on and not change.cold and not change.rebuild):
        return Power.UNTOUCHED
    return Power.POWER_CYCLE if power_on else Power.OFF


def shrunk(guest: Guest, wanted: Wanted) -> str:
    """The drive that would have to get smaller, which no disk in use survives; empty when none would."""
    return next((drive for drive, gib in wanted.sizes.items() if disk_gib(guest.config, drive) > gib + 0.01), "")


def with_seed(values: Mapping[str, str], seed: str) -> dict[str, str]:
    """The keys with the seed's drive; an empty one once the seed is gone."""
    return {**values, cloudinit.SEED_DRIVE: "none,media=cdrom" if seed in ("", GONE) else f"{seed},media=cdrom"}


def steps(guest: Guest | None, change: Change, wanted: Wanted, made: tuple[Step, ...]) -> tuple[Step, ...]:
    """The plan in words. `made` is how a VM that is not there comes to be."""
    seed = Step("create", "seed", "cloud-init: the user's data and the agent, as an ISO image")
    cpu = wanted.settings["cpu"]
    start = (Step("start", "VM", f"{'KVM' if wanted.settings.get('kvm') != '0' else 'TCG'}, cpu={cpu}"),)
    on = start if wanted.power_on else ()
    if guest is None:
        return (*made, seed, *on)
    if change.rebuild:
        stop = (Step("stop", "VM"),) if guest.running else ()
        lost = Step("replace", "disk", f"what was written to it is lost: {change.rebuild}")
        return (*stop, lost, *made, seed, *on)
    stops = guest.running and (change.cold or not wanted.power_on)
    found: list[Step] = [Step("stop", "VM", "a stop and a start: it takes this up cold")] if change.cold else []
    if guest.running and not wanted.power_on and not change.cold:
        found.append(Step("stop", "VM"))
    if change.values or change.delete or change.grow:
        words = (f"{d.setting} {d.observed or 'none'} → {d.wanted or 'none'}" for d in change.differences)
        found.append(Step("configure", "VM", ", ".join(words)))
    if change.seed:
        found.append(seed)
    if wanted.power_on and (stops or not guest.running):
        found += start
    return tuple(found) or (Step("keep", "VM", "running as wanted" if wanted.power_on else "off, as wanted"),)


def _observed(key: str, configured: str | None, runs: str | None) -> str:
    """Both where they differ: what a running VM has, and what its next cold start would bring."""
    if same(key, configured, runs):
        return _short(configured)
    return f"{_short(runs) or 'none'}, and {_short(configured) or 'none'} from its next cold start"


def _short(value: str | None) -> str:
    """Empty where there is none."""
    return (value or "") if len(value or "") <= 60 else f"{str(value)[:59]}…"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
