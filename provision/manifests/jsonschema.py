"""The schemas of manifests as JSON Schema (draft 2020-12), for editors.

Generated from the models that manifests are validated with, so that an editor never knows other fields than we do.
"""

from fractions import Fraction
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind, models_json_schema
from pydantic_core import PydanticSerializationError

from provision.manifests.schemas import KINDS, Resource

DRAFT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """A default that JSON cannot say (an exact quantity) is left out; nothing is wrong with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ignored_warning_kinds: set[JsonSchemaWarningKind] = {"non-serializable-default"}

    def encode_default(self, dft: Any) -> Any:
        """A whole mapping as a default says no more than those of its fields do."""
        if isinstance(dft, BaseModel | Fraction):
            raise PydanticSerializationError("not shown")
        return super().encode_default(dft)


def of_kind(kind: str) -> dict[str, Any]:
    """The schema of one kind. Raises KeyError for a kind that there is not."""
    _, model = KINDS[kind]
    schema = TypeAdapter(model).json_schema(by_alias=True, mode="validation", schema_generator=_Generator)
    _pin(schema, kind)
    return {"$schema": DRAFT, "title": kind, **schema}


def every_kind() -> dict[str, Any]:
    """One schema for documents of any kind, told apart by their `kind`."""
    models: list[type[Resource]] = [model for _, model in KINDS.values()]
    keys, definitions = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, schema_generator=_Generator
    )
    for kind, (_, model) in KINDS.items():
        name = keys[(model, "validation")]["$ref"].rpartition("/")[2]
        _pin(definitions["$defs"][name], kind)
    return {
        "$schema": DRAFT,
        "title": "A manifest of nestproof",
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}}, "then": keys[(model, "validation")]}
            for kind, (_, model) in KINDS.items()
        ],
        "$defs": definitions["$defs"],
    }


def _pin(schema: dict[str, Any], kind: str) -> None:
    """Name kind and apiVersion: the models leave them to whoever chose the schema."""
    api_version, _ = KINDS[kind]
    schema["properties"]["kind"] = {"const": kind}
    schema["properties"]["apiVersion"] = {"const": api_version}
