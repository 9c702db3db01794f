"""What documents promise of nested virtualization, provider by provider; each claim with where it stands.

Nothing here was measured. It stands in the support matrix above what was proven, so that the two can be told apart.
"""

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """A kind of hypervisor, by the names that people use."""

    VSPHERE = "vSphere"
    LIBVIRT = "libvirt / KVM"
    PROXMOX = "Proxmox VE"
    OTHER = "other hypervisors"


class Capability(StrEnum):
    """A column of the support matrix."""

    VERSION = "Version"
    NESTED = "Nested"
    PERFORMANCE = "Performance"
    TPM = "TPM"
    SECURE_BOOT = "Secure Boot"
    VIOMMU = "vIOMMU"
    CPU_HOT_ADD = "CPU hot-add"
    MEMORY_HOT_ADD = "Memory hot-add"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one document says; `says` is empty where it says nothing."""

    says: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One document's row for one family."""

    family: Family
    title: str
    claims: dict[Capability, Claim]


VIRTRIGAUD = "VirtRigaud, Nested Virtualization Support"
MATRIX = f"{VIRTRIGAUD}, Support Matrix"
VSPHERE_API = "vSphere Web Services API Reference"
LIBVIRT_XML = "libvirt, Domain XML format"
PVE = "Proxmox VE Administration Guide, qm(1)"

DOCUMENTS = (
    Document(
        Family.VSPHERE,
        "VirtRigaud's matrix",
        {
            Capability.VERSION: Claim("ESXi 6.0, VM hardware 9", f"{VIRTRIGAUD}, Prerequisites"),
            Capability.NESTED: Claim("Full", MATRIX),
            Capability.PERFORMANCE: Claim("Good; 10–20 % overhead", f"{MATRIX}; Limitations"),
            Capability.TPM: Claim("yes", MATRIX),
            Capability.SECURE_BOOT: Claim("yes", MATRIX),
            Capability.VIOMMU: Claim("vtdEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
            Capability.CPU_HOT_ADD: Claim("cpuHotAddEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
            Capability.MEMORY_HOT_ADD: Claim("memoryHotAddEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
        },
    ),
    Document(
        Family.VSPHERE,
        "The product's documents",
        {
            Capability.VERSION: Claim("API 5.1, VM hardware 9", f"{VSPHERE_API}: nestedHVEnabled"),
            Capability.NESTED: Claim("off by default; per VM", f"{VSPHERE_API}: nestedHVEnabled, nestedHVSupported"),
            Capability.TPM: Claim("2.0 from 6.7, hardware 14, EFI, key provider", f"{VSPHERE_API}: VirtualTPM"),
            Capability.SECURE_BOOT: Claim("from 6.5, hardware 13, EFI", f"{VSPHERE_API}: efiSecureBootEnabled"),
            Capability.VIOMMU: Claim("from 6.7, hardware 14", f"{VSPHERE_API}: vvtdEnabled"),
            Capability.CPU_HOT_ADD: Claim("off by default; if the guest can", f"{VSPHERE_API}: cpuHotAddEnabled"),
            Capability.MEMORY_HOT_ADD: Claim("off by default; if the guest can", f"{VSPHERE_API}: memoryHotAddEnabled"),
        },
    ),
    Document(
        Family.LIBVIRT,
        "VirtRigaud's matrix",
        {
            Capability.VERSION: Claim("libvirt 1.2.13", f"{VIRTRIGAUD}, Prerequisites"),
            Capability.NESTED: Claim("Full", MATRIX),
            Capability.PERFORMANCE: Claim("Good", MATRIX),
            Capability.TPM: Claim("yes", MATRIX),
            Capability.SECURE_BOOT: Claim("yes", MATRIX),
            Capability.VIOMMU: Claim("vtdEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
            Capability.CPU_HOT_ADD: Claim("cpuHotAddEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
            Capability.MEMORY_HOT_ADD: Claim("memoryHotAddEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
        },
    ),
    Document(
        Family.LIBVIRT,
        "The product's documents",
        {
            Capability.VERSION: Claim("libvirt 3.2.0 for check='partial'", f"{LIBVIRT_XML}, CPU model"),
            Capability.NESTED: Claim("if the host's module has nested=1", f"{LIBVIRT_XML}, CPU model"),
            Capability.TPM: Claim("2.0 and 1.2, by swtpm", f"{LIBVIRT_XML}, TPM device"),
            Capability.SECURE_BOOT: Claim("from 7.2.0, q35", f"{LIBVIRT_XML}, BIOS bootloader"),
            Capability.VIOMMU: Claim("intel 3.4.0, virtio 8.3.0, amd 11.5.0", f"{LIBVIRT_XML}, IOMMU devices"),
            Capability.CPU_HOT_ADD: Claim("up to the maximum of <vcpu>", f"{LIBVIRT_XML}, CPU allocation"),
            Capability.MEMORY_HOT_ADD: Claim("maxMemory, slots and a NUMA cell", f"{LIBVIRT_XML}, Memory allocation"),
        },
    ),
    Document(
        Family.PROXMOX,
        "VirtRigaud's matrix",
        {
            Capability.VERSION: Claim("Proxmox VE 6.0", f"{VIRTRIGAUD}, Prerequisites"),
            Capability.NESTED: Claim("Planned", MATRIX),
            Capability.PERFORMANCE: Claim("Good; varies", f"{MATRIX}; Limitations"),
            Capability.TPM: Claim("Limited", MATRIX),
            Capability.SECURE_BOOT: Claim("Limited", MATRIX),
            Capability.VIOMMU: Claim("vtdEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
            Capability.CPU_HOT_ADD: Claim("cpuHotAddEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
            Capability.MEMORY_HOT_ADD: Claim("memoryHotAddEnabled", f"{VIRTRIGAUD}, Enabling Nested Virtualization"),
        },
    ),
    Document(
        Family.PROXMOX,
        "The product's documents",
        {
            Capability.VERSION: Claim("any, with cpu: host; +nested-virt from qemu-server 9.0.27", f"{PVE}: cpu"),
            Capability.NESTED: Claim("cpu: host, or +nested-virt", f"{PVE}: cpu"),
            Capability.TPM: Claim("2.0 and 1.2 from 7.1", f"{PVE}: tpmstate0"),
            Capability.SECURE_BOOT: Claim("OVMF with pre-enrolled keys", f"{PVE}: efidisk0"),
            Capability.VIOMMU: Claim("from 8.1.2: intel (q35), virtio", f"{PVE}: machine, viommu"),
            Capability.CPU_HOT_ADD: Claim("hotplug: cpu", f"{PVE}: hotplug"),
            Capability.MEMORY_HOT_ADD: Claim("hotplug: memory, with numa: 1", f"{PVE}: hotplug"),
        },
    ),
)


def documents(family: Family) -> tuple[Document, ...]:
    """The documents that speak of a family; none of the others."""
    return tuple(document for document in DOCUMENTS if document.family is family)
