"""Secret (core v1): where user-data and meta-data may stand instead of in the VirtualMachine. Values never show."""

from msgspec import field

from provision.manifests.hidden import Hidden
from provision.manifests.schemas.base import Resource


class Secret(Resource, kw_only=True):
    type: str = "Opaque"
    immutable: bool | None = None
    data: dict[str, Hidden] = field(default_factory=dict)
    """Base64 of bytes."""
    string_data: dict[str, Hidden] = field(default_factory=dict)
