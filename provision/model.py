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
    """The image that a VM's disk starts from: exactly one of path and url."""

    name: str
    path: Path | None
    url: str | None
    format: str
    checksum: Checksum | None
    origin: Origin


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
    user_data: str | None
    """The user's cloud-init user-data, untouched."""
    meta_data: str | None
    networks: tuple[str, ...]
    """Names of the libvirt networks asked for; empty: user-mode networking."""
    origins: Mapping[str, Origin] = field(repr=False)
    """Where each field stands, by the dotted names of FieldAccount.path; `vm` is the document itself."""

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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or doubtful in the manifests, at its place. Errors stop an apply, warnings do not."""

    origin: Origin
    severity: Severity
    path: str
    message: str
    rule: str = ""
    """Stable id of the rule, such as `vbs-needs-secure-boot`."""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.origin}: {self.severity}: {path}{self.message}"
