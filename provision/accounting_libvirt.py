"""What libvirt with QEMU makes of every field. Faults named here were measured on libvirt 9.0.0 and QEMU 7.2."""

from collections.abc import Mapping

from provision.accounting_common import AS_PUBLISHED, CHECKED, COMMON, FETCHING, FOR_PEOPLE, PULLED, refused_formats
from provision.model import Handling

_HONOURED, _APPROXIMATED = Handling.HONOURED, Handling.APPROXIMATED
_UNSUPPORTED, _REFUSED, _INFORMATIVE = Handling.UNSUPPORTED, Handling.REFUSED, Handling.INFORMATIVE

_MEDIUM = "a kind of medium is the host's own matter; the disk is thin"
_POOL = (_HONOURED, "the storage pool of this name (dir, fs or netfs) has the VM's disks and seed")
_IMAGE_POOL = (_HONOURED, "the storage pool of this name has the image that disks are layers over")
_NO_ENCRYPTION = (
    "disks are not encrypted: the key would lie beside them on the same host; encrypt that host's storage instead"
)
_OTHER_PROVIDER = (_INFORMATIVE, "for another provider: this VM is on libvirt")
_ADDRESS = (_HONOURED, "network-config on the cloud-init seed; the NIC is found by its MAC")
_DNS = (_APPROXIMATED, "network-config on the cloud-init seed, beside a static address; by DHCP the network's own")
_PLACEMENT = (_UNSUPPORTED, "libvirt manages one host: there is nowhere else to place a VM")

_CLASS: dict[str, tuple[Handling, str]] = {
    "VMClass spec.cpu": (_HONOURED, "<vcpu>"),
    "VMClass spec.memory": (_HONOURED, "<memory>, in whole MiB"),
    "VMClass spec.firmware": (_HONOURED, "SeaBIOS, or UEFI by <os firmware='efi'>"),
    "VMClass spec.guestToolsPolicy": (
        _UNSUPPORTED,
        "nestproof installs no guest tools: the image and its cloud-init do",
    ),
    "VMClass spec.extraConfig.*": (_UNSUPPORTED, "keys of VMware's VMX file: libvirt has none of them"),
    "VMClass spec.diskDefaults.type": (_UNSUPPORTED, _MEDIUM),
    "VMClass spec.diskDefaults.type=thin": (
        _HONOURED,
        "a qcow2 overlay over the image, space is taken as it is written",
    ),
    "VMClass spec.diskDefaults.type=thick": (_HONOURED, "a copy of the image that takes all of its space (falloc)"),
    "VMClass spec.diskDefaults.type=eagerzeroedthick": (
        _APPROXIMATED,
        "a copy of the image that takes all of its space; zeros are written where the host's own storage is used",
    ),
    "VMClass spec.diskDefaults.size": (_HONOURED, "the overlay is resized to it, in whole GiB"),
    "VMClass spec.diskDefaults.iops": (_HONOURED, "<total_iops_sec> of each of the VM's disks"),
    "VMClass spec.diskDefaults.storageClass": (_UNSUPPORTED, "libvirt knows no storage classes"),
    "VMClass spec.performanceProfile.nestedVirtualization": (
        _HONOURED,
        "the one feature of the host's vendor, vmx or svm, required or disabled in <cpu>",
    ),
    "VMClass spec.performanceProfile.latencySensitivity": (
        _UNSUPPORTED,
        "QEMU has no such setting; pinning CPUs is something else",
    ),
    "VMClass spec.performanceProfile.hyperThreadingPolicy": (
        _UNSUPPORTED,
        "libvirt cannot keep a VM off or on sibling threads; threads in <topology> is what the guest sees",
    ),
    "VMClass spec.performanceProfile.cpuHotAddEnabled": (
        _HONOURED,
        "<vcpu current>: up to four times the first number, at most the host's",
    ),
    "VMClass spec.performanceProfile.memoryHotAddEnabled": (
        _HONOURED,
        "<maxMemory> with slots: up to four times the first size, at most the host's",
    ),
    "VMClass spec.performanceProfile.virtualizationBasedSecurity": (
        _APPROXIMATED,
        "libvirt has no switch for it: the Hyper-V interface is given under KVM; Windows turns VBS on where nesting, "
        "Secure Boot and an IOMMU are given too",
    ),
    "VMClass spec.securityProfile.secureBoot": (_HONOURED, "UEFI with Secure Boot and enrolled keys, machine q35"),
    "VMClass spec.securityProfile.tpmEnabled": (_HONOURED, "<tpm> emulated by swtpm; its state goes with the VM"),
    "VMClass spec.securityProfile.tpmVersion": (_HONOURED, "2.0 by tpm-crb, 1.2 by tpm-tis"),
    "VMClass spec.securityProfile.vtdEnabled": (
        _HONOURED,
        "<iommu model='intel'> with interrupt remapping and caching mode",
    ),
    "VMClass spec.securityProfile.encryptionPolicy.enabled": (_UNSUPPORTED, _NO_ENCRYPTION),
    "VMClass spec.securityProfile.encryptionPolicy.requireEncryption=true": (_REFUSED, _NO_ENCRYPTION),
    "VMClass spec.securityProfile.encryptionPolicy.**": (_UNSUPPORTED, _NO_ENCRYPTION),
    "VMClass spec.resourceLimits.cpuLimit": (
        _APPROXIMATED,
        "time slices, worked out from the host's MHz: <global_quota>; takes a system daemon with cgroups",
    ),
    "VMClass spec.resourceLimits.cpuReservation": (_UNSUPPORTED, "QEMU reserves no CPU; it has only relative shares"),
    "VMClass spec.resourceLimits.cpuShares": (
        _HONOURED,
        "<shares>, a weight against the other VMs of that host; takes a system daemon with cgroups",
    ),
    "VMClass spec.resourceLimits.memoryLimit": (
        _UNSUPPORTED,
        "a limit below the guest's memory: libvirt's hard_limit would kill the VM as soon as it used more",
    ),
    "VMClass spec.resourceLimits.memoryReservation": (
        _UNSUPPORTED,
        "a part of the memory: QEMU reserves all of it or none",
    ),
}

_IMAGE: dict[str, tuple[Handling, str]] = {
    "VMImage spec.source.libvirt.path": (_HONOURED, "the backing file of the VM's disk, never written to"),
    "VMImage spec.source.libvirt.url": (_HONOURED, "downloaded once, then the backing file of the VM's disk"),
    "VMImage spec.source.libvirt.format": (_HONOURED, "qcow2 or raw; a file of another format is refused"),
    **refused_formats("VMImage spec.source.libvirt.format"),
    "VMImage spec.source.libvirt.checksum": (_HONOURED, "the image is refused unless it has this digest"),
    "VMImage spec.source.libvirt.checksumType": (_HONOURED, "the algorithm of the checksum"),
    "VMImage spec.source.libvirt.storagePool": _IMAGE_POOL,
    "VMImage spec.source.http.url": (_HONOURED, "downloaded once, where source.libvirt is not set"),
    "VMImage spec.source.http.checksum": (_HONOURED, "the image is refused unless it has this digest"),
    "VMImage spec.source.http.checksumType": (_HONOURED, "the algorithm of the checksum"),
    "VMImage spec.source.http.headers.*": (_HONOURED, "sent with the download, to that server only"),
    "VMImage spec.source.http.authentication.**": (_HONOURED, "the download logs in, to that server only"),
    "VMImage spec.source.vsphere.**": _OTHER_PROVIDER,
    "VMImage spec.source.proxmox.**": _OTHER_PROVIDER,
    **PULLED,
    "VMImage spec.source.dataVolume.**": (_UNSUPPORTED, "a volume of KubeVirt: libvirt has none"),
    "VMImage spec.prepare.validateChecksum": (_HONOURED, CHECKED),
    "VMImage spec.prepare.validateChecksum=false": (_UNSUPPORTED, CHECKED),
    **FETCHING,
    "VMImage spec.prepare.storage.vsphere.**": _OTHER_PROVIDER,
    "VMImage spec.prepare.storage.libvirt.storagePool": (
        _HONOURED,
        "the storage pool of this name has the image, where source.libvirt.storagePool names no other",
    ),
    "VMImage spec.prepare.storage.libvirt.preallocation": (
        _HONOURED,
        "the VM's disk is a copy of the image that takes this beforehand: metadata, or all of its space",
    ),
    "VMImage spec.prepare.storage.libvirt.preallocation=full": (
        _APPROXIMATED,
        "the VM's disk is a copy that takes all of its space; zeros are written where the host's own storage is used",
    ),
    "VMImage spec.prepare.storage.libvirt.preallocation=off": (_HONOURED, "the VM's disk is a thin layer"),
    "VMImage spec.prepare.storage.libvirt.allocationPolicy": (
        _HONOURED,
        "eager: the VM's disk is a copy that takes all of its space, unless preallocation says otherwise",
    ),
    "VMImage spec.prepare.storage.preferredFormat": (_UNSUPPORTED, AS_PUBLISHED),
    "VMImage spec.prepare.storage.compression": (_UNSUPPORTED, AS_PUBLISHED),
    "VMImage spec.prepare.optimization.**": (_UNSUPPORTED, AS_PUBLISHED),
}

_VM: dict[str, tuple[Handling, str]] = {
    "VirtualMachine metadata.annotations.nestproof.org/accel": (_HONOURED, "KVM or QEMU's emulator: <domain type>"),
    "VirtualMachine metadata.annotations.nestproof.org/cpu": (_HONOURED, "<cpu mode>, proven by QEMU's own CPU object"),
    "VirtualMachine spec.networks[].name": (
        _APPROXIMATED,
        "where networkRef names no other, the name of a libvirt network; with no network at all: user-mode networking",
    ),
    "VirtualMachine spec.networks[].macAddress": (_HONOURED, "<mac> of the interface"),
    "VirtualMachine spec.networks[].**": _ADDRESS,
    "VirtualMachine spec.disks[].name": (_HONOURED, "the serial number of a disk of its own: /dev/disk/by-id/virtio-…"),
    "VirtualMachine spec.disks[].sizeGiB": (_HONOURED, "an empty qcow2 on the virtio bus; it grows, it never shrinks"),
    "VirtualMachine spec.disks[].type": (_UNSUPPORTED, _MEDIUM),
    "VirtualMachine spec.disks[].type=thin": (_HONOURED, "space is taken as it is written"),
    "VirtualMachine spec.disks[].type=thick": (_HONOURED, "all of its space is taken at once (falloc)"),
    "VirtualMachine spec.disks[].type=eagerzeroedthick": (
        _APPROXIMATED,
        "all of its space is taken at once; zeros are written where the host's own storage is used",
    ),
    "VirtualMachine spec.disks[].expandPolicy": (_HONOURED, "a larger size is taken up while the VM is off"),
    "VirtualMachine spec.disks[].expandPolicy=Online": (
        _APPROXIMATED,
        "a larger size is taken up while the VM is off: apply stops and starts it",
    ),
    "VirtualMachine spec.disks[].storageClass": (_UNSUPPORTED, "libvirt knows no storage classes"),
    "VirtualMachine spec.disks[].scsi.**": (_UNSUPPORTED, "disks are on the virtio bus, which has no SCSI controllers"),
    "VirtualMachine spec.userData.cloudInit.inline": (_HONOURED, "on the cloud-init seed, beside the agent's part"),
    "VirtualMachine spec.userData.cloudInit.secretRef.**": (
        _HONOURED,
        "on the cloud-init seed, beside the agent's part",
    ),
    "VirtualMachine spec.userData.ignition.**": (
        _HONOURED,
        "QEMU's fw_cfg opt/com.coreos/config, and in it the agent as one file and one unit",
    ),
    "VirtualMachine spec.metaData.cloudInit.inline": (_HONOURED, "on the cloud-init seed"),
    "VirtualMachine spec.metaData.cloudInit.secretRef.**": (_HONOURED, "on the cloud-init seed"),
    "VirtualMachine spec.placement.datastore": _POOL,
    "VirtualMachine spec.placement.**": _PLACEMENT,
    "VirtualMachine spec.placementRef.**": _PLACEMENT,
    "VirtualMachine spec.tags[]": FOR_PEOPLE,
    "VirtualMachine spec.powerState": (
        _HONOURED,
        "the domain is started or left off; a running guest is asked to shut down, and powered off after half a minute",
    ),
    "VirtualMachine spec.resources.cpu": (_HONOURED, "<vcpu>, instead of the class's"),
    "VirtualMachine spec.resources.memoryMiB": (_HONOURED, "<memory>, instead of the class's"),
    "VirtualMachine spec.resources.gpu.**": (_UNSUPPORTED, "no device of the host is passed through to the VM"),
}

_PROVIDER: dict[str, tuple[Handling, str]] = {
    "Provider spec.type": (_HONOURED, "libvirt"),
    "Provider spec.endpoint": (_HONOURED, "the URI that libvirt connects to"),
    "Provider spec.credentialSecretRef.**": (
        _HONOURED,
        "for qemu+ssh username, ssh-privatekey, password, known_hosts; for qemu+tls tls.crt, tls.key, ca.crt",
    ),
    "Provider spec.insecureSkipVerify": (_UNSUPPORTED, "TLS is verified by libvirt's own configuration"),
    "Provider spec.defaults.network": (_HONOURED, "the libvirt network of a VM that names none"),
    "Provider spec.defaults.datastore": (_HONOURED, "the storage pool of VMs that name none"),
    "Provider spec.defaults.**": _PLACEMENT,
}

_NETWORK: dict[str, tuple[Handling, str]] = {
    "VMNetworkAttachment spec.network.libvirt.networkName": (_HONOURED, "<interface type='network'>"),
    "VMNetworkAttachment spec.network.libvirt.bridge.name": (_HONOURED, "<interface type='bridge'>"),
    "VMNetworkAttachment spec.network.libvirt.model": (_HONOURED, "<model> of the interface"),
    "VMNetworkAttachment spec.network.libvirt.driver.queues": (_HONOURED, "<driver queues> of the interface"),
    "VMNetworkAttachment spec.network.libvirt.filterRef.filter": (_HONOURED, "<filterref> of the interface"),
    "VMNetworkAttachment spec.network.mtu": (_HONOURED, "<mtu> of the interface"),
    "VMNetworkAttachment spec.network.libvirt.**": (_UNSUPPORTED, "the libvirt network itself decides"),
    "VMNetworkAttachment spec.network.vsphere.**": _OTHER_PROVIDER,
    "VMNetworkAttachment spec.network.proxmox.**": _OTHER_PROVIDER,
    "VMNetworkAttachment spec.network.**": (_UNSUPPORTED, "the libvirt network itself decides"),
    "VMNetworkAttachment spec.ipAllocation.type": (_UNSUPPORTED, "addresses are static or by the network's DHCP"),
    "VMNetworkAttachment spec.ipAllocation.type=DHCP": (_HONOURED, "the guest asks the network's DHCP"),
    "VMNetworkAttachment spec.ipAllocation.type=Static": _ADDRESS,
    "VMNetworkAttachment spec.ipAllocation.staticConfig.address": _ADDRESS,
    "VMNetworkAttachment spec.ipAllocation.staticConfig.gateway": _ADDRESS,
    "VMNetworkAttachment spec.ipAllocation.dnsConfig.servers[]": _DNS,
    "VMNetworkAttachment spec.ipAllocation.dnsConfig.searchDomains[]": _DNS,
    "VMNetworkAttachment spec.ipAllocation.**": (_UNSUPPORTED, "set it in cloud-init"),
    "VMNetworkAttachment spec.security.**": (_UNSUPPORTED, "nestproof sets no network filters"),
    "VMNetworkAttachment spec.qos.**": (
        _UNSUPPORTED,
        "nestproof limits no NIC: the libvirt network's <bandwidth> does",
    ),
}

TABLE: Mapping[str, tuple[Handling, str]] = {
    **COMMON, **_CLASS, **_IMAGE, **_VM, **_PROVIDER, **_NETWORK
}  # fmt: skip
