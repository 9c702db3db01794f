"""What all kinds have in common: metadata, references, and the types of their fields.

Source of every field and constraint: the custom resource definitions of VirtRigaud, group infra.virtrigaud.io,
version v1beta1 (config/crd/bases, July 2026).
"""

from fractions import Fraction
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
IPV4 = r"^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$"
IPV4_NET = IPV4[:-1] + r"/([0-9]|[1-2][0-9]|3[0-2])$"
DURATION = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"

PATTERN_WORDS = {
    LABEL: "expected lower-case letters, digits and dashes",
    SUBDOMAIN: "expected lower-case letters, digits, dashes and dots",
    IPV4: "expected an IPv4 address such as 192.0.2.10",
    IPV4_NET: "expected an IPv4 address with its prefix, such as 192.0.2.10/24",
    DURATION: "expected a duration such as 30s, 5m or 1h30m",
}
"""What a pattern means, for people. Schemas add theirs."""


class Schema(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """One mapping of a manifest: every field known. `checking` makes it; what is in it may be a secret."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


Quantity = Fraction
"""In a manifest `8Gi`, `512Mi`, `10G` or a whole number."""
Label = Annotated[str, Meta(pattern=LABEL, max_length=63)]
ResourceName = Annotated[str, Meta(pattern=LABEL, max_length=253)]
Ipv4 = Annotated[str, Meta(pattern=IPV4)]
Ipv4Net = Annotated[str, Meta(pattern=IPV4_NET)]
Duration = Annotated[str, Meta(pattern=DURATION)]
Text253 = Annotated[str, Meta(max_length=253)]
Text255 = Annotated[str, Meta(max_length=255)]
Opaque = Any
"""A structure of Kubernetes itself that says nothing of a VM: accepted whole."""

ChecksumType = Literal["md5", "sha1", "sha256", "sha512"]
ImageFormat = Literal["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"]


class LocalRef(Schema):
    """The name of an object in the same namespace."""

    name: ResourceName


class Ref(Schema):
    """The name of an object, in the namespace of the one that refers unless it says another."""

    name: ResourceName
    namespace: Label | None = None


class Metadata(Schema):
    """The part of ObjectMeta that people write, and what `kubectl get -o yaml` adds to it."""

    name: Annotated[str, Meta(pattern=SUBDOMAIN, max_length=253)]
    namespace: Label = "default"
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    generate_name: Opaque = None
    uid: Opaque = None
    resource_version: Opaque = None
    generation: Opaque = None
    creation_timestamp: Opaque = None
    deletion_timestamp: Opaque = None
    deletion_grace_period_seconds: Opaque = None
    finalizers: Opaque = None
    owner_references: Opaque = None
    managed_fields: Opaque = None
    self_link: Opaque = None


class Resource(Schema):
    """One document. `apiVersion` and `kind` were judged before its schema was chosen."""

    api_version: str
    kind: str
    metadata: Metadata
    status: Opaque = None
