"""The leaf fields of a schema, and those that a user set: what accounting is complete over."""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from provision.manifests import quantity
from provision.manifests.checking import fields
from provision.manifests.hidden import Hidden
from provision.manifests.schemas import Resource
from provision.manifests.schemas.base import Schema
from provision.manifests.text import shown
from provision.manifests.tree import Loc

_HIDDEN = ("inline", "headers", "data", "string_data", "env")
"""Fields whose value may hold a secret: only their size is shown."""
_NO_LEAVES = ("api_version", "kind", "status")
"""Of a document itself."""


def schema_leaves(model: type[Schema]) -> Iterator[str]:
    """Every leaf of a schema, such as `spec.networks[].name` and `spec.extraConfig.*`; not apiVersion, kind, status."""
    for alias, field in fields(model).items():
        if issubclass(model, Resource) and field.name in _NO_LEAVES:
            continue
        yield from _annotation_leaves(field.annotation, alias)


def _annotation_leaves(annotation: Any, path: str) -> Iterator[str]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _annotation_leaves(get_args(annotation)[0], path)
    elif origin in (Union, UnionType):
        members = [a for a in get_args(annotation) if a is not type(None)]
        yield from _annotation_leaves(members[0], path)
    elif origin is list:
        yield from _annotation_leaves(get_args(annotation)[0], f"{path}[]")
    elif origin is dict:
        yield f"{path}.*"
    elif isinstance(annotation, type) and issubclass(annotation, Schema):
        yield from (f"{path}.{leaf}" for leaf in schema_leaves(annotation))
    else:
        yield path


class Leaf(msgspec.Struct, frozen=True):
    """One leaf field that a user set."""

    loc: Loc
    schema: str
    """Its path in the schema, as `schema_leaves` names it."""
    value: str
    """For people; hidden where it may be a secret."""
    is_default: bool
    """The value asks for nothing that its absence would not give."""


def set_leaves(model: Schema, given: Mapping[str, Any], loc: Loc = (), schema: str = "") -> Iterator[Leaf]:
    """Every leaf field that stands in `given`, of which the schema made `model`."""
    for alias, field in fields(type(model)).items():
        if alias not in given or (isinstance(model, Resource) and field.name in _NO_LEAVES):
            continue
        value = getattr(model, field.name)
        is_default = not field.required and value == field.default()
        path = f"{schema}.{alias}" if schema else alias
        yield from _value_leaves(value, given[alias], (*loc, alias), path, is_default, field.name in _HIDDEN)


def _value_leaves(value: object, given: Any, loc: Loc, schema: str, is_default: bool, hidden: bool) -> Iterator[Leaf]:
    if isinstance(value, Schema):
        yield from set_leaves(value, given, loc, schema)
    elif isinstance(value, list) and not hidden:
        for index, item in enumerate(value):
            yield from _value_leaves(item, given[index], (*loc, index), f"{schema}[]", is_default, hidden)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield Leaf((*loc, key), f"{schema}.*", _show(item, hidden), is_default)
    else:
        yield Leaf(loc, schema, _show(value, hidden), is_default)


def _show(value: object, hidden: bool) -> str:
    if isinstance(value, Hidden):
        return f"({len(value)} characters)"
    if hidden:
        return f"({len(value)} characters)" if isinstance(value, str) else "(set)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Fraction):
        return quantity.show(value)
    return shown(hide_password(str(value)))


def hide_password(text: str) -> str:
    """`https://user:secret@host/` -> `https://user:***@host/`; users of Proxmox VE have an @ in their names."""
    return re.sub(r"(://[^/:\s]*):[^/\s]*@", r"\1:***@", text)
