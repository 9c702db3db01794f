"""The rules of meaning: what is wrong or doubtful in manifests whose every field is valid.

Each has a stable id, a severity, the reason, and what to change. Sources: facts measured on libvirt 9.0 and QEMU 7.2,
VMware's API reference (vim.vm.ConfigSpec), VirtRigaud v0.3.11.
"""

import msgspec

from provision.model import Origin, Problem, Severity

_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


class Rule(msgspec.Struct, frozen=True):
    """One rule; `why` and `change` complete a sentence that begins with what was found."""

    id: str
    severity: Severity
    why: str
    change: str

    def broken(self, origin: Origin, path: str, what: str) -> Problem:
        return Problem(origin, self.severity, path, f"{what}: {self.why}; {self.change}", self.id)


VBS_SECURE_BOOT = Rule(
    "vbs-needs-secure-boot",
    _ERROR,
    "virtualization-based security needs Secure Boot, and vSphere refuses to create such a VM",
    "set securityProfile.secureBoot: true, or turn virtualizationBasedSecurity off",
)
VBS_UEFI = Rule(
    "vbs-needs-uefi",
    _ERROR,
    "virtualization-based security needs UEFI firmware",
    "set firmware: UEFI, or turn virtualizationBasedSecurity off",
)
VBS_NESTED = Rule(
    "vbs-needs-nested",
    _ERROR,
    "virtualization-based security runs Windows under a hypervisor of its own",
    "set performanceProfile.nestedVirtualization: true, or turn virtualizationBasedSecurity off",
)
VBS_VTD = Rule(
    "vbs-needs-vtd",
    _WARNING,
    "vSphere refuses VBS with the IOMMU switched off, and elsewhere Windows goes without DMA protection",
    "set securityProfile.vtdEnabled: true",
)
SECURE_BOOT_UEFI = Rule(
    "secure-boot-needs-uefi", _ERROR, "a BIOS has no Secure Boot", "set firmware: UEFI, or turn secureBoot off"
)
FIRMWARE_EFI = Rule(
    "firmware-efi",
    _WARNING,
    "VirtRigaud's vSphere provider takes only the spelling UEFI and makes a BIOS machine of EFI",
    "write firmware: UEFI",
)
TPM_VERSION = Rule(
    "tpm-version",
    _WARNING,
    "the custom resource definition lists numbers for a string field, so kubectl refuses every value",
    "remove tpmVersion if the manifest must pass kubectl; nestproof reads it",
)
TPM_VERSION_UNKNOWN = Rule("tpm-version-unknown", _ERROR, "there are only TPM 1.2 and 2.0", 'set tpmVersion: "2.0"')
TPM_VERSION_UNUSED = Rule(
    "tpm-version-unused", _WARNING, "without tpmEnabled there is no TPM", "set tpmEnabled: true, or remove tpmVersion"
)
LATENCY_LOW = Rule(
    "latency-low",
    _WARNING,
    "the scale is how sensitive the VM is, high > normal > low: low makes it slower, not faster",
    "remove it, or set high together with full CPU and memory reservations",
)
NESTED_HOT_ADD = Rule(
    "nested-with-cpu-hot-add",
    _WARNING,
    "VirtRigaud drops CPU hot-add in silence where nested virtualization is on",
    "choose one of the two",
)
NESTED_NOT_ASKED = Rule(
    "nested-not-asked",
    _WARNING,
    "without nested virtualization its VMs do not start, or are emulated and slow",
    "set performanceProfile.nestedVirtualization: true in its class",
)
NESTED_GPU = Rule(
    "nested-with-gpu",
    _ERROR,
    "vSphere refuses nested virtualization in a VM with a PCI passthrough device (Broadcom KB 437651)",
    "take a class without nestedVirtualization, or remove resources.gpu",
)
NESTED_CPU = Rule(
    "nested-cpu-size",
    _NOTE,
    "nested VMs share them; 4 are the least, 8 or more recommended",
    "raise cpu if guests run slow",
)
NESTED_MEMORY = Rule(
    "nested-memory-size",
    _NOTE,
    "nested VMs live in it; 8Gi are the least, 16Gi or more recommended",
    "raise memory before running real guests",
)
EXTRA_CONFIG = Rule(
    "extra-config-ignored",
    _WARNING,
    "vSphere ignores in silence what has a field of its own in its API, and VirtRigaud drops the key before that",
    "use the fields of performanceProfile and securityProfile",
)
LIMIT_BELOW = Rule(
    "limit-below-reservation", _ERROR, "a reservation above its limit cannot be met", "lower it, or raise the limit"
)
LIMIT_BELOW_MEMORY = Rule(
    "limit-below-memory",
    _WARNING,
    "the host swaps what is above the limit, and VMs in it stand still",
    "raise memoryLimit to memory, or leave it out",
)
RESERVATION_ABOVE = Rule(
    "reservation-above-memory", _ERROR, "a VM cannot reserve memory that it does not have", "lower memoryReservation"
)
UNIT_FORGOTTEN = Rule(
    "unit-forgotten",
    _ERROR,
    "a number without a unit counts bytes, and m is a thousandth",
    "add the unit that is meant, such as Mi or Gi",
)
NOT_POSITIVE = Rule("size-not-positive", _ERROR, "no machine is that small", "give the size wanted")
ROUNDED = Rule("size-rounded", _NOTE, "hypervisors take whole units", "write the rounded size to silence this")
IMAGE_SOURCE = Rule(
    "image-wrong-provider",
    _ERROR,
    "each provider starts from its own part of spec.source",
    "add that part to the VMImage, or refer to another image",
)
IMAGE_ARCHITECTURE = Rule(
    "image-architecture",
    _ERROR,
    "nestproof makes x86_64 VMs, and such an image does not boot in one",
    "take an amd64 image",
)
IMAGE_EMPTY = Rule(
    "image-empty",
    _ERROR,
    "no provider has anything to start from",
    "set one, such as libvirt.url or vsphere.templateName",
)
IMAGE_FORMAT = Rule(
    "image-format",
    _ERROR,
    "disks are made from qcow2 and raw, and images are not converted",
    "take the image in one of these, or convert it before: qemu-img convert -O qcow2",
)
IMAGE_TWO_WAYS = Rule(
    "image-two-ways", _WARNING, "only one of them can be the image, and the other is not looked at", "remove that one"
)
IMAGE_AMBIGUOUS = Rule("image-ambiguous", _ERROR, "only one of them can be the image", "remove path or url")
CHECKSUM = Rule("checksum", _ERROR, "no image can match it", "take the digest of the file from its publisher's list")
CHECKSUM_SHAPE = Rule(
    "checksum-shape",
    _WARNING,
    "nestproof understands it, but VirtRigaud compares the whole text with the bare digest and never finds them equal",
    "write only the hexadecimal digits and set checksumType",
)
ROLLING_IMAGE = Rule(
    "rolling-image-checksum",
    _WARNING,
    "the publisher replaces the file behind such a URL, and then the pinned checksum fails",
    "pin the URL of a dated release",
)
UNVERIFIED_IMAGE = Rule(
    "image-unverified", _NOTE, "whoever controls the way to it controls the VM", "add checksum and checksumType"
)
URL_PASSWORD = Rule(
    "password-in-url", _WARNING, "everybody who reads the manifest reads the password", "move it to a Secret"
)
LOGIN_IN_HEADERS = Rule(
    "login-in-headers",
    _WARNING,
    "everybody who reads the manifest can log in with it",
    "move it to a Secret that authentication names",
)
LOGIN_TWICE = Rule(
    "login-twice", _WARNING, "a request has one Authorization, and the other is not sent", "keep the one that is meant"
)
KUBECTL_REQUIRED = Rule(
    "kubectl-required",
    _NOTE,
    "kubectl would refuse this Provider, nestproof does without",
    "add it if VirtRigaud is to use the manifest",
)
KUBECTL_ENDPOINT = Rule(
    "kubectl-endpoint",
    _WARNING,
    "kubectl would refuse it, nestproof takes what libvirt takes",
    "use a qemu, http(s), tcp or grpc URL if VirtRigaud is to use the manifest",
)
ENDPOINT_TYPE = Rule(
    "endpoint-type",
    _ERROR,
    "the two do not fit",
    "libvirt takes URIs such as qemu:///system; vsphere and proxmox take https://host",
)
PROVIDER_TYPE = Rule(
    "provider-type", _ERROR, "nestproof drives libvirt, vsphere and proxmox", "change the provider's type"
)
INSECURE_TLS = Rule(
    "insecure-tls", _WARNING, "anybody between can read the credentials", "trust the server's CA instead"
)
NOT_FOUND = Rule("reference", _ERROR, "no document given has this name there", "add its file, or correct the name")
PROVIDER_FROM_ENVIRONMENT = Rule(
    "provider-from-environment",
    _WARNING,
    "no Provider was given at all, so LIBVIRT_DEFAULT_URI says where, as it does for virsh",
    "add the Provider's file, or name the endpoint with --connect",
)
OTHER_NAMESPACE = Rule(
    "reference-namespace", _ERROR, "a reference without namespace looks in the VM's own", "add the namespace"
)
SECRET_KEY = Rule(
    "secret-key", _ERROR, "a value is looked for by its key", "rename the key, or name the Secret that has it"
)
NO_IMAGE = Rule("no-image", _ERROR, "the VM has no disk to start from", "add imageRef")
IMPORTED_DISK = Rule(
    "imported-disk", _ERROR, "nestproof starts VMs from images only", "use imageRef with a VMImage of that disk"
)
NO_NETWORKS = Rule(
    "no-networks",
    _NOTE,
    "libvirt gives the VM user-mode networking: it reaches out, nothing reaches it",
    "add networks if others must reach it; the report needs none",
)
STATIC_CONFIG = Rule(
    "static-config",
    _WARNING,
    "a NIC has an address of its own only where both say so, and else takes one by DHCP",
    "set type: Static and staticConfig, or neither",
)
GATEWAY_OUTSIDE = Rule(
    "gateway-outside",
    _WARNING,
    "the guest has no way to it, and reaches nothing beyond its own network",
    "correct the gateway, the address or its prefix",
)
ADDRESS_TWICE = Rule(
    "address-twice",
    _WARNING,
    "two machines with one address on one network cut each other off",
    "give each its own, or leave it out: a MAC is then the hypervisor's choice, an IP address that of DHCP",
)
DNS_ADDRESS = Rule(
    "dns-address",
    _WARNING,
    "a guest takes none of its network configuration when one address in it is none",
    "write the addresses of the servers, not their names, with commas between",
)
MAC_GROUP = Rule(
    "mac-of-a-group",
    _ERROR,
    "an odd first byte is that of a multicast address, and no hypervisor gives a NIC such a one",
    "use an even first byte, or leave macAddress out",
)
DISK_TWICE = Rule(
    "disk-name-twice",
    _ERROR,
    "a disk is told from the others of its VM by its name",
    "give each disk a name of its own",
)
NETWORK_BRIDGE = Rule(
    "network-without-name",
    _ERROR,
    "each provider attaches NICs by its own part of spec.network",
    "add that part to the VMNetworkAttachment",
)
ACCEL = Rule(
    "accel", _ERROR, "the accelerators are kvm, tcg and auto", "correct the annotation or remove it: kvm is the default"
)
CPU = Rule(
    "cpu",
    _ERROR,
    "the CPUs to show a guest are host-model and host-passthrough",
    "correct the annotation or remove it: host-model is the default",
)
COLLECTOR = Rule(
    "collector",
    _ERROR,
    "a report travels with the VM's token, so only by HTTPS, to the host that is named",
    "write nestproof.org/collector: https://HOST[:PORT]",
)
ANNOTATION = Rule(
    "unknown-annotation",
    _WARNING,
    "nestproof reads only nestproof.org/accel, nestproof.org/cpu and nestproof.org/collector, on VirtualMachine",
    "correct or remove it",
)
USERDATA_TWICE = Rule("userdata-twice", _ERROR, "only one text can be handed over", "keep inline or secretRef")
USERDATA_HEADER = Rule(
    "userdata-header",
    _ERROR,
    "cloud-init ignores user-data whose first line does not say what it is",
    "begin with #cloud-config (or #!, #include, ## template: jinja, or a MIME message)",
)
USERDATA_YAML = Rule(
    "userdata-yaml", _ERROR, "cloud-init ignores a cloud-config that it cannot read, whole", "correct the line"
)
USERDATA_KEY = Rule(
    "userdata-key", _WARNING, "cloud-init passes over a key that it does not know, in silence", "correct its name"
)
GUEST_PASSWORD = Rule(
    "guest-password",
    _WARNING,
    "whoever reads the manifest, the seed or the guest's cloud-init files can log in",
    "use ssh_authorized_keys, or hashed_passwd in user-data that a secretRef names",
)
GUEST_PASSWORD_LOGIN = Rule(
    "guest-password-login",
    _WARNING,
    "passwords can then be tried by SSH, on a VM that can run others",
    "leave it out, and log in with keys",
)
GUEST_DEFAULT_USER = Rule(
    "guest-default-user",
    _NOTE,
    "the name is the first that anybody tries who wants to get in, and what runs as it may do everything",
    "choose another name, and narrow its sudo rule",
)
NESTED_ISOLATION = Rule(
    "nested-isolation",
    _NOTE,
    "its own VMs add attack surface, and on a shared network they stand beside other machines",
    "give it a network of its own (VMNetworkAttachment spec.network.type: isolated or nat), or filter it",
)
NESTED_LIMITS = Rule(
    "nested-limits",
    _NOTE,
    "all that its own VMs do counts as this one's load, and its neighbours have to wait for it",
    "set resourceLimits.cpuLimit or cpuShares",
)
SECRET_VALUE = Rule("secret-value", _ERROR, "it cannot be handed to the guest", "encode it again, or use stringData")
IGNITION = Rule(
    "ignition",
    _ERROR,
    "a guest with Ignition refuses to boot with a config that it cannot read",
    "give Ignition JSON of version 3; translate Butane's YAML with butane",
)
IGNITION_REPLACED = Rule(
    "ignition-replaced",
    _WARNING,
    "the guest throws away this config for the one that is named there, and with it the agent, so no proof comes",
    "use ignition.config.merge",
)
IGNITION_TWICE = Rule(
    "ignition-with-cloud-init",
    _ERROR,
    "an image is configured by Ignition or by cloud-init, never by both",
    "keep the one that the image has",
)
NO_CREDENTIALS = Rule(
    "no-credentials",
    _NOTE,
    "the Secret is neither among the files nor in the environment, which is all that nestproof reads",
    "add the Secret's file, or set GOVC_USERNAME and GOVC_PASSWORD, or PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET",
)
CA_UNREADABLE = Rule(
    "ca-unreadable", _ERROR, "the server's certificate could not be verified", "correct the path in that variable"
)
STATIC_PREFIX = Rule(
    "static-address-prefix",
    _WARNING,
    "a prefix of 24 is assumed, and a wrong one cuts the VM off",
    "set prefix beside ipAddress",
)
GUEST_NESTED_PARAMETER = Rule(
    "guest-nested-parameter",
    _NOTE,
    "inside a guest this answers for the next level (may its guests nest?), and does nothing once the module is loaded",
    "remove it: the host's parameter and the VM's CPU decide",
)
GUEST_CPU_FLAGS = Rule(
    "guest-cpu-flags",
    _NOTE,
    "a flag is no proof that a guest runs, and KVM can work without it",
    "rely on nestproof's report, which runs one",
)
GUEST_DEVICE = Rule(
    "guest-device-listing",
    _NOTE,
    "the node can exist and refuse to open, or open and refuse to run",
    "rely on nestproof's report, which runs a guest",
)
PLACEHOLDER_KEY = Rule(
    "ssh-key-invalid", _WARNING, "sshd will refuse it, and nobody can log in", "paste the whole public key"
)

RULES: dict[str, Rule] = {rule.id: rule for rule in list(globals().values()) if isinstance(rule, Rule)}
"""Every rule by its id."""
