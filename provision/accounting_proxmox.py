"""What Proxmox VE makes of every field. Its rules were read in qemu-server 9.2 and the API's own definition."""

from collections.abc import Mapping

from provision.accounting_common import AS_PUBLISHED, CHECKED, COMMON, FETCHING, FOR_PEOPLE, PULLED
from provision.model import Handling

_HONOURED, _APPROXIMATED = Handling.HONOURED, Handling.APPROXIMATED
_UNSUPPORTED, _REFUSED, _INFORMATIVE = Handling.UNSUPPORTED, Handling.REFUSED, Handling.INFORMATIVE

_NOT_BUILT = "not built yet: the VM is made without it"
_OTHER_PROVIDER = (_INFORMATIVE, "for another provider: this VM is on Proxmox VE")
_SEED = (_HONOURED, "on a NoCloud seed, an ISO image that is removed after the guest has read it")
_ADDRESS = (_HONOURED, "network-config on the seed, for the NIC of this MAC; ipconfigN on Proxmox VE's own drive")

_CLASS: dict[str, tuple[Handling, str]] = {
    "VMClass spec.cpu": (_HONOURED, "cores, of one socket"),
    "VMClass spec.memory": (_HONOURED, "memory, in whole MiB"),
    "VMClass spec.firmware": (_HONOURED, "bios: ovmf with an EFI disk, or SeaBIOS; a clone keeps OVMF of its template"),
    "VMClass spec.guestToolsPolicy": (
        _UNSUPPORTED,
        "the guest agent's device is always there; its program is installed by the image or cloud-init",
    ),
    "VMClass spec.extraConfig.proxmox.cpu": (
        _HONOURED,
        "cpu: the model, with +nested-virt where the class is nested and Proxmox VE is 9.1 or newer",
    ),
    "VMClass spec.extraConfig.proxmox.cicustom": (
        _HONOURED,
        "cicustom, with Proxmox VE's own cloud-init drive in place of our seed",
    ),
    "VMClass spec.extraConfig.proxmox.ciuser": (_HONOURED, "ciuser, on Proxmox VE's own cloud-init drive"),
    "VMClass spec.extraConfig.proxmox.sshkeys": (_HONOURED, "sshkeys, on Proxmox VE's own cloud-init drive"),
    "VMClass spec.extraConfig.proxmox.cipassword": (_REFUSED, "a class is no place for a password"),
    "VMClass spec.extraConfig.*": (_UNSUPPORTED, "keys of VMware's VMX file: of them Proxmox VE has none"),
    "VMClass spec.diskDefaults.type": (
        _APPROXIMATED,
        "thin: discard=on; ssd and nvme: ssd=1 as well; a clone keeps its template's, and the storage allocates",
    ),
    "VMClass spec.diskDefaults.size": (_HONOURED, "the disk is grown to it, in whole GiB"),
    "VMClass spec.diskDefaults.iops": (
        _APPROXIMATED,
        "iops= on the disk: a limit, not a guarantee; where none is asked for, a clone keeps its template's",
    ),
    "VMClass spec.diskDefaults.storageClass": (
        _UNSUPPORTED,
        "Proxmox VE knows no storage classes; placement.datastore",
    ),
    "VMClass spec.performanceProfile.nestedVirtualization": (
        _HONOURED,
        "cpu: host, or a model with +nested-virt; Proxmox VE refuses +vmx and +svm on a VM",
    ),
    "VMClass spec.performanceProfile.latencySensitivity": (
        _UNSUPPORTED,
        "Proxmox VE has no such setting; affinity pins CPUs, which is something else",
    ),
    "VMClass spec.performanceProfile.hyperThreadingPolicy": (
        _UNSUPPORTED,
        "Proxmox VE cannot keep a VM off or on sibling threads",
    ),
    "VMClass spec.performanceProfile.cpuHotAddEnabled": (
        _HONOURED,
        "hotplug: cpu, with cores for twice the CPUs and vcpus for those of the class",
    ),
    "VMClass spec.performanceProfile.memoryHotAddEnabled": (_HONOURED, "hotplug: memory, which needs numa: 1"),
    "VMClass spec.performanceProfile.virtualizationBasedSecurity": (
        _UNSUPPORTED,
        "there is no switch for it: Windows turns it on where nesting, Secure Boot and an IOMMU are given",
    ),
    "VMClass spec.securityProfile.secureBoot": (
        _HONOURED,
        "efidisk0 with efitype=4m,pre-enrolled-keys=1; the keys are written when that disk is made",
    ),
    "VMClass spec.securityProfile.tpmEnabled": (_HONOURED, "tpmstate0, its version always stated"),
    "VMClass spec.securityProfile.tpmVersion": (_HONOURED, "tpmstate0 version=; it cannot be changed later"),
    "VMClass spec.securityProfile.vtdEnabled": (
        _HONOURED,
        "machine: q35,viommu=intel, also on AMD: Proxmox VE has no AMD IOMMU for guests",
    ),
    "VMClass spec.securityProfile.encryptionPolicy.**": (
        _UNSUPPORTED,
        "Proxmox VE encrypts no single VM; its storage may be encrypted as a whole",
    ),
    "VMClass spec.resourceLimits.cpuLimit": (
        _APPROXIMATED,
        "cpulimit, in CPUs of the node: MHz divided by what its CPU says it runs at",
    ),
    "VMClass spec.resourceLimits.cpuReservation": (_UNSUPPORTED, "Proxmox VE reserves no CPU; cpuShares weighs"),
    "VMClass spec.resourceLimits.cpuShares": (
        _APPROXIMATED,
        "cpuunits, from 1 to 10000: 1000 shares are Proxmox VE's usual weight of 100",
    ),
    "VMClass spec.resourceLimits.memoryLimit": (
        _UNSUPPORTED,
        "a VM gets its memory and no more; there is no lower bound",
    ),
    "VMClass spec.resourceLimits.memoryReservation": (
        _APPROXIMATED,
        "balloon: ballooning leaves the guest as much; nothing is reserved on the node",
    ),
}

_IMAGE: dict[str, tuple[Handling, str]] = {
    "VMImage spec.source.proxmox.templateID": (_HONOURED, "cloned"),
    "VMImage spec.source.proxmox.templateName": (_HONOURED, "cloned; there must be one template of that name"),
    "VMImage spec.source.proxmox.storage": (
        _APPROXIMATED,
        "where the image is uploaded to; the disk is on placement.datastore",
    ),
    "VMImage spec.source.proxmox.node": (_HONOURED, "the node that has the template, or imports the image"),
    "VMImage spec.source.proxmox.format": (_HONOURED, "of the file behind source.http.url: qcow2 or raw"),
    "VMImage spec.source.proxmox.format=vmdk": (
        _UNSUPPORTED,
        "of a file behind source.http.url, which has to be qcow2 or raw; a template needs none",
    ),
    "VMImage spec.source.proxmox.fullClone": (_HONOURED, "full=1 or a linked clone"),
    "VMImage spec.source.http.url": (
        _HONOURED,
        "downloaded here, verified, uploaded as content `import` and copied into the disk (Proxmox VE 8.4)",
    ),
    "VMImage spec.source.http.checksum": (_HONOURED, "the image is refused unless it has this digest"),
    "VMImage spec.source.http.checksumType": (_HONOURED, "the algorithm of the checksum"),
    "VMImage spec.source.http.headers.*": (_HONOURED, "sent with the download, to that server only"),
    "VMImage spec.source.http.authentication.**": (_HONOURED, "the download logs in, to that server only"),
    **FETCHING,
    "VMImage spec.source.libvirt.**": _OTHER_PROVIDER,
    "VMImage spec.source.vsphere.**": _OTHER_PROVIDER,
    **PULLED,
    "VMImage spec.source.dataVolume.**": (_UNSUPPORTED, "a volume of KubeVirt: Proxmox VE has none"),
    "VMImage spec.prepare.validateChecksum": (_HONOURED, CHECKED),
    "VMImage spec.prepare.validateChecksum=false": (_UNSUPPORTED, CHECKED),
    "VMImage spec.prepare.storage.vsphere.**": _OTHER_PROVIDER,
    "VMImage spec.prepare.storage.libvirt.**": _OTHER_PROVIDER,
    "VMImage spec.prepare.**": (_UNSUPPORTED, AS_PUBLISHED),
}

_VM: dict[str, tuple[Handling, str]] = {
    "VirtualMachine metadata.annotations.nestproof.org/accel": (_HONOURED, "KVM, or QEMU's emulator: kvm: 0"),
    "VirtualMachine metadata.annotations.nestproof.org/cpu": (
        _APPROXIMATED,
        "cpu: host either way; another model is named by the class's extraConfig key proxmox.cpu",
    ),
    "VirtualMachine spec.networks[].name": (_HONOURED, "a bridge, where networkRef does not name another"),
    "VirtualMachine spec.networks[].macAddress": (_HONOURED, "netN: its MAC"),
    "VirtualMachine spec.networks[].ipAddress": _ADDRESS,
    "VirtualMachine spec.networks[].prefix": _ADDRESS,
    "VirtualMachine spec.networks[].gateway": _ADDRESS,
    "VirtualMachine spec.networks[].dns": (_HONOURED, "network-config on the seed, beside a static address"),
    "VirtualMachine spec.disks[].name": FOR_PEOPLE,
    "VirtualMachine spec.disks[].sizeGiB": (_HONOURED, "scsiN, empty; made larger when the number grows"),
    "VirtualMachine spec.disks[].type": (_APPROXIMATED, "thin: discard=on; ssd: ssd=1; the storage allocates"),
    "VirtualMachine spec.disks[].expandPolicy": (_HONOURED, "a disk grows while the VM runs, or when it is off"),
    "VirtualMachine spec.disks[].**": (_UNSUPPORTED, "disks are on one virtio-scsi controller and placement.datastore"),
    "VirtualMachine spec.userData.cloudInit.inline": _SEED,
    "VirtualMachine spec.userData.cloudInit.secretRef.**": _SEED,
    "VirtualMachine spec.userData.ignition.**": (
        _REFUSED,
        "it reaches a guest by `args`, which only root@pam may set, and no API token",
    ),
    "VirtualMachine spec.metaData.cloudInit.inline": _SEED,
    "VirtualMachine spec.metaData.cloudInit.secretRef.**": _SEED,
    "VirtualMachine spec.placement.host": (_HONOURED, "the node"),
    "VirtualMachine spec.placement.datastore": (_HONOURED, "the storage of the disks"),
    "VirtualMachine spec.placement.resourcePool": (_HONOURED, "the pool"),
    "VirtualMachine spec.placement.**": (_UNSUPPORTED, "Proxmox VE has nodes, storages and pools, and one cluster"),
    "VirtualMachine spec.placementRef.**": (_UNSUPPORTED, _NOT_BUILT),
    "VirtualMachine spec.tags[]": (
        _APPROXIMATED,
        "tags, in lower case; a character that Proxmox VE refuses becomes '-'",
    ),
    "VirtualMachine spec.powerState": (_HONOURED, "the VM is started, or shut down and left off"),
    "VirtualMachine spec.resources.cpu": (_HONOURED, "cores, instead of the class's"),
    "VirtualMachine spec.resources.memoryMiB": (_HONOURED, "memory, instead of the class's"),
    "VirtualMachine spec.resources.gpu.**": (
        _UNSUPPORTED,
        "hostpci needs a device that an administrator has mapped for the cluster",
    ),
}

_PROVIDER: dict[str, tuple[Handling, str]] = {
    "Provider spec.type": (_HONOURED, "proxmox"),
    "Provider spec.endpoint": (_HONOURED, "any node of the cluster"),
    "Provider spec.credentialSecretRef.**": (_HONOURED, "an API token or a password"),
    "Provider spec.insecureSkipVerify": (_HONOURED, "the certificate is not verified"),
    "Provider spec.defaults.datastore": (_HONOURED, "the storage of the disks"),
    "Provider spec.defaults.resourcePool": (_HONOURED, "the pool"),
    "Provider spec.defaults.network": (_HONOURED, "the bridge of a VM that names no network"),
    "Provider spec.defaults.**": (_UNSUPPORTED, "Proxmox VE has nodes, storages and pools, and one cluster"),
}

_NETWORK: dict[str, tuple[Handling, str]] = {
    "VMNetworkAttachment spec.network.proxmox.bridge": (_HONOURED, "netN bridge="),
    "VMNetworkAttachment spec.network.proxmox.model": (_HONOURED, "netN: the model of the NIC"),
    "VMNetworkAttachment spec.network.proxmox.vlanTag": (_HONOURED, "netN tag="),
    "VMNetworkAttachment spec.network.proxmox.firewall": (_HONOURED, "netN firewall=1"),
    "VMNetworkAttachment spec.network.proxmox.rateLimit": (_HONOURED, "netN rate=, in MB/s"),
    "VMNetworkAttachment spec.network.proxmox.mtu": (_HONOURED, "netN mtu=, of a virtio NIC"),
    "VMNetworkAttachment spec.network.libvirt.**": _OTHER_PROVIDER,
    "VMNetworkAttachment spec.network.vsphere.**": _OTHER_PROVIDER,
    "VMNetworkAttachment spec.network.**": (_UNSUPPORTED, "the bridge of the node decides"),
    "VMNetworkAttachment spec.ipAllocation.type": (_APPROXIMATED, "Static or DHCP; Pool and None come to DHCP"),
    "VMNetworkAttachment spec.ipAllocation.staticConfig.address": _ADDRESS,
    "VMNetworkAttachment spec.ipAllocation.staticConfig.gateway": _ADDRESS,
    "VMNetworkAttachment spec.ipAllocation.dnsConfig.servers[]": (_HONOURED, "network-config, beside a static address"),
    "VMNetworkAttachment spec.ipAllocation.dnsConfig.searchDomains[]": (
        _HONOURED,
        "network-config, beside a static address",
    ),
    "VMNetworkAttachment spec.ipAllocation.**": (_UNSUPPORTED, "write it in cloud-init's own network configuration"),
    "VMNetworkAttachment spec.security.**": (_UNSUPPORTED, "nestproof writes no firewall rules"),
    "VMNetworkAttachment spec.qos.**": (_UNSUPPORTED, "Proxmox VE limits a NIC by network.proxmox.rateLimit"),
}

TABLE: Mapping[str, tuple[Handling, str]] = {
    **COMMON, **_CLASS, **_IMAGE, **_VM, **_PROVIDER, **_NETWORK
}  # fmt: skip
