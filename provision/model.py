"""What a user asked for, resolved and typed: the wanted VM, its image, its provider, and where each value stands.

Manifests are read by `provision.manifests`; providers read only these classes. They are msgspec structs, which cost
nothing to define, but for those whose `repr` has something to keep back and those that are changed in copies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path

import msgspec


class Origin(msgspec.Struct, frozen=True, order=True):
    """The place of a value in the user's files; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Firmware(StrEnum):
    BIOS = "BIOS"
    UEFI = "UEFI"


class AccelPolicy(StrEnum):
    """Which accelerator the user accepts (annotation `nestproof.org/accel` of a VirtualMachine).

    KVM is the default: a VM under QEMU's emulator is no answer to somebody who runs production hosts. AUTO takes KVM
    where it can give the VM what it asks for and says aloud when it cannot and emulates instead.
    """

    KVM = "kvm"
    TCG = "tcg"
    AUTO = "auto"


class CpuPolicy(StrEnum):
    """Which CPU a guest under KVM is shown (annotation `nestproof.org/cpu` of a VirtualMachine).

    HOST_MODEL is the default: a libvirt that cannot give the CPU then refuses to start the VM. HOST_PASSTHROUGH shows
    the host's own, which may nest faster and starts even where the feature is missing.
    """

    HOST_MODEL = "host-model"
    HOST_PASSTHROUGH = "host-passthrough"


class Checksum(msgspec.Struct, frozen=True):
    """A digest to hold a downloaded or local image against."""

    algorithm: str
    """md5, sha1, sha256 or sha512."""
    digest: str
    """Lower-case hexadecimal."""


class LibraryItem(msgspec.Struct, frozen=True):
    """An item of a vSphere content library; without a version the newest."""

    library: str
    item: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The image that a VM's disk starts from: exactly one of path, url, template, template_id and library_item."""

    name: str
    path: Path | None
    url: str | None = field(repr=False)
    """A disk to download; for vSphere an OVA or OVF. May carry a password."""
    format: str
    """Of the disk behind path or url; empty for a template and for an OVA."""
    checksum: Checksum | None
    origin: Origin
    template: str | None = None
    """The name of a vSphere or Proxmox template."""
    template_id: int | None = None
    """The number of a Proxmox template."""
    library_item: LibraryItem | None = None
    """vSphere."""
    storage: str | None = None
    """Where the image is kept at the provider: a libvirt storage pool, a vSphere datastore, a Proxmox storage."""
    node: str | None = None
    """The Proxmox node that has the template or is to import the image."""
    full_clone: bool = True
    """Proxmox: a copy of the template, not a clone linked to it."""
    request: "HttpRequest | None" = field(default=None, repr=False)
    """What a download needs besides its URL."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Headers and credentials of a download; all of it may be secret."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    """Bearer token."""
    certificate: str | None = field(default=None, repr=False)
    """PEM of a client certificate."""
    private_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a provider logs in with; whatever was not given is None. `repr` tells only where it came from."""

    source: str
    """For people: `Secret default/vcenter` or `environment (GOVC_USERNAME, GOVC_PASSWORD)`."""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token_id: str | None = field(default=None, repr=False)
    """Proxmox: `user@realm!name`."""
    token_secret: str | None = field(default=None, repr=False)
    ssh_private_key: str | None = field(default=None, repr=False)
    known_hosts: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where at the provider a VM goes, each by name; None: the provider decides, or the only one there is."""

    datacenter: str | None = None
    """vSphere."""
    cluster: str | None = None
    host: str | None = None
    """A vSphere host or a Proxmox node."""
    datastore: str | None = None
    """A vSphere datastore, a Proxmox storage, a libvirt storage pool."""
    storage_pod: str | None = None
    """vSphere: a cluster of datastores."""
    folder: str | None = None
    resource_pool: str | None = None
    """A vSphere resource pool, a Proxmox pool."""

    def over(self, other: "Placement") -> "Placement":
        """This one, and what it leaves open from `other`."""
        return Placement(*(getattr(self, f.name) or getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """How to reach the hypervisor."""

    name: str
    type: str
    """libvirt, vsphere or proxmox."""
    endpoint: str
    """As it was written; from the command line also `vsphere://host` or `proxmox://host`."""
    origin: Origin | None
    """None when the endpoint came from the command line."""
    credentials: Credentials | None = None
    """None when neither a Secret nor the environment gives any."""
    insecure: bool = False
    """Do not verify the server's certificate."""
    ca: str | None = field(default=None, repr=False)
    """PEM of the certificates to trust instead of the system's."""
    defaults: Placement = Placement()
    """Already part of every VM's own placement."""


class NetworkKind(StrEnum):
    """What the source of a network is."""

    NETWORK = "network"
    """A libvirt network."""
    BRIDGE = "bridge"
    """A bridge of the host: libvirt or Proxmox."""
    PORTGROUP = "portgroup"
    """vSphere: standard or distributed."""


class GuestAddress(msgspec.Struct, frozen=True):
    """A static IPv4 address, for the guest's own network configuration; the NIC is found by its MAC."""

    address: str
    """With its prefix: 192.0.2.10/24."""
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One NIC and what it hangs on, resolved for the VM's provider."""

    name: str
    """As the VirtualMachine calls it."""
    source: str
    kind: NetworkKind
    origin: Origin
    model: str | None = None
    """virtio, e1000, vmxnet3, ...; None: the provider's best."""
    mac: str | None = None
    """Lower case, with colons; None: the hypervisor's choice."""
    vlan: int | None = None
    """Proxmox: the tag of the NIC. vSphere: what the portgroup is expected to have."""
    mtu: int | None = None
    switch: str | None = None
    """vSphere: the distributed switch of the portgroup."""
    firewall: bool = False
    """Proxmox."""
    rate_limit_mbs: int | None = None
    """Proxmox: MB/s."""
    queues: int | None = None
    """libvirt: queues of a virtio NIC."""
    filter: str | None = None
    """libvirt: the name of an nwfilter."""
    promiscuous: bool = False
    """vSphere: the portgroup has to allow promiscuous mode, as VMs bridged out of this VM need."""
    address: GuestAddress | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a VM takes from its host: CPU in MHz, memory in MiB, shares as a relative weight."""

    cpu_limit: int | None = None
    cpu_reservation: int | None = None
    cpu_shares: int | None = None
    memory_limit_mib: int | None = None
    memory_reservation_mib: int | None = None


class ExtraDisk(msgspec.Struct, frozen=True):
    """An empty disk beside the one of the image."""

    name: str
    size_gib: int
    type: str
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Collector:
    """Where a VM's agent also sends its reports by HTTPS (annotation `nestproof.org/collector` of a VirtualMachine)."""

    url: str
    """`https://HOST[:PORT]/report`."""
    token: str = field(default="", repr=False)
    """Of this one VM; empty until it is enrolled."""
    ca: str | None = field(default=None, repr=False)
    """PEM of the only authority to trust; None: the system's."""


class Gpus(msgspec.Struct, frozen=True):
    """Graphics processors passed through to a VM."""

    count: int
    type: str | None = None


class SetField(msgspec.Struct, frozen=True):
    """One leaf field that the user set in a document that concerns a VM."""

    path: str
    """Kind and dotted path, such as `VirtualMachine spec.networks[0].name`."""
    schema: str
    """The same with every index and free key left open: `VirtualMachine spec.networks[].name`."""
    value: str
    """For people: shortened, safe to print, hidden where it may be a secret."""
    is_default: bool
    """It asks for nothing that leaving it out would not give."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class VmSpec:
    """One wanted VM with everything resolved. Sizes: MiB for memory, GiB for disk."""

    namespace: str
    name: str
    provider: ProviderSpec
    image: ImageSpec
    cpus: int
    memory_mib: int
    disk_gib: int
    firmware: Firmware
    nested: bool
    secure_boot: bool
    power_on: bool
    accel: AccelPolicy
    user_data: str | None = field(repr=False)
    """The user's cloud-init user-data, untouched."""
    meta_data: str | None = field(repr=False)
    networks: tuple[NetworkSpec, ...]
    """Empty: user-mode networking on libvirt, the template's own NICs elsewhere."""
    origins: Mapping[str, Origin] = field(repr=False)
    """Where each field stands, by the dotted names of FieldAccount.path; `vm` is the document itself. Fields that the
    user left out stand where they would go: at the nearest mapping around them that exists."""
    fields: tuple[SetField, ...] = field(default=(), repr=False)
    """Every field that the user set in the documents of this VM."""
    disk_type: str = "thin"
    vbs: bool = False
    tpm: bool = False
    tpm_version: str = "2.0"
    vtd: bool = False
    cpu_hot_add: bool = False
    memory_hot_add: bool = False
    latency_sensitivity: str = "normal"
    hyper_threading: str = "auto"
    limits: Limits = Limits()
    disks: tuple[ExtraDisk, ...] = ()
    """Besides the disk of the image."""
    tags: tuple[str, ...] = ()
    placement: Placement = Placement()
    """The VM's own over the provider's defaults."""
    ignition: str | None = field(default=None, repr=False)
    """Ignition configuration (JSON), untouched; then there is no user_data."""
    extra_config: Mapping[str, str] = field(default_factory=dict)
    """The class's keys of the provider's own configuration, such as VMX keys on vSphere."""
    gpus: Gpus | None = None
    collector: Collector | None = None
    disk_iops: int | None = None
    storage_class: str | None = None
    """Of the image's disk: a vSphere storage policy."""
    encrypted: bool = False
    cpu: CpuPolicy = CpuPolicy.HOST_MODEL
    graceful_off: bool = False
    """Not power_on: shut the guest down rather than cut its power."""

    @property
    def key(self) -> str:
        """`namespace/name`, the identity that everything is idempotent on."""
        return f"{self.namespace}/{self.name}"


class Handling(StrEnum):
    """What becomes of one field of a manifest on one provider."""

    HONOURED = "honoured"
    APPROXIMATED = "approximated"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    INFORMATIVE = "informative"
    """Asks nothing of this provider: a description for people, a part for another provider or for Kubernetes."""


class FieldAccount(msgspec.Struct, frozen=True):
    """The account of one field that the user set: what this provider does with it, and why."""

    path: str
    """Kind and dotted path, such as `VMClass spec.performanceProfile.nestedVirtualization`."""
    value: str
    handling: Handling
    how: str
    origin: Origin


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    """Advice: nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or doubtful in the manifests, at its place. Only errors stop an apply."""

    origin: Origin
    severity: Severity
    path: str
    message: str
    rule: str = ""
    """Stable id of the rule, such as `vbs-needs-secure-boot`."""
    waived: str = ""
    """Why it is put up with, and by whom until when; empty: it is not."""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        rule = f" [{self.rule}]" if self.rule else ""
        waived = f" ({self.waived})" if self.waived else ""
        return f"{self.origin}: {'waived' if self.waived else self.severity}: {path}{self.message}{rule}{waived}"
