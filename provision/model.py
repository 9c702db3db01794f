"""What a user asked for, resolved and typed: the wanted VM, its image, its provider, and where each value stands.

Manifests are read by `provision.manifests`; providers read only these classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Origin:
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


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest to hold a downloaded or local image against."""

    algorithm: str
    """md5, sha1, sha256 or sha512."""
    digest: str
    """Lower-case hexadecimal."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The image that a VM's disk starts from: exactly one of path, url and template."""

    name: str
    path: Path | None
    url: str | None = field(repr=False)
    """May carry a password."""
    format: str
    checksum: Checksum | None
    origin: Origin
    template: str | None = None
    """The name or number of a vSphere or Proxmox template; then there is neither path nor url."""


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """How to reach the hypervisor."""

    name: str
    type: str
    """libvirt, vsphere or proxmox."""
    endpoint: str
    origin: Origin | None
    """None when the endpoint came from the command line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a VM takes from its host: CPU in MHz, memory in MiB, shares as a relative weight."""

    cpu_limit: int | None = None
    cpu_reservation: int | None = None
    cpu_shares: int | None = None
    memory_limit_mib: int | None = None
    memory_reservation_mib: int | None = None


@dataclass(frozen=True, slots=True)
class ExtraDisk:
    """An empty disk beside the one of the image."""

    name: str
    size_gib: int
    type: str


@dataclass(frozen=True, slots=True)
class SetField:
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
    networks: tuple[str, ...]
    """Names of the libvirt networks asked for; empty: user-mode networking."""
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


@dataclass(frozen=True, slots=True)
class FieldAccount:
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

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{self.origin}: {self.severity}: {path}{self.message}{rule}"
