"""Secret (core v1): where user-data and meta-data may stand instead of in the VirtualMachine. Values never show."""

from typing import Annotated

from pydantic import Field, SecretStr

from provision.manifests.schemas.base import Bool, Resource

Hidden = Annotated[SecretStr, Field(strict=False)]


class Secret(Resource):
    type: str = "Opaque"
    immutable: Bool | None = None
    data: dict[str, Hidden] = Field(default={})
    """Base64 of bytes."""
    string_data: dict[str, Hidden] = Field(default={})
