"""Findings that no check of a report makes: what a provider tells of a VM or a host. Explained beside the checks."""

import msgspec


class Told(msgspec.Struct, frozen=True):
    """One kind of finding, for people."""

    id: str
    question: str
    why: str
    judged: str


TOLD = (
    Told(
        "vm.asks",
        "Does the VM's configuration ask for hardware virtualization?",
        "A guest shows vmx or svm only where its configuration asks for it. Asking proves nothing yet.",
        "The provider's configuration is read back: the CPU of a libvirt domain, nestedHVEnabled of a vSphere VM, the "
        "CPU type and its flags on Proxmox VE. It fails when it is off, and is unknown when the provider does not say.",
    ),
    Told(
        "vm.got",
        "Did the running VM get it?",
        "A running VM keeps the CPU that it was started with, and some settings are dropped without a word.",
        "The live VM is asked: live XML, and QEMU's own CPU object where XML lies. It warns when the VM has more than "
        "its configuration asks for, and is unknown for a VM that is off and for a provider that cannot tell.",
    ),
    Told(
        "provider.version",
        "Is the hypervisor's version one that can nest?",
        "Each provider has a first version with what nesting needs; older ones drop the setting or refuse it.",
        "The version that the API names is held against the least one.",
    ),
    Told(
        "vsphere.evc",
        "Is the cluster in an EVC mode?",
        "EVC leaves vmx and svm to VMs. A VM that uses them can move only to hosts that have them too.",
        "Current and highest mode of the host, as vCenter says. It informs and never fails.",
    ),
    Told(
        "vsphere.key-provider",
        "Is there a key provider?",
        "vCenter makes a virtual TPM only where it has one.",
        "The key providers that vCenter lists. It informs and never fails.",
    ),
    Told(
        "vsphere.capacity",
        "Has the host room for a VM that runs VMs?",
        "Nested VMs live in the memory of their VM, so it needs more than others.",
        "Memory in use against memory of the host, as vCenter counts it.",
    ),
    Told(
        "proxmox.access",
        "Could the API be asked all of it?",
        "What the token may not read is unknown, which is something else than wrong.",
        "Each request that was refused is named with the privilege that it needs.",
    ),
    Told(
        "host.ssh",
        "Could the host itself be looked at, beside its API?",
        "An API does not show all of a host, and no guest was run for it.",
        "The host's own report, which --ssh-nodes fetches. Unknown where none came, or that of another machine.",
    ),
    Told(
        "provider.usable",
        "Can VMs be started on this host now?",
        "A host that can nest and is offline for its cluster, or in maintenance, runs no new VM.",
        "What the API says of a host whose own report was judged. It warns and never fails.",
    ),
)
