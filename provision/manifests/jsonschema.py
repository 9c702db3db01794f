"""The schemas of manifests as JSON Schema (draft 2020-12), for editors.

Generated from the classes that manifests are validated with, so that an editor never knows other fields than we do.
"""

from fractions import Fraction
from typing import Any

import msgspec

from provision.manifests import quantity
from provision.manifests.hidden import Hidden
from provision.manifests.schemas import KINDS, PASSED_OVER, Resource

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/{name}"
LIST = "List"
"""What `kubectl get -o yaml` prints of several objects."""


def of_kind(kind: str) -> dict[str, Any]:
    """The schema of one kind. Raises KeyError for a kind that there is not."""
    definitions = _definitions([KINDS[kind][1]])
    return {"$schema": DRAFT, **definitions.pop(kind), "title": kind, "$defs": definitions}


def every_kind() -> dict[str, Any]:
    """One schema for documents of any kind, told apart by their `kind`."""
    return {
        "$schema": DRAFT,
        "title": "A manifest of nestproof",
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": [*KINDS, LIST, *sorted(PASSED_OVER)]}},
        "allOf": [
            *(
                {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": _REFERENCE.format(name=kind)}}
                for kind in KINDS
            ),
            {
                "if": {"properties": {"kind": {"const": LIST}}},
                "then": {"properties": {"items": {"type": "array", "items": {"$ref": "#"}}}},
            },
        ],
        "$defs": _definitions([schema for _, schema in KINDS.values()]),
    }


def _definitions(schemas: list[type[Resource]]) -> dict[str, Any]:
    """By name. Kind and apiVersion are pinned: the classes leave them to whoever chose the schema."""
    _, definitions = msgspec.json.schema_components(schemas, schema_hook=_own_types, ref_template=_REFERENCE)
    for schema in schemas:
        kind = schema.__name__
        definitions[kind]["properties"]["kind"] = {"const": kind}
        definitions[kind]["properties"]["apiVersion"] = {"const": KINDS[kind][0]}
    return {name: _with_empty(definition) for name, definition in definitions.items()}


def _with_empty(definition: dict[str, Any]) -> dict[str, Any]:
    """A field that may be left out may also be empty (`performanceProfile:`), as for the API server."""
    required = definition.get("required", ())
    properties = {
        name: field if name in required or not field else {"anyOf": [field, {"type": "null"}]}
        for name, field in definition.get("properties", {}).items()
    }
    return {**definition, "properties": properties}


def _own_types(a_type: type) -> dict[str, Any]:
    if a_type is Fraction:
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": quantity.PATTERN}]}
    if a_type is Hidden:
        return {"type": "string"}
    raise NotImplementedError(a_type)  # msgspec's word for: not one of ours, refuse the class
