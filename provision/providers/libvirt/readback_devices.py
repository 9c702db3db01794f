"""The disks and NICs of a domain read back, asked for and found in the same words. Pure."""

from xml.etree import ElementTree as ET

from hostcheck.model import Setting
from provision.model import ExtraDisk, VmSpec
from provision.providers.libvirt.devices import extra_devices
from provision.providers.libvirt.fitting import PREALLOCATION, PREPARED
from provision.providers.libvirt.live import Block, Live

XML, QEMU = "domain XML", "QEMU monitor"
GIB = 1 << 30


def disks(vm: VmSpec, live: Live) -> list[Setting]:
    block = live.blocks.get("vda")
    size = f"{block.capacity / GIB:g} GiB" if block else ""
    asked_kind = "thick" if vm.disk_type in PREALLOCATION else "thin"
    reserved = vm.image.prepare.preallocation or ("falloc" if vm.image.prepare.eager else "off")
    settings = [Setting("VMClass spec.diskDefaults.size", f"{vm.disk_gib} GiB", size, QEMU)]
    if asked_kind == "thick" or reserved == "off":
        settings.append(Setting("VMClass spec.diskDefaults.type", asked_kind, _kind(block), QEMU))
    else:  # the image says more of its disk than a class that leaves it thin
        asked = "metadata" if reserved == "metadata" else "all of its space"
        path = PREPARED[0] if vm.image.prepare.preallocation else PREPARED[1]
        settings.append(Setting(path, asked, _reserved(block), QEMU))
    if vm.disk_iops is not None:
        found = "" if block is None else str(block.iops or "none")
        settings.append(Setting("VMClass spec.diskDefaults.iops", str(vm.disk_iops), found, QEMU))
    extras = zip(vm.disks, extra_devices(len(vm.disks)), strict=True)
    return settings + [each for n, (disk, device) in enumerate(extras) for each in _extra(n, disk, device, live)]


def _kind(block: Block | None) -> str:
    """Whether a disk has all of its space."""
    return ("thin" if block.taken < block.capacity else "thick") if block else ""


def _reserved(block: Block | None) -> str:
    """What a disk has taken beforehand: its file is as long as the disk, or even has all of its blocks."""
    if block is None:
        return ""
    if block.taken >= block.capacity:
        return "all of its space"
    return "metadata" if block.physical >= block.capacity else "off"


def _extra(n: int, disk: ExtraDisk, device: str, live: Live) -> list[Setting]:
    block = live.blocks.get(device)
    found = f"{block.capacity / GIB:g} GiB" if block else ("none" if live.inside else "")
    path = f"VirtualMachine spec.disks[{n}]"
    settings = [Setting(f"{path}.sizeGiB", f"{disk.size_gib} GiB", found, QEMU)]
    if disk.type in PREALLOCATION:
        settings.append(Setting(f"{path}.type", "thick", _kind(block), QEMU))
    return settings


def networks(vm: VmSpec, domain: ET.Element) -> list[Setting]:
    interfaces = domain.findall("devices/interface")
    settings = []
    for n, network in enumerate(vm.networks):
        there = interfaces[n] if n < len(interfaces) else None
        found = _interface(there, with_mac=network.mac is not None) if there is not None else "none"
        asked = " ".join(filter(None, (network.kind, network.source, network.model or "virtio", network.mac)))
        settings.append(Setting(f"VirtualMachine spec.networks[{n}].name", asked, found, XML))
    return settings


def _interface(interface: ET.Element, *, with_mac: bool) -> str:
    """A live one names both a network and what that came to: the network is what was asked for."""
    source = interface.find("source")
    names = source.attrib if source is not None else {}
    kind = "network" if "network" in names else interface.get("type", "")
    model, mac = interface.find("model"), interface.find("mac")
    words = [kind, names.get(kind, ""), model.get("type", "") if model is not None else ""]
    if with_mac and mac is not None:
        words.append(mac.get("address", ""))
    if interface.find("link[@state='down']") is not None:
        words.append("with its link down")
    return " ".join(filter(None, words))
