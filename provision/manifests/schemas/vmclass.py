"""VMClass: the shape of a VM, and whether it gets hardware virtualization of its own."""

from typing import Annotated, Literal

from pydantic import Field

from provision.manifests import quantity
from provision.manifests.schemas.base import Bool, Quantity, Resource, Schema, Text253


class DiskDefaults(Schema):
    type: Literal["thin", "thick", "eagerzeroedthick", "ssd", "hdd", "nvme"] = "thin"
    size: Quantity = quantity.parse("40Gi")
    iops: Annotated[int, Field(ge=100, le=100_000)] | None = None
    storage_class: Text253 | None = None


class PerformanceProfile(Schema):
    latency_sensitivity: Literal["low", "normal", "high"] = "normal"
    hyper_threading_policy: Literal["auto", "prefer", "avoid", "require"] = "auto"
    cpu_hot_add_enabled: Bool = False
    memory_hot_add_enabled: Bool = False
    virtualization_based_security: Bool = False
    nested_virtualization: Bool = False


class EncryptionPolicy(Schema):
    enabled: Bool = False
    require_encryption: Bool = False
    key_provider: Literal["standard", "hardware", "external"] | None = None


class SecurityProfile(Schema):
    secure_boot: Bool = False
    tpm_enabled: Bool = False
    vtd_enabled: Bool = False
    tpm_version: str | int | float | None = None
    """The definition lists the numbers 1.2 and 2 for a string field: the API server refuses every value."""
    encryption_policy: EncryptionPolicy = EncryptionPolicy()


class ResourceLimits(Schema):
    """CPU in MHz."""

    cpu_limit: Annotated[int, Field(ge=100, le=100_000)] | None = None
    cpu_reservation: Annotated[int, Field(ge=0, le=100_000)] | None = None
    cpu_shares: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    memory_limit: Quantity | None = None
    memory_reservation: Quantity | None = None


class VMClassSpec(Schema):
    cpu: Annotated[int, Field(ge=1, le=128)]
    memory: Quantity
    firmware: Literal["BIOS", "UEFI", "EFI"] = "BIOS"
    guest_tools_policy: Literal["install", "skip", "upgrade", "uninstall"] = "install"
    extra_config: Annotated[dict[str, str], Field(max_length=50)] = Field(default={})
    disk_defaults: DiskDefaults = DiskDefaults()
    performance_profile: PerformanceProfile = PerformanceProfile()
    security_profile: SecurityProfile = SecurityProfile()
    resource_limits: ResourceLimits = ResourceLimits()


class VMClass(Resource):
    spec: VMClassSpec
