"""What somebody changed in a domain that nestproof made, as far as the proof depends on it. Pure."""

from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from agent.cloudinit import PORT
from provision.provider import Difference
from provision.providers.libvirt.changes import Moved
from provision.providers.libvirt.devices import extra_devices
from provision.providers.libvirt.places import Places
from provision.providers.libvirt.record import Settings, extra_disks

SEED_BUS = "virtio"
ASKED = {"yes": ("require", "force"), "no": ("disable", "forbid")}
"""What a feature's policy says, by the record's `nested`."""


def edits(domain: ET.Element, seed: PurePosixPath, settings: Settings) -> tuple[Difference, ...]:
    """Where a configuration is no longer what its record says that it was made as.

    A seed that was taken out is none: once the agent is installed it is of no more use.
    """
    found = []
    if not has_port(domain):
        found.append(Difference("report port", "none", PORT))
    if bus := seed_bus(domain, seed):
        found.append(Difference("bus of the seed", bus, SEED_BUS))
    policies = {f.get("name", ""): f.get("policy", "require") for f in domain.findall("cpu/feature")}
    asked = ASKED.get(settings.nested, ())
    if settings.feature and asked and policies.get(settings.feature) not in asked:
        policy = policies.get(settings.feature, "not named")
        found.append(Difference(f"CPU feature {settings.feature}", policy, asked[0]))
    return tuple(found)


def moved_disks(domain: ET.Element, places: Places, settings: Settings) -> tuple[Moved, ...]:
    """Disks that somebody put a snapshot's layer over, or copied elsewhere: what was written since is not in ours."""
    extras = [places.extra_disk(disk.name) for disk in extra_disks(settings)]
    devices = dict(zip(("vda", *extra_devices(len(extras))), map(str, (places.disk, *extras)), strict=True))
    found = {disk.find("target[@dev]"): disk.find("source") for disk in domain.findall("devices/disk")}
    now = {target.get("dev"): _source(source) for target, source in found.items() if target is not None}
    return tuple(
        Moved(device, there, made) for device, made in devices.items() if (there := now.get(device)) not in (None, made)
    )


def _source(source: ET.Element | None) -> str:
    """In whatever form it is: a file, a block device, an object of a network."""
    if source is None:
        return "nothing"
    return next((source.get(kind, "") for kind in ("file", "dev", "name") if source.get(kind)), "something else")


def has_port(domain: ET.Element) -> bool:
    """Whether the domain has the port that reports come by."""
    return domain.find(f"devices/channel/target[@name='{PORT}']") is not None


def seed_bus(domain: ET.Element, seed: PurePosixPath) -> str | None:
    """The bus of the seed where it is not the one that it was put on; "" for a domain without its seed, else None."""
    if any(entry.get("file") == str(seed) for entry in domain.findall("sysinfo/entry")):  # Ignition's
        return None
    for disk in domain.findall("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None and source.get("file") == str(seed):
            bus = target.get("bus", "")
            return None if bus == SEED_BUS else bus or "unnamed"
    return ""
