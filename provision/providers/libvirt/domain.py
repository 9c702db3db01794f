"""From a wanted VM to libvirt's domain XML (formatdomain.html). Pure: the same input gives the same text."""

from xml.etree import ElementTree as ET

from provision.model import VmSpec
from provision.providers.libvirt.carry_over import carry_over
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.cpu import cpu_element, with_memory
from provision.providers.libvirt.devices import devices_element
from provision.providers.libvirt.firmware import os_element
from provision.providers.libvirt.fitting import PERIOD, SLOTS, Fitting
from provision.providers.libvirt.hyperv import hyperv_element
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import DOMAIN_TYPE
from provision.providers.libvirt.places import Places, domain_name, domain_uuid
from provision.providers.libvirt.record import Record

IGNITION = "opt/com.coreos/config"
"""The name that Ignition looks for (its documentation, "supported platforms", QEMU)."""


def domain_xml(
    vm: VmSpec,
    choice: Choice,
    fitting: Fitting,
    machine: Machine,
    places: Places,
    record: Record,
    before: ET.Element | None = None,
) -> str:
    """The domain, for VIR_DOMAIN_DEFINE_VALIDATE; in place of `before`, if there is one."""
    domain = ET.Element("domain", type=DOMAIN_TYPE[choice.accelerator])
    _text(domain, "name", domain_name(vm.namespace, vm.name))
    _text(domain, "uuid", domain_uuid(vm.namespace, vm.name))
    ET.SubElement(domain, "metadata").append(record.element())
    cpu = cpu_element(choice, nested=vm.nested)
    if fitting.memory_max_mib > vm.memory_mib:
        _text(domain, "maxMemory", str(fitting.memory_max_mib), slots=str(SLOTS), unit="MiB")
        with_memory(cpu, fitting.cpus_max, vm.memory_mib)
    _text(domain, "memory", str(vm.memory_mib), unit="MiB")
    if fitting.allocated:
        ET.SubElement(ET.SubElement(domain, "memoryBacking"), "allocation", mode="immediate")
    hot_add = {"current": str(vm.cpus)} if fitting.cpus_max > vm.cpus else {}
    _text(domain, "vcpu", str(fitting.cpus_max), **hot_add)
    _tuning(domain, fitting)
    if vm.ignition is not None:
        # A file, because what stands here itself would stand on QEMU's command line.
        info = ET.SubElement(domain, "sysinfo", type="fwcfg")
        ET.SubElement(info, "entry", name=IGNITION, file=str(places.seed))
    domain.append(os_element(vm, machine))
    domain.append(_features(vm, fitting, machine))
    domain.append(cpu)
    domain.append(_clock(fitting))
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    domain.append(devices_element(vm, fitting, places))
    if before is not None:
        carry_over(before, domain)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def _tuning(domain: ET.Element, fitting: Fitting) -> None:
    """How much CPU time it gets; for the VM as a whole, which is what a class means, not for each virtual CPU."""
    if not fitting.quota and not fitting.shares:
        return
    top = ET.SubElement(domain, "cputune")
    if fitting.shares:
        _text(top, "shares", str(fitting.shares))
    if fitting.quota:
        _text(top, "global_period", str(PERIOD))
        _text(top, "global_quota", str(fitting.quota))


def _features(vm: VmSpec, fitting: Fitting, machine: Machine) -> ET.Element:
    top = ET.Element("features")
    ET.SubElement(top, "acpi")
    ET.SubElement(top, "apic")
    if fitting.enlightenments:
        top.append(hyperv_element(fitting.enlightenments))
    if vm.secure_boot and not machine.firmware_features:  # which otherwise come with it
        ET.SubElement(top, "smm", state="on")
    if fitting.iommu:  # interrupt remapping wants the I/O APIC outside of the kernel
        ET.SubElement(top, "ioapic", driver="qemu")
    return top


def _clock(fitting: Fitting) -> ET.Element:
    clock = ET.Element("clock", offset="utc")
    if "stimer" in fitting.enlightenments:
        ET.SubElement(clock, "timer", name="hypervclock", present="yes")
    return clock


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child
