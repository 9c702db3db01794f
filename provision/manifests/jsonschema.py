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
_NULL = {"type": "null"}
_FOREIGN = [
    {"required": ["apiVersion"], "properties": {"apiVersion": {"type": "string", "pattern": "^(?!.*gaud)[^/]+/"}}},
    {
        "required": ["apiVersion"],
        "properties": {"apiVersion": {"const": "v1"}, "kind": {"not": {"pattern": "^([Ss]ecret|List|VM|Virt|Prov)"}}},
    },
]
"""Documents of other API groups, and of kinds of Kubernetes' own that are no misspelt ones of ours."""
LIST = "List"
"""What `kubectl get -o yaml` prints of several objects."""


def of_kind(kind: str) -> dict[str, Any]:
    """The schema of one kind. Raises KeyError for a kind that there is not."""
    definitions = _definitions([KINDS[kind][1]])
    return {"$schema": DRAFT, **definitions.pop(kind), "title": kind, "$defs": definitions}


def every_kind() -> dict[str, Any]:
    """One schema for documents of any kind, told apart by their `kind`; what is of another program passes."""
    ours = {
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
    }
    return {
        "$schema": DRAFT,
        "title": "A manifest of nestproof",
        "type": "object",
        "required": ["kind"],
        "if": {"anyOf": _FOREIGN},
        "else": ours,
        "$defs": _definitions([schema for _, schema in KINDS.values()]),
    }


def _definitions(schemas: list[type[Resource]]) -> dict[str, Any]:
    """By name. Kind and apiVersion are pinned: the classes leave them to whoever chose the schema."""
    _, definitions = msgspec.json.schema_components(schemas, schema_hook=_own_types, ref_template=_REFERENCE)
    for schema in schemas:
        kind = schema.__name__
        definitions[kind]["properties"]["kind"] = {"const": kind}
        definitions[kind]["properties"]["apiVersion"] = {"const": KINDS[kind][0]}
    kinds = {schema.__name__ for schema in schemas}
    return {name: _with_empty(definition, whole=name in kinds) for name, definition in definitions.items()}


def _with_empty(definition: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """A field that may be left out may also be empty (`performanceProfile:`), as for the API server.

    An empty mapping is permitted where it is defined and not where it is referred to, but for a `whole` document: of a
    choice between it and nothing an editor would mark all of it for one misspelt field.
    """
    required = definition.get("required", ())
    properties = {
        name: _filled(field) if name in required else _or_empty(field)
        for name, field in definition.get("properties", {}).items()
    }
    return {**definition, "type": "object" if whole else ["object", "null"], "properties": properties}


def _filled(field: dict[str, Any]) -> dict[str, Any]:
    """Never empty, nor anything in it."""
    if "$ref" in field:
        return {**field, "type": "object"}
    inside = {key: _filled(field[key]) for key in ("items", "additionalProperties") if isinstance(field.get(key), dict)}
    return {**field, **inside}


def _or_empty(field: dict[str, Any]) -> dict[str, Any]:
    """Empty too."""
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "enum")}
    choices = field.get("anyOf", [{"enum": field["enum"]}] if "enum" in field else [])
    named = [choice for choice in choices if choice != _NULL]
    if len(named) == 1 and "enum" not in named[0]:
        return _or_empty({**rest, **named[0]})
    if named:
        return {**rest, "anyOf": [*named, _NULL]}
    return {**_filled(field), "type": [field["type"], "null"]} if "type" in field else field


def _own_types(a_type: type) -> dict[str, Any]:
    if a_type is Fraction:
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": quantity.PATTERN}]}
    if a_type is Hidden:
        return {"type": "string"}
    raise NotImplementedError(a_type)  # msgspec's word for: not one of ours, refuse the class
