"""What vSphere makes of every field. Fields of its API are named as in VMware's reference."""

from collections.abc import Mapping

from provision.accounting_common import CHECKED, COMMON, FOR_PEOPLE
from provision.model import Handling

_HONOURED, _APPROXIMATED = Handling.HONOURED, Handling.APPROXIMATED
_UNSUPPORTED, _REFUSED, _INFORMATIVE = Handling.UNSUPPORTED, Handling.REFUSED, Handling.INFORMATIVE

_NOT_BUILT = "not built yet: the VM is made without it"
_MEDIUM = "a kind of medium is a matter of the datastore: the disk is thick"
_OTHER_PROVIDER = (_INFORMATIVE, "for another provider: this VM is on vSphere")
_INSTEAD = "vSphere drops this key in silence: a field of its API is for it, and that is what is sent"
_SEED = "by guestinfo, gzip+base64, beside the agent's part; 64 KiB when packed"
_STATIC = (_HONOURED, "network configuration of cloud-init, by guestinfo; the NIC is found by its MAC")

_CLASS: dict[str, tuple[Handling, str]] = {
    "VMClass spec.cpu": (_HONOURED, "numCPUs"),
    "VMClass spec.memory": (_HONOURED, "memoryMB, in whole MiB"),
    "VMClass spec.firmware": (_HONOURED, "firmware: efi or bios"),
    "VMClass spec.guestToolsPolicy": (_UNSUPPORTED, "nestproof installs no guest tools: the template has them"),
    "VMClass spec.extraConfig.*": (
        _APPROXIMATED,
        "extraConfig as it stands; keys that a field of the API is for are not sent (the plan names them), and "
        "virtualHW.version asks for an upgrade of the virtual hardware",
    ),
    **{
        f"VMClass spec.extraConfig.{key}": (_UNSUPPORTED, _INSTEAD)
        for key in ("vhv.enable", "vhv.allowNestedPageTables", "vvtd.enable", "vbs.enable")
    },
    "VMClass spec.extraConfig.vpmc.enable": (_HONOURED, "vPMCEnabled, in the last reconfiguration, and read back"),
    "VMClass spec.extraConfig.virtualHW.version": (_HONOURED, "UpgradeVM_Task, before anything else is set"),
    "VMClass spec.diskDefaults.type": (_APPROXIMATED, _MEDIUM),
    "VMClass spec.diskDefaults.type=thin": (_HONOURED, "the clone's disk: thinProvisioned"),
    "VMClass spec.diskDefaults.type=thick": (_HONOURED, "the clone's disk: not thinProvisioned"),
    "VMClass spec.diskDefaults.type=eagerzeroedthick": (_HONOURED, "the clone's disk: eagerlyScrub"),
    "VMClass spec.diskDefaults.size": (_HONOURED, "the template's first disk is enlarged to it, in whole GiB"),
    "VMClass spec.diskDefaults.iops": (_UNSUPPORTED, _NOT_BUILT),
    "VMClass spec.diskDefaults.storageClass": (_UNSUPPORTED, "storage policies are not applied; choose a datastore"),
    "VMClass spec.performanceProfile.nestedVirtualization": (
        _HONOURED,
        "nestedHVEnabled, in the last reconfiguration, and read back; vhv.* of extraConfig is never relied on",
    ),
    "VMClass spec.performanceProfile.latencySensitivity": (_HONOURED, "latencySensitivity.level"),
    "VMClass spec.performanceProfile.latencySensitivity=high": (
        _HONOURED,
        "latencySensitivity.level, with all CPU and memory reserved, without which it has no effect",
    ),
    "VMClass spec.performanceProfile.latencySensitivity=low": (
        _APPROXIMATED,
        "latencySensitivity.level, where low is less than normal: high is the one for short delays",
    ),
    "VMClass spec.performanceProfile.hyperThreadingPolicy": (
        _APPROXIMATED,
        "flags.htSharing any: vSphere cannot prefer or demand sibling threads",
    ),
    "VMClass spec.performanceProfile.hyperThreadingPolicy=auto": (_HONOURED, "flags.htSharing any"),
    "VMClass spec.performanceProfile.hyperThreadingPolicy=avoid": (
        _HONOURED,
        "flags.htSharing none; without effect on hosts whose side-channel-aware scheduler is on",
    ),
    "VMClass spec.performanceProfile.cpuHotAddEnabled": (_HONOURED, "cpuHotAddEnabled; the guest OS has to support it"),
    "VMClass spec.performanceProfile.memoryHotAddEnabled": (
        _HONOURED,
        "memoryHotAddEnabled; the guest OS has to support it",
    ),
    "VMClass spec.performanceProfile.virtualizationBasedSecurity": (
        _HONOURED,
        "flags.vbsEnabled, with nesting, IOMMU, UEFI and Secure Boot, each of which has to be asked for too",
    ),
    "VMClass spec.securityProfile.secureBoot": (_HONOURED, "bootOptions.efiSecureBootEnabled; hardware vmx-13, UEFI"),
    "VMClass spec.securityProfile.tpmEnabled": (_HONOURED, "a VirtualTPM device; vmx-14, UEFI and a key provider"),
    "VMClass spec.securityProfile.tpmVersion": (_HONOURED, "vSphere's is 2.0"),
    "VMClass spec.securityProfile.tpmVersion=1.2": (_REFUSED, "vSphere's virtual TPM is version 2.0"),
    "VMClass spec.securityProfile.vtdEnabled": (_HONOURED, "flags.vvtdEnabled; vmx-14"),
    "VMClass spec.securityProfile.encryptionPolicy.**": (
        _REFUSED,
        "nestproof encrypts no VMs: a storage policy in vCenter does",
    ),
    "VMClass spec.resourceLimits.cpuLimit": (_HONOURED, "cpuAllocation.limit, in MHz"),
    "VMClass spec.resourceLimits.cpuReservation": (_HONOURED, "cpuAllocation.reservation, in MHz"),
    "VMClass spec.resourceLimits.cpuShares": (_HONOURED, "cpuAllocation.shares, level custom"),
    "VMClass spec.resourceLimits.memoryLimit": (_HONOURED, "memoryAllocation.limit, in MiB"),
    "VMClass spec.resourceLimits.memoryReservation": (_HONOURED, "memoryAllocation.reservation, in MiB"),
}

_IMAGE: dict[str, tuple[Handling, str]] = {
    "VMImage spec.source.libvirt.**": _OTHER_PROVIDER,
    "VMImage spec.source.proxmox.**": _OTHER_PROVIDER,
    "VMImage spec.source.vsphere.templateName": (_HONOURED, "the template, or the VM, that is cloned: name or path"),
    "VMImage spec.source.vsphere.providerRef.**": (_INFORMATIVE, "the VM's own provider has the template"),
    "VMImage spec.source.vsphere.ovaURL": (
        _HONOURED,
        "imported as a template, once; it goes with the last VM that was made from it",
    ),
    "VMImage spec.source.vsphere.checksum": (_HONOURED, "the OVA is refused unless it has this digest"),
    "VMImage spec.source.vsphere.checksumType": (_HONOURED, "the algorithm of the checksum"),
    "VMImage spec.source.vsphere.contentLibrary.library": (_HONOURED, "the content library of this name"),
    "VMImage spec.source.vsphere.contentLibrary.item": (
        _HONOURED,
        "deployed as a template, once; it goes with the last VM that was made from it",
    ),
    "VMImage spec.source.vsphere.contentLibrary.version": (
        _HONOURED,
        "refused unless the item has it: a library keeps the newest version only",
    ),
    "VMImage spec.source.http.url": (_HONOURED, "an OVA is imported as a template, once; another file is refused"),
    "VMImage spec.source.http.checksum": (_HONOURED, "the OVA is refused unless it has this digest"),
    "VMImage spec.source.http.checksumType": (_HONOURED, "the algorithm of the checksum"),
    "VMImage spec.source.http.headers.*": (_HONOURED, "sent with the download, to that server only"),
    "VMImage spec.source.http.authentication.**": (_HONOURED, "the download logs in, to that server only"),
    "VMImage spec.source.http.timeout": (_HONOURED, "the download is given up then; what came is kept"),
    "VMImage spec.source.registry.**": (_REFUSED, "vSphere makes VMs from templates and OVAs, not from disks"),
    "VMImage spec.source.dataVolume.**": (_UNSUPPORTED, "a volume of KubeVirt: vSphere has none"),
    "VMImage spec.prepare.validateChecksum": (_HONOURED, CHECKED),
    "VMImage spec.prepare.validateChecksum=false": (_UNSUPPORTED, CHECKED),
    "VMImage spec.prepare.storage.vsphere.datastore": (
        _HONOURED,
        "where an OVA or an item of a library is put; a template that is there already stays where it is",
    ),
    "VMImage spec.prepare.timeout": (_APPROXIMATED, "the download of an OVA is given up then; what came is kept"),
    "VMImage spec.prepare.retries": (_APPROXIMATED, "how often the download of an OVA is gone on with"),
    "VMImage spec.prepare.storage.libvirt.**": _OTHER_PROVIDER,
    "VMImage spec.prepare.**": (_UNSUPPORTED, "an image is imported once, as it is; a template is ready as it is"),
}

_VM: dict[str, tuple[Handling, str]] = {
    "VirtualMachine metadata.annotations.nestproof.org/accel": (
        _INFORMATIVE,
        "for libvirt: vSphere emulates no CPU",
    ),
    "VirtualMachine metadata.annotations.nestproof.org/cpu": (_INFORMATIVE, "for libvirt: EVC decides on vSphere"),
    "VirtualMachine spec.networks[].name": (_HONOURED, "the portgroup of this name, where no networkRef says another"),
    "VirtualMachine spec.networks[].macAddress": (_HONOURED, "addressType manual"),
    "VirtualMachine spec.networks[].**": _STATIC,
    "VirtualMachine spec.disks[].name": (_HONOURED, "an empty disk on the first SCSI controller, in this order"),
    "VirtualMachine spec.disks[].sizeGiB": (_HONOURED, "capacity of an empty disk"),
    "VirtualMachine spec.disks[].type": (_APPROXIMATED, _MEDIUM),
    "VirtualMachine spec.disks[].type=thin": (_HONOURED, "thinProvisioned"),
    "VirtualMachine spec.disks[].type=thick": (_HONOURED, "not thinProvisioned"),
    "VirtualMachine spec.disks[].type=eagerzeroedthick": (_HONOURED, "eagerlyScrub"),
    "VirtualMachine spec.disks[].**": (_UNSUPPORTED, _NOT_BUILT),
    "VirtualMachine spec.userData.cloudInit.inline": (_HONOURED, _SEED),
    "VirtualMachine spec.userData.cloudInit.secretRef.**": (_HONOURED, _SEED),
    "VirtualMachine spec.userData.ignition.**": (
        _HONOURED,
        "guestinfo.ignition.config.data; the agent is not installed with it",
    ),
    "VirtualMachine spec.metaData.cloudInit.inline": (_HONOURED, "by guestinfo, gzip+base64"),
    "VirtualMachine spec.metaData.cloudInit.secretRef.**": (_HONOURED, "by guestinfo, gzip+base64"),
    "VirtualMachine spec.placement.**": (_HONOURED, "where the clone is made; an existing VM stays where it is"),
    "VirtualMachine spec.placementRef.**": (_UNSUPPORTED, "placement policies are VirtRigaud's; use spec.placement"),
    "VirtualMachine spec.tags[]": FOR_PEOPLE,
    "VirtualMachine spec.powerState": (_HONOURED, "the VM is started or left off"),
    "VirtualMachine spec.powerState=OffGraceful": (_HONOURED, "shut down by VMware Tools, else switched off"),
    "VirtualMachine spec.resources.cpu": (_HONOURED, "numCPUs, instead of the class's"),
    "VirtualMachine spec.resources.memoryMiB": (_HONOURED, "memoryMB, instead of the class's"),
    "VirtualMachine spec.resources.gpu.**": (_REFUSED, "no device is passed through to the VM"),
}

_PROVIDER: dict[str, tuple[Handling, str]] = {
    "Provider spec.type": (_HONOURED, "vsphere"),
    "Provider spec.endpoint": (_HONOURED, "the vCenter or ESXi host; ?thumbprint= pins its certificate"),
    "Provider spec.credentialSecretRef.**": (_HONOURED, "username and password of the session, ca.crt to trust"),
    "Provider spec.insecureSkipVerify": (_HONOURED, "the certificate is not verified"),
    "Provider spec.defaults.**": (_HONOURED, "where the VM itself does not say"),
}

_NETWORK: dict[str, tuple[Handling, str]] = {
    "VMNetworkAttachment spec.network.vsphere.portgroup": (_HONOURED, "what the NIC hangs on: standard or distributed"),
    "VMNetworkAttachment spec.network.vsphere.adapterType": (_HONOURED, "the kind of the NIC"),
    "VMNetworkAttachment spec.network.vsphere.distributedSwitch.name": (
        _HONOURED,
        "tells portgroups of one name apart",
    ),
    "VMNetworkAttachment spec.network.vsphere.security.allowPromiscuous": (
        _HONOURED,
        "the portgroup is opened for VMs inside the VM: MAC learning, or promiscuous mode on older switches",
    ),
    "VMNetworkAttachment spec.network.vsphere.security.**": (
        _APPROXIMATED,
        "changed together with allowPromiscuous, otherwise the portgroup decides",
    ),
    "VMNetworkAttachment spec.network.vsphere.**": (_UNSUPPORTED, "the portgroup itself decides"),
    "VMNetworkAttachment spec.network.libvirt.**": _OTHER_PROVIDER,
    "VMNetworkAttachment spec.network.proxmox.**": _OTHER_PROVIDER,
    "VMNetworkAttachment spec.network.**": (_UNSUPPORTED, "the portgroup itself decides"),
    "VMNetworkAttachment spec.ipAllocation.staticConfig.address": _STATIC,
    "VMNetworkAttachment spec.ipAllocation.staticConfig.gateway": _STATIC,
    "VMNetworkAttachment spec.ipAllocation.dnsConfig.servers[]": _STATIC,
    "VMNetworkAttachment spec.ipAllocation.dnsConfig.searchDomains[]": _STATIC,
    "VMNetworkAttachment spec.ipAllocation.type": (_UNSUPPORTED, "addresses come from the network's DHCP"),
    "VMNetworkAttachment spec.ipAllocation.type=Static": _STATIC,
    "VMNetworkAttachment spec.ipAllocation.type=DHCP": (_HONOURED, "addresses come from the network's DHCP"),
    "VMNetworkAttachment spec.ipAllocation.**": (_UNSUPPORTED, _NOT_BUILT),
    "VMNetworkAttachment spec.security.**": (_UNSUPPORTED, "nestproof sets no network filters"),
    "VMNetworkAttachment spec.qos.**": (_UNSUPPORTED, _NOT_BUILT),
}

TABLE: Mapping[str, tuple[Handling, str]] = {
    **COMMON, **_CLASS, **_IMAGE, **_VM, **_PROVIDER, **_NETWORK
}  # fmt: skip
