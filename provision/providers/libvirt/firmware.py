"""The machine and the firmware of a domain, asked for so that each libvirt gives the one that is meant. Pure.

libvirt takes the first firmware of the host, by file name, that has what is asked for. Firmware with Secure Boot and
keys is usually the first, and one for confidential VMs, which keeps no variables, may come before the plain one.
"""

from xml.etree import ElementTree as ET

from provision.model import Firmware, VmSpec
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import ARCHITECTURE, MACHINE

WITHOUT_SMM = "pc"
"""The machine that firmware with Secure Boot is not for, because it has no SMM."""


def machine_type(vm: VmSpec, machine: Machine) -> str:
    """q35; another one where nothing else keeps a VM from the firmware with Secure Boot that was not asked for."""
    plain = vm.firmware is Firmware.UEFI and not vm.secure_boot
    return WITHOUT_SMM if plain and not machine.firmware_features else MACHINE


def os_element(vm: VmSpec, machine: Machine) -> ET.Element:
    """`<os>`: UEFI keeps its variables in a flash of the VM's own, and Secure Boot's are protected from the guest."""
    top = ET.Element("os")
    kind = ET.SubElement(top, "type", arch=ARCHITECTURE, machine=machine_type(vm, machine))
    kind.text = "hvm"
    if vm.firmware is Firmware.UEFI:
        top.set("firmware", "efi")
        if machine.firmware_features:
            enabled = "yes" if vm.secure_boot else "no"
            firmware = ET.SubElement(top, "firmware")
            ET.SubElement(firmware, "feature", enabled=enabled, name="enrolled-keys")
            ET.SubElement(firmware, "feature", enabled=enabled, name="secure-boot")
        loader = {"secure": "yes"} if vm.secure_boot else {}  # "no" is refused by some that know the features
        if machine.stateless_firmware:
            loader["stateless"] = "no"
        if loader:
            ET.SubElement(top, "loader", loader)
    ET.SubElement(top, "boot", dev="hd")
    return top
