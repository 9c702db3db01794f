"""The `<cpu>` of a domain: exactly one vendor's feature, in a mode that refuses rather than lies. Pure."""

from xml.etree import ElementTree as ET

from hostcheck.model import Accelerator
from provision.providers.libvirt.choose import Choice

INTELS_OWN = "arch-capabilities"
"""A register that no AMD CPU has, and that KVM offers to guests on AMD all the same. Windows is known to stop over it,
and a KVM that does not keep what it offers (kvm_pvm) makes QEMU end at the start."""


def cpu_element(choice: Choice, *, nested: bool) -> ET.Element:
    """The CPU with exactly one vendor's feature: requiring both vmx and svm starts on no host.

    check='partial' makes libvirt refuse to start when the feature is missing. host-passthrough starts without it and
    says nothing, so that only QEMU itself can prove it (`observe`).
    """
    policy = "require" if nested else "disable"
    if choice.accelerator is Accelerator.TCG:
        cpu = ET.Element("cpu", mode="custom", match="exact", check="none")
        ET.SubElement(cpu, "model", fallback="forbid").text = "EPYC"
        ET.SubElement(cpu, "feature", policy=policy, name="svm")
        ET.SubElement(cpu, "feature", policy="disable", name="x2apic")
        return cpu
    if choice.passthrough:
        cpu = ET.Element("cpu", mode="host-passthrough", check="none")
    else:
        cpu = ET.Element("cpu", mode="host-model", check="partial")
    if choice.feature:
        ET.SubElement(cpu, "feature", policy=policy, name=choice.feature)
    if choice.feature == "svm":
        ET.SubElement(cpu, "feature", policy="disable", name=INTELS_OWN)
    return cpu


def with_memory(cpu: ET.Element, cpus_max: int, memory_mib: int) -> ET.Element:
    """The same with one NUMA cell, without which libvirt before 9.6 adds no memory to a running VM."""
    numa = ET.SubElement(cpu, "numa")
    ET.SubElement(numa, "cell", id="0", cpus=f"0-{cpus_max - 1}", memory=str(memory_mib), unit="MiB")
    return cpu
