"""VMClass: the shape of a VM, and whether it gets hardware virtualization of its own."""

from typing import Annotated, Literal

from msgspec import Meta, field

from provision.manifests import quantity
from provision.manifests.schemas.base import Quantity, Resource, Schema, Text253


class DiskDefaults(Schema):
    type: Literal["thin", "thick", "eagerzeroedthick", "ssd", "hdd", "nvme"] = "thin"
    size: Quantity = field(default_factory=lambda: quantity.parse("40Gi"))
    iops: Annotated[int, Meta(ge=100, le=100_000)] | None = None
    storage_class: Text253 | None = None


class PerformanceProfile(Schema):
    latency_sensitivity: Literal["low", "normal", "high"] = "normal"
    hyper_threading_policy: Literal["auto", "prefer", "avoid", "require"] = "auto"
    cpu_hot_add_enabled: bool = False
    memory_hot_add_enabled: bool = False
    virtualization_based_security: bool = False
    nested_virtualization: bool = False


class EncryptionPolicy(Schema):
    enabled: bool = False
    require_encryption: bool = False
    key_provider: Literal["standard", "hardware", "external"] | None = None


class SecurityProfile(Schema):
    secure_boot: bool = False
    tpm_enabled: bool = False
    vtd_enabled: bool = False
    tpm_version: str | int | float | None = None
    """The definition lists the numbers 1.2 and 2 for a string field: the API server refuses every value."""
    encryption_policy: EncryptionPolicy = field(default_factory=EncryptionPolicy)


class ResourceLimits(Schema):
    """CPU in MHz."""

    cpu_limit: Annotated[int, Meta(ge=100, le=100_000)] | None = None
    cpu_reservation: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    cpu_shares: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    memory_limit: Quantity | None = None
    memory_reservation: Quantity | None = None


class VMClassSpec(Schema):
    cpu: Annotated[int, Meta(ge=1, le=128)]
    memory: Quantity
    firmware: Literal["BIOS", "UEFI", "EFI"] = "BIOS"
    guest_tools_policy: Literal["install", "skip", "upgrade", "uninstall"] = "install"
    extra_config: Annotated[dict[str, str], Meta(max_length=50)] = field(default_factory=dict)
    disk_defaults: DiskDefaults = field(default_factory=DiskDefaults)
    performance_profile: PerformanceProfile = field(default_factory=PerformanceProfile)
    security_profile: SecurityProfile = field(default_factory=SecurityProfile)
    resource_limits: ResourceLimits = field(default_factory=ResourceLimits)


class VMClass(Resource, kw_only=True):
    spec: VMClassSpec
