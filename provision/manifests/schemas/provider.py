"""Provider: the hypervisor endpoint, and the pod that VirtRigaud would run for it."""

from typing import Annotated, Literal

from msgspec import Meta

from provision.manifests.schemas.base import (
    PATTERN_WORDS,
    Duration,
    Opaque,
    Ref,
    Resource,
    Schema,
    Text255,
)

URI = r"^[a-z][a-z0-9+.-]*://.*$"
PATTERN_WORDS[URI] = "expected a URI such as qemu:///system, qemu+ssh://root@host/system or https://vcenter.example"

CRD_ENDPOINT = (
    r"^((https?://[a-zA-Z0-9.-]+(:[0-9]+)?(/.*)?|(tcp|grpc)://[a-zA-Z0-9.-]+:[0-9]+(/.*)?)"
    r"|qemu(\+ssh|\+tcp|\+tls)?://([a-zA-Z0-9@.-]+(:[0-9]+)?)?(/.*))$"
)
"""What the API server accepts. libvirt itself takes more (test:///, qemu+unix://), and so does nestproof."""

CONTAINER_IMAGE = r"^[a-zA-Z0-9._/-]+(:[a-zA-Z0-9._-]+)?(@[a-zA-Z0-9]+:[a-fA-F0-9]{64})?$"
PATTERN_WORDS[CONTAINER_IMAGE] = "expected a container image such as registry.example/provider:v1"


class Defaults(Schema):
    datastore: Text255 | None = None
    storage_pod: Text255 | None = None
    cluster: Text255 | None = None
    folder: Text255 | None = None
    resource_pool: Text255 | None = None
    network: Text255 | None = None


class RateLimit(Schema):
    qps: Annotated[int, Meta(ge=1, le=1000)] = 10
    burst: Annotated[int, Meta(ge=1, le=2000)] = 20


class ServiceTls(Schema):
    enabled: bool = True
    secret_ref: Opaque = None
    insecure_skip_verify: bool = False


class Service(Schema):
    port: Annotated[int, Meta(ge=1024, le=65_535)] = 9443
    tls: ServiceTls | None = None


class Runtime(Schema):
    image: Annotated[str, Meta(pattern=CONTAINER_IMAGE)] | None = None
    mode: Literal["Remote"] = "Remote"
    image_pull_policy: Literal["Always", "Never", "IfNotPresent"] = "IfNotPresent"
    image_pull_secrets: Opaque = None
    replicas: Annotated[int, Meta(ge=1, le=10)] = 1
    service: Service | None = None
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    env: Opaque = None
    resources: Opaque = None
    node_selector: Opaque = None
    tolerations: Opaque = None
    affinity: Opaque = None
    security_context: Opaque = None
    liveness_probe: Opaque = None
    readiness_probe: Opaque = None


class HealthCheck(Schema):
    enabled: bool = True
    interval: Duration = "30s"
    timeout: Duration = "10s"
    failure_threshold: Annotated[int, Meta(ge=1, le=10)] = 3
    success_threshold: Annotated[int, Meta(ge=1, le=10)] = 1


class ConnectionPooling(Schema):
    max_connections: Annotated[int, Meta(ge=1, le=100)] = 10
    max_idle_connections: Annotated[int, Meta(ge=1)] = 5
    connection_timeout: Duration = "30s"
    idle_timeout: Duration = "5m"


class ProviderSpec(Schema):
    """The definition also requires credentialSecretRef and runtime; nestproof needs neither, the linter tells."""

    type: Literal["vsphere", "libvirt", "firecracker", "qemu", "proxmox"]
    endpoint: Annotated[str, Meta(pattern=URI)]
    credential_secret_ref: Ref | None = None
    insecure_skip_verify: bool = False
    defaults: Defaults | None = None
    rate_limit: RateLimit | None = None
    runtime: Runtime | None = None
    health_check: HealthCheck | None = None
    connection_pooling: ConnectionPooling | None = None


class Provider(Resource, kw_only=True):
    spec: ProviderSpec
