"""VirtualMachine: one wanted VM, its references, and what it adds to its class."""

from typing import Annotated, Literal

from msgspec import Meta, field

from provision.manifests.schemas.base import (
    PATTERN_WORDS,
    Duration,
    Ipv4,
    Label,
    LocalRef,
    Ref,
    Resource,
    Schema,
)

MAC = r"^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$"
GPU_TYPE = r"^[a-zA-Z0-9-_]+$"

PATTERN_WORDS.update(
    {
        MAC: "expected a MAC address such as 52:54:00:12:34:56",
        GPU_TYPE: "expected letters, digits, dashes and underscores",
    }
)


class ImportedDisk(Schema):
    disk_id: Annotated[str, Meta(min_length=1, max_length=253)] = field(name="diskID")
    path: str | None = None
    format: Literal["qcow2", "vmdk", "raw", "vdi", "vhdx"] = "qcow2"
    source: Literal["migration", "clone", "import", "snapshot", "manual"] | None = None
    migration_ref: LocalRef | None = None
    size_gib: Annotated[int, Meta(ge=1)] | None = field(default=None, name="sizeGiB")


class Network(Schema):
    name: Label
    network_ref: Ref | None = None
    ip_address: Ipv4 | None = None
    prefix: Annotated[int, Meta(ge=1, le=32)] | None = None
    gateway: Ipv4 | None = None
    dns: str | None = None
    mac_address: Annotated[str, Meta(pattern=MAC)] | None = None


class Scsi(Schema):
    controller: Annotated[int, Meta(ge=0, le=3)] | None = None
    shared_bus: Literal["noSharing", "virtualSharing", "physicalSharing"] = "noSharing"
    controller_type: Literal["lsilogic", "buslogic", "lsilogic-sas", "pvscsi"] = "pvscsi"


class Disk(Schema):
    name: Label
    size_gib: Annotated[int, Meta(ge=1, le=65_536)] = field(name="sizeGiB")
    type: Literal["thin", "thick", "eagerzeroedthick", "ssd", "hdd"] = "thin"
    expand_policy: Literal["Online", "Offline"] = "Offline"
    storage_class: str | None = None
    scsi: Scsi | None = None


class InlineOrSecret(Schema):
    """A text in the manifest or in a Secret of the same namespace."""

    inline: str | None = None
    secret_ref: LocalRef | None = None


class UserData(Schema):
    cloud_init: InlineOrSecret | None = None
    ignition: InlineOrSecret | None = None


class MetaData(Schema):
    cloud_init: InlineOrSecret | None = None


class Placement(Schema):
    cluster: str | None = None
    host: str | None = None
    datastore: str | None = None
    storage_pod: str | None = None
    folder: str | None = None
    resource_pool: str | None = None


class Gpu(Schema):
    count: Annotated[int, Meta(ge=1, le=8)]
    type: Annotated[str, Meta(pattern=GPU_TYPE)] | None = None
    memory: Annotated[int, Meta(ge=512)] | None = None


class Resources(Schema):
    cpu: Annotated[int, Meta(ge=1, le=128)] | None = None
    memory_mib: Annotated[int, Meta(ge=128, le=1_048_576)] | None = field(default=None, name="memoryMiB")
    gpu: Gpu | None = None


class Snapshot(Schema):
    revert_to_ref: LocalRef | None = None


class ExecAction(Schema):
    command: Annotated[list[str], Meta(min_length=1)]


class HttpGetAction(Schema):
    port: Annotated[int, Meta(ge=1, le=65_535)]
    host: str | None = None
    path: str | None = None
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"


class SnapshotAction(Schema):
    name: str
    description: str | None = None
    include_memory: bool | None = None


class Hook(Schema):
    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    snapshot: SnapshotAction | None = None


class Lifecycle(Schema):
    pre_stop: Hook | None = None
    post_start: Hook | None = None
    graceful_shutdown_timeout: Duration = "60s"


class VirtualMachineSpec(Schema):
    provider_ref: Ref
    class_ref: Ref
    image_ref: Ref | None = None
    imported_disk: ImportedDisk | None = None
    networks: Annotated[list[Network], Meta(max_length=10)] = field(default_factory=list)
    disks: Annotated[list[Disk], Meta(max_length=20)] = field(default_factory=list)
    user_data: UserData = field(default_factory=UserData)
    meta_data: MetaData = field(default_factory=MetaData)
    placement: Placement | None = None
    placement_ref: LocalRef | None = None
    tags: Annotated[list[str], Meta(max_length=50)] = field(default_factory=list)
    power_state: Literal["On", "Off", "OffGraceful"] | None = None
    resources: Resources = field(default_factory=Resources)
    snapshot: Snapshot | None = None
    lifecycle: Lifecycle | None = None


class VirtualMachine(Resource, kw_only=True):
    spec: VirtualMachineSpec
