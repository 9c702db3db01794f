"""One wanted VM with everything resolved."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from provision.guarded import Guarded
from provision.model.account import SetField
from provision.model.image import ImageSpec
from provision.model.network import NetworkSpec
from provision.model.origin import Origin
from provision.model.reach import Placement, ProviderSpec


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


class Limits(msgspec.Struct, frozen=True):
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


class Collector(Guarded, frozen=True):
    """Where a VM's agent also sends its reports by HTTPS (annotation `nestproof.org/collector` of a VirtualMachine)."""

    kept_back = frozenset({"token", "ca"})

    url: str
    """`https://HOST[:PORT]/report`."""
    token: str = ""
    """Of this one VM; empty until it is enrolled."""
    ca: str | None = None
    """PEM of the only authority to trust; None: the system's."""


class Gpus(msgspec.Struct, frozen=True):
    """Graphics processors passed through to a VM."""

    count: int
    type: str | None = None


class VmSpec(Guarded, frozen=True):
    """One wanted VM with everything resolved. Sizes: MiB for memory, GiB for disk."""

    kept_back = frozenset({"user_data", "meta_data", "origins", "fields", "ignition"})

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
    networks: tuple[NetworkSpec, ...]
    """Empty: user-mode networking on libvirt, the template's own NICs elsewhere."""
    origins: Mapping[str, Origin]
    """Where each field stands, by the dotted names of FieldAccount.path; `vm` is the document itself. Fields that the
    user left out stand where they would go: at the nearest mapping around them that exists."""
    fields: tuple[SetField, ...] = ()
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
    limits: Limits = msgspec.field(default_factory=Limits)
    disks: tuple[ExtraDisk, ...] = ()
    """Besides the disk of the image."""
    tags: tuple[str, ...] = ()
    placement: Placement = msgspec.field(default_factory=Placement)
    """The VM's own over the provider's defaults."""
    ignition: str | None = None
    """Ignition configuration (JSON), untouched; then there is no user_data."""
    extra_config: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The class's keys of the provider's own configuration, such as VMX keys on vSphere."""
    gpus: Gpus | None = None
    collector: Collector | None = None
    disk_iops: int | None = None
    storage_class: str | None = None
    """Of the image's disk: a vSphere storage policy."""
    encrypted: bool = False
    cpu: CpuPolicy = CpuPolicy.HOST_MODEL

    @property
    def key(self) -> str:
        """`namespace/name`, the identity that everything is idempotent on."""
        return f"{self.namespace}/{self.name}"
