"""The `<devices>` of a domain. Pure."""

from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from agent.cloudinit import PORT
from provision.model import VmSpec
from provision.providers.libvirt.fitting import Fitting
from provision.providers.libvirt.places import Places

AGENT_PORT = "org.qemu.guest_agent.0"
TPM_MODEL = {"1.2": "tpm-tis", "2.0": "tpm-crb"}
SERIAL = 20
"""Characters of a virtio disk's serial number that a guest sees."""


def devices_element(vm: VmSpec, fitting: Fitting, places: Places) -> ET.Element:
    """Everything virtio, and nothing that q35 would put on a bus that cloud kernels have no driver for."""
    top = ET.Element("devices")
    _limited(_disk(top, places.disk, places.disk.suffix[1:], "vda"), fitting.iops)
    # Not a CD-ROM: q35 would put it on AHCI, for which Debian's cloud kernel has no driver.
    if vm.ignition is None:
        ET.SubElement(_disk(top, places.seed, "raw", "vdb"), "readonly")
    for device, extra in zip(extra_devices(len(fitting.disks)), fitting.disks, strict=True):
        file = places.extra_disk(extra.name)
        disk = _limited(_disk(top, file, file.suffix[1:], device), fitting.iops)
        ET.SubElement(disk, "serial").text = extra.name[:SERIAL]
    ET.SubElement(top, "controller", type="usb", model="none")
    _networks(top, vm)
    serial = ET.SubElement(top, "serial", type="file" if places.console else "pty")
    if places.console:
        ET.SubElement(serial, "source", path=str(places.console))
    ET.SubElement(serial, "target", port="0")
    for path, port in ((places.port, PORT), (places.agent, AGENT_PORT)):
        channel = ET.SubElement(top, "channel", type="unix")
        if path:
            ET.SubElement(channel, "source", mode="bind", path=str(path))
        ET.SubElement(channel, "target", type="virtio", name=port)
    rng = ET.SubElement(top, "rng", model="virtio")
    ET.SubElement(rng, "backend", model="random").text = "/dev/urandom"
    if fitting.tpm:
        tpm = ET.SubElement(top, "tpm", model=TPM_MODEL[fitting.tpm])
        ET.SubElement(tpm, "backend", type="emulator", version=fitting.tpm)
    if fitting.iommu:
        iommu = ET.SubElement(top, "iommu", model="intel")
        ET.SubElement(iommu, "driver", intremap="on", caching_mode="on")
    return top


def extra_devices(count: int) -> list[str]:
    """The names of the disks after the image's and the seed."""
    return [f"vd{chr(ord('c') + n)}" for n in range(count)]


def _networks(devices: ET.Element, vm: VmSpec) -> None:
    for network in vm.networks:
        interface = ET.SubElement(devices, "interface", type=network.kind)
        if network.mac:
            ET.SubElement(interface, "mac", address=network.mac)
        ET.SubElement(interface, "source", {network.kind: network.source})
        ET.SubElement(interface, "model", type=network.model or "virtio")
        if network.queues:
            ET.SubElement(interface, "driver", queues=str(network.queues))
        if network.mtu:
            ET.SubElement(interface, "mtu", size=str(network.mtu))
        if network.filter:
            ET.SubElement(interface, "filterref", filter=network.filter)
    if not vm.networks:
        ET.SubElement(ET.SubElement(devices, "interface", type="user"), "model", type="virtio")


def _disk(devices: ET.Element, path: PurePosixPath, form: str, device: str) -> ET.Element:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type=form)
    ET.SubElement(disk, "source", file=str(path))
    ET.SubElement(disk, "target", dev=device, bus="virtio")
    return disk


def _limited(disk: ET.Element, iops: int) -> ET.Element:
    if iops:
        ET.SubElement(ET.SubElement(disk, "iotune"), "total_iops_sec").text = str(iops)
    return disk
