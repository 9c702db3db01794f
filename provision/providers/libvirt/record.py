"""What a domain's metadata says of the VM it was made for: state lives with the VM, in an XML namespace of ours."""

from xml.etree import ElementTree as ET

import msgspec
from msgspec.structs import replace

from provision.identity import Identity
from provision.model import ExtraDisk, NetworkKind, NetworkSpec, VmSpec
from provision.provider import Difference
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.fitting import PREALLOCATION, Fitting

NAMESPACE = "https://nestproof.org/xmlns/libvirt/1"
ET.register_namespace("nestproof", NAMESPACE)

NEW_DISK = ("image", "cloud_init", "preallocation")
"""Settings that only a disk of its own can take up."""
UNSAID = {"image": "not downloaded yet"}
"""What an empty setting means where that is not that there is none."""


class Settings(msgspec.Struct, frozen=True):
    """Everything of a wanted VM that a domain is built from, as text; a digest for what is long or secret."""

    cpus: str
    memory_mib: str
    disk_gib: str
    firmware: str
    secure_boot: str
    nested: str
    accelerator: str
    feature: str
    networks: str
    image: str
    """SHA-256 of the image file; empty while nobody knows."""
    cloud_init: str
    """SHA-256 over the user's own user-data and meta-data."""
    # What follows is empty for a VM that does not ask for it.
    cpu_mode: str = ""
    cpus_max: str = ""
    memory_max_mib: str = ""
    memory_allocated: str = ""
    tpm: str = ""
    iommu: str = ""
    hyperv: str = ""
    cpu_quota: str = ""
    cpu_shares: str = ""
    iops: str = ""
    preallocation: str = ""
    extra_disks: str = ""
    """`name:GiB`, each; `name:GiB:raw` where it is a raw volume."""
    pool: str = ""
    """Of the disks and the seed; empty: the default."""
    image_pool: str = ""
    """Of the image that the disk is over; empty: the same."""
    image_named: str = ""
    """What the manifest said of the image: see `provision.identity`."""

    @property
    def identity(self) -> Identity:
        """Of the image."""
        return Identity(self.image, self.image_named)

    def differences(self, wanted: "Settings") -> tuple[Difference, ...]:
        """What has to change to become `wanted`."""
        return tuple(
            Difference(name.replace("_", " "), _short(old), _short(new) if new else UNSAID.get(name, ""))
            for name in self.__struct_fields__
            if name != "image_named" and (old := getattr(self, name)) != (new := getattr(wanted, name))
        )

    def needs_new_disk(self, wanted: "Settings") -> bool:
        return any(getattr(self, name) != getattr(wanted, name) for name in NEW_DISK)


class ExtraMade(msgspec.Struct, frozen=True):
    """One extra disk in a record."""

    name: str
    gib: str
    raw: bool


def extra_disks(settings: Settings) -> tuple[ExtraMade, ...]:
    """The extra disks of a record."""
    words = (word.split(":") for word in settings.extra_disks.split())
    return tuple(ExtraMade(name, gib, "raw" in more) for name, gib, *more in words)


def kept(before: Settings, wanted: Settings) -> tuple[Settings, tuple[str, ...]]:
    """`wanted`, with what stays as it was made for as long as the disk it concerns is kept; and that in words."""
    notes: list[str] = []
    made = {disk.name: disk.raw for disk in extra_disks(before)}
    words: list[str] = []
    for disk in extra_disks(wanted):
        raw = made.get(disk.name, disk.raw)
        words.append(_word(disk.name, disk.gib, raw=raw))
        if raw != disk.raw:
            form = "takes all of its space, as it was made" if raw else "is thin, as it was made"
            notes.append(f"disk {disk.name} {form}: remove it and make it again to change that")
    wanted = replace(wanted, extra_disks=" ".join(words))
    if before.image_pool != wanted.image_pool and before.pool == wanted.pool and not before.needs_new_disk(wanted):
        pool = before.image_pool or before.pool or "default"
        notes.append(f"the image stays in the storage pool {pool!r} for as long as the VM has this disk")
        wanted = replace(wanted, image_pool=before.image_pool)
    return wanted, tuple(notes)


def settings_of(vm: VmSpec, choice: Choice, fitting: Fitting, image: Identity, cloud_init: str) -> Settings:
    """The settings that `vm` and what was chosen for it come to."""
    return Settings(
        cpus=str(vm.cpus),
        memory_mib=str(vm.memory_mib),
        disk_gib=str(vm.disk_gib),
        firmware=vm.firmware,
        secure_boot=_yes(vm.secure_boot),
        nested=_yes(vm.nested),
        accelerator=choice.accelerator,
        feature=choice.feature,
        networks=" ".join(_network(network) for network in vm.networks),
        image=image.content,
        cloud_init=cloud_init,
        cpu_mode="host-passthrough" if choice.passthrough else "",
        cpus_max=str(fitting.cpus_max) if fitting.cpus_max > vm.cpus else "",
        memory_max_mib=str(fitting.memory_max_mib) if fitting.memory_max_mib > vm.memory_mib else "",
        memory_allocated="at start" if fitting.allocated else "",
        tpm=fitting.tpm,
        iommu="intel" if fitting.iommu else "",
        hyperv=" ".join(fitting.enlightenments),
        cpu_quota=str(fitting.quota or ""),
        cpu_shares=str(fitting.shares or ""),
        iops=str(fitting.iops or ""),
        preallocation=fitting.preallocation,
        extra_disks=" ".join(_extra(disk, fitting) for disk in fitting.disks),
        pool=fitting.pool,
        image_pool=fitting.image_pool,
        image_named=image.named,
    )


class Record(msgspec.Struct, frozen=True):
    """Whose domain this is and what it was built from."""

    namespace: str
    name: str
    version: str
    """Of the nestproof that wrote it."""
    settings: Settings

    def element(self) -> ET.Element:
        """For the domain's `<metadata>`."""
        top = ET.Element(_tag("vm"), namespace=self.namespace, name=self.name, version=self.version)
        ET.SubElement(top, _tag("settings"), msgspec.structs.asdict(self.settings))
        return top


def is_record(element: ET.Element) -> bool:
    """Whether this part of a domain's metadata is ours."""
    return element.tag == _tag("vm")


def read_record(domain: ET.Element) -> Record | None:
    """The record in a domain's XML; None when nestproof did not make it. What is missing in it reads as empty."""
    top = domain.find(f"metadata/{_tag('vm')}")
    if top is None:
        return None
    found = top.find(_tag("settings"))
    values = {} if found is None else found.attrib
    settings = Settings(**{name: values.get(name, "") for name in Settings.__struct_fields__})
    return Record(top.get("namespace", ""), top.get("name", ""), top.get("version", ""), settings)


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _network(network: NetworkSpec) -> str:
    """The plain name of a libvirt network; more only where more was asked for."""
    kind = "" if network.kind is NetworkKind.NETWORK else network.kind
    numbers = (("queues", network.queues), ("mtu", network.mtu), ("filter", network.filter))
    more = (f"{name}={value}" for name, value in numbers if value)
    parts = (kind, network.model or "", network.mac or "", *more)
    return "/".join((network.source, *filter(None, parts)))


def _extra(disk: ExtraDisk, fitting: Fitting) -> str:
    return _word(disk.name, str(disk.size_gib), raw=fitting.pooled and disk.type in PREALLOCATION)


def _word(name: str, gib: str, *, raw: bool) -> str:
    return f"{name}:{gib}:raw" if raw else f"{name}:{gib}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _short(value: str) -> str:
    return value[:12] if len(value) == 64 else value
