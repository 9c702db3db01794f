"""VMImage: where the disk of a VM comes from, per provider."""

from typing import Annotated, Literal

from msgspec import Meta, field

from provision.manifests.schemas.base import (
    PATTERN_WORDS,
    ChecksumType,
    Duration,
    ImageFormat,
    LocalRef,
    Ref,
    Resource,
    Schema,
    Text255,
)

OVA_URL = r"^https?://.*\.(ova|ovf)$"
LIBVIRT_URL = r"^(https?|ftp)://.*"
HTTP_URL = r"^https?://.*"
REGISTRY_IMAGE = r"^[a-zA-Z0-9._/-]+:[a-zA-Z0-9._-]+$"

PATTERN_WORDS.update(
    {
        OVA_URL: "expected an http or https URL that ends in .ova or .ovf",
        LIBVIRT_URL: "expected an http, https or ftp URL",
        HTTP_URL: "expected an http or https URL",
        REGISTRY_IMAGE: "expected an image with its tag, such as registry.example/images/debian:12",
    }
)


class ContentLibrary(Schema):
    library: Text255
    item: Text255
    version: str | None = None


class VSphereSource(Schema):
    template_name: Text255 | None = None
    content_library: ContentLibrary | None = None
    ova_url: Annotated[str, Meta(pattern=OVA_URL)] | None = field(default=None, name="ovaURL")
    checksum: str | None = None
    checksum_type: ChecksumType = "sha256"
    provider_ref: LocalRef | None = None


class LibvirtSource(Schema):
    path: str | None = None
    url: Annotated[str, Meta(pattern=LIBVIRT_URL)] | None = None
    format: ImageFormat = "qcow2"
    checksum: str | None = None
    checksum_type: ChecksumType = "sha256"
    storage_pool: Text255 | None = None


class ProxmoxSource(Schema):
    template_id: Annotated[int, Meta(ge=100, le=999_999_999)] | None = field(default=None, name="templateID")
    template_name: Text255 | None = None
    storage: Text255 | None = None
    node: Text255 | None = None
    format: Literal["raw", "qcow2", "vmdk"] = "qcow2"
    full_clone: bool = True


class BasicAuth(Schema):
    secret_ref: LocalRef
    username_key: str = "username"
    password_key: str = "password"  # noqa: S105 - the name of a Secret's key


class Bearer(Schema):
    secret_ref: LocalRef
    token_key: str = "token"  # noqa: S105 - the name of a Secret's key


class ClientCert(Schema):
    secret_ref: LocalRef
    cert_key: str = "tls.crt"
    key_key: str = "tls.key"


class Authentication(Schema):
    basic_auth: BasicAuth | None = None
    bearer: Bearer | None = None
    client_cert: ClientCert | None = None


class HttpSource(Schema):
    url: Annotated[str, Meta(pattern=HTTP_URL)]
    headers: Annotated[dict[str, str], Meta(max_length=20)] = field(default_factory=dict)
    checksum: str | None = None
    checksum_type: ChecksumType = "sha256"
    authentication: Authentication | None = None
    timeout: Duration = "30m"


class RegistrySource(Schema):
    image: Annotated[str, Meta(pattern=REGISTRY_IMAGE)]
    pull_secret_ref: LocalRef | None = None
    format: ImageFormat = "qcow2"


class ImageSource(Schema):
    vsphere: VSphereSource | None = None
    libvirt: LibvirtSource | None = None
    proxmox: ProxmoxSource | None = None
    http: HttpSource | None = None
    registry: RegistrySource | None = None
    data_volume: Ref | None = None


class VSphereStorage(Schema):
    datastore: Text255 | None = None
    folder: Text255 | None = None
    thin_provisioned: bool | None = None
    disk_type: Literal["thin", "thick", "eagerzeroedthick"] | None = None


class LibvirtStorage(Schema):
    storage_pool: Text255 | None = None
    allocation_policy: Literal["eager", "lazy"] | None = None
    preallocation: Literal["off", "metadata", "falloc", "full"] | None = None


class PrepareStorage(Schema):
    vsphere: VSphereStorage | None = None
    libvirt: LibvirtStorage | None = None
    preferred_format: ImageFormat | None = None
    compression: bool = False


class Optimization(Schema):
    enable_compression: bool = False
    remove_unused_space: bool = False
    convert_format: ImageFormat | None = None
    enable_delta_sync: bool = False


class Prepare(Schema):
    on_missing: Literal["Import", "Fail", "Wait"] = "Import"
    validate_checksum: bool = True
    timeout: Duration = "30m"
    retries: Annotated[int, Meta(ge=0, le=10)] = 3
    force: bool = False
    storage: PrepareStorage | None = None
    optimization: Optimization | None = None


class ImageMetadata(Schema):
    display_name: Text255 | None = None
    description: Annotated[str, Meta(max_length=1024)] | None = None
    version: Annotated[str, Meta(max_length=100)] | None = None
    architecture: Literal["amd64", "arm64", "x86_64", "aarch64"] = "amd64"
    tags: Annotated[dict[str, str], Meta(max_length=50)] = field(default_factory=dict)
    annotations: Annotated[dict[str, str], Meta(max_length=50)] = field(default_factory=dict)


class Kernel(Schema):
    version: str | None = None
    type: Literal["linux", "windows", "freebsd", "other"] | None = None


class Distribution(Schema):
    name: (
        Literal["ubuntu", "centos", "rhel", "fedora", "debian", "suse", "windows", "freebsd", "coreos", "other"] | None
    ) = None
    version: Annotated[str, Meta(max_length=100)] | None = None
    variant: Annotated[str, Meta(max_length=100)] | None = None
    family: Literal["linux", "windows", "bsd", "other"] | None = None
    kernel: Kernel | None = None


class VMImageSpec(Schema):
    source: ImageSource
    prepare: Prepare | None = None
    metadata: ImageMetadata = field(default_factory=ImageMetadata)
    distribution: Distribution | None = None


class VMImage(Resource, kw_only=True):
    spec: VMImageSpec
