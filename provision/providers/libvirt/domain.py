"""From a wanted VM to libvirt's domain XML (formatdomain.html). Pure: the same input gives the same text."""

import uuid
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from agent.cloudinit import PORT
from hostcheck.model import Accelerator
from provision.model import Firmware, VmSpec
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.offer import ARCHITECTURE, DOMAIN_TYPE, MACHINE
from provision.providers.libvirt.record import Record


@dataclass(frozen=True, slots=True)
class Places:
    """Where a VM's parts are on the host that runs it."""

    disk: PurePosixPath
    seed: PurePosixPath
    console: PurePosixPath | None = None
    """A file for what the serial console says; None: a pty, to be listened to while it speaks."""
    port: PurePosixPath | None = None
    """The host's end of PORT; None: where libvirt puts it."""


def domain_name(namespace: str, name: str) -> str:
    """The domain's name; a namespace has no dot, so that two VMs never share one."""
    return f"{namespace}.{name}"


def domain_uuid(namespace: str, name: str) -> str:
    """Always the same for one VM: by it everything that belongs to the VM is found again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://nestproof.org/vm/{namespace}/{name}"))


def domain_xml(vm: VmSpec, choice: Choice, places: Places, record: Record) -> str:
    """The domain, for VIR_DOMAIN_DEFINE_VALIDATE."""
    domain = ET.Element("domain", type=DOMAIN_TYPE[choice.accelerator])
    _text(domain, "name", domain_name(vm.namespace, vm.name))
    _text(domain, "uuid", domain_uuid(vm.namespace, vm.name))
    ET.SubElement(domain, "metadata").append(record.element())
    _text(domain, "memory", str(vm.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(vm.cpus))
    domain.append(_os(vm))
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    domain.append(cpu_element(choice, nested=vm.nested))
    ET.SubElement(domain, "clock", offset="utc")
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    domain.append(_devices(vm, places))
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def cpu_element(choice: Choice, *, nested: bool) -> ET.Element:
    """The CPU with exactly one vendor's feature: requiring both vmx and svm starts on no host.

    check='partial' makes libvirt refuse to start when the feature is missing; host-passthrough would start without it.
    """
    policy = "require" if nested else "disable"
    if choice.accelerator is Accelerator.TCG:
        cpu = ET.Element("cpu", mode="custom", match="exact", check="none")
        _text(cpu, "model", "EPYC", fallback="forbid")
        ET.SubElement(cpu, "feature", policy=policy, name="svm")
        ET.SubElement(cpu, "feature", policy="disable", name="x2apic")
        return cpu
    cpu = ET.Element("cpu", mode="host-model", check="partial")
    if choice.feature:
        ET.SubElement(cpu, "feature", policy=policy, name=choice.feature)
    return cpu


def _os(vm: VmSpec) -> ET.Element:
    top = ET.Element("os")
    if vm.firmware is Firmware.UEFI:
        top.set("firmware", "efi")
    _text(top, "type", "hvm", arch=ARCHITECTURE, machine=MACHINE)
    if vm.firmware is Firmware.UEFI:
        enabled = "yes" if vm.secure_boot else "no"
        firmware = ET.SubElement(top, "firmware")
        ET.SubElement(firmware, "feature", enabled=enabled, name="enrolled-keys")
        ET.SubElement(firmware, "feature", enabled=enabled, name="secure-boot")
    ET.SubElement(top, "boot", dev="hd")
    return top


def _devices(vm: VmSpec, places: Places) -> ET.Element:
    top = ET.Element("devices")
    _disk(top, places.disk, "qcow2", "vda")
    # Not a CD-ROM: q35 would put it on AHCI, for which Debian's cloud kernel has no driver.
    ET.SubElement(_disk(top, places.seed, "raw", "vdb"), "readonly")
    ET.SubElement(top, "controller", type="usb", model="none")
    for network in vm.networks:
        interface = ET.SubElement(top, "interface", type=network.kind)
        ET.SubElement(interface, "source", {network.kind: network.source})
        if network.mac:
            ET.SubElement(interface, "mac", address=network.mac)
        ET.SubElement(interface, "model", type=network.model or "virtio")
    if not vm.networks:
        ET.SubElement(ET.SubElement(top, "interface", type="user"), "model", type="virtio")
    serial = ET.SubElement(top, "serial", type="file" if places.console else "pty")
    if places.console:
        ET.SubElement(serial, "source", path=str(places.console))
    ET.SubElement(serial, "target", port="0")
    channel = ET.SubElement(top, "channel", type="unix")
    if places.port:
        ET.SubElement(channel, "source", mode="bind", path=str(places.port))
    ET.SubElement(channel, "target", type="virtio", name=PORT)
    _text(ET.SubElement(top, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    return top


def _disk(devices: ET.Element, path: PurePosixPath, form: str, device: str) -> ET.Element:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type=form)
    ET.SubElement(disk, "source", file=str(path))
    ET.SubElement(disk, "target", dev=device, bus="virtio")
    return disk


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child
