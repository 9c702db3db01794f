"""What all kinds have in common: metadata, references, and the types of their fields.

Source of every field and constraint: the custom resource definitions of VirtRigaud, group infra.virtrigaud.io,
version v1beta1 (config/crd/bases, July 2026).
"""

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from provision.manifests import quantity

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


class Schema(BaseModel):
    """One mapping of a manifest: every field known, nothing converted in silence."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
        defer_build=True,
    )


def _quantity(value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("quantity", "expected a quantity such as 8Gi, 512Mi or 10G")
    try:
        return quantity.parse(value)
    except ValueError as error:
        raise PydanticCustomError("quantity", "{words}", {"words": str(error)}) from None


def _yaml_1_1_boolean(value: object) -> object:
    """kubectl reads an unquoted yes or on as true; so do we where a boolean belongs (the linter says so)."""
    if isinstance(value, str):
        return {"on": True, "yes": True, "off": False, "no": False}.get(value.lower(), value)
    return value


Quantity = Annotated[
    Fraction,
    PlainValidator(_quantity),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": quantity.PATTERN}]}),
]
Bool = Annotated[bool, BeforeValidator(_yaml_1_1_boolean)]
Label = Annotated[str, StringConstraints(pattern=LABEL, max_length=63)]
ResourceName = Annotated[str, StringConstraints(pattern=LABEL, max_length=253)]
Ipv4 = Annotated[str, StringConstraints(pattern=IPV4)]
Ipv4Net = Annotated[str, StringConstraints(pattern=IPV4_NET)]
Duration = Annotated[str, StringConstraints(pattern=DURATION)]
Text253 = Annotated[str, StringConstraints(max_length=253)]
Text255 = Annotated[str, StringConstraints(max_length=255)]
Opaque = Annotated[Any, Field()]
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

    name: Annotated[str, StringConstraints(pattern=SUBDOMAIN, max_length=253)]
    namespace: Label = "default"
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
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
