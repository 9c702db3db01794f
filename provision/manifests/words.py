"""Turns what pydantic found into words for the author of a manifest: what, what was expected, what was given."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provision.manifests.leaves import dotted, hide_password, schema_leaves
from provision.manifests.schemas import Resource
from provision.manifests.schemas.base import PATTERN_WORDS
from provision.manifests.text import listed, near, shown
from provision.manifests.tree import Loc, Tree
from provision.model import Problem, Severity

LIMIT = 100
"""Problems shown of one document; a document with more is another kind of file."""

_TYPES = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problems(kind: str, schema: type[Resource], tree: Tree, error: ValidationError) -> Iterator[Problem]:
    """Every violation of the schema, at the line and column of the offending key or value."""
    details = _one_per_place(error)
    for detail in details[:LIMIT]:
        loc: Loc = tuple(detail["loc"])
        is_key = detail["type"] in ("extra_forbidden", "missing")
        origin = tree.key_at(loc) if is_key else tree.at(loc)
        message = _message(detail, schema, tree, secret=kind == "Secret")
        rule = {"extra_forbidden": "unknown-field", "missing": "missing-field"}.get(detail["type"], "field-value")
        yield Problem(origin, Severity.ERROR, f"{kind} {shown(dotted(loc), 200)}", message, rule)
    if len(details) > LIMIT:
        yield Problem(tree.start, Severity.ERROR, kind, f"and {len(details) - LIMIT} more problems like these", "more")


def _one_per_place(error: ValidationError) -> list[ErrorDetails]:
    """A union reports every member that did not fit, below the place; say one thing per place."""
    seen: dict[Loc, ErrorDetails] = {}
    for detail in error.errors(include_url=False):
        loc: Loc = tuple(p for p in detail["loc"] if p not in ("str", "int", "float"))
        detail["loc"] = loc
        seen.setdefault(loc, detail)
    return list(seen.values())


def _message(detail: ErrorDetails, schema: type[Resource], tree: Tree, *, secret: bool) -> str:
    loc: Loc = tuple(detail["loc"])
    context: Mapping[str, Any] = detail.get("ctx", {})
    kind = detail["type"]
    given = "" if secret else f", got {_given(detail['input'])}"
    if kind == "missing":
        state = "is empty" if loc in tree.keys else "is missing"
        return f"{state}; every {schema.__name__} needs it" if len(loc) <= 2 else f"{state}, and it is required here"
    if kind == "extra_forbidden":
        return _unknown_field(loc, schema)
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}{given}{_quoting_advice(kind, detail['input'], secret)}"
    if kind == "literal_error":
        allowed = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        value = detail["input"]
        guess = near(value, allowed) if isinstance(value, str) else _quoting_advice("string_type", value, secret)
        return f"expected {listed(allowed)}{given}{guess}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}{given}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}{given}"
    if kind == "string_pattern_mismatch":
        return f"{PATTERN_WORDS[context['pattern']]}{given}"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters, has {len(detail['input'])}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries, has {len(detail['input'])}"
    if kind == "too_short":
        return f"must have at least {context['min_length']} entries"
    return f"{shown(detail['msg'], 200)}{given}"


def _unknown_field(loc: Loc, schema: type[Resource]) -> str:
    name = str(loc[-1])
    siblings = _siblings(loc, schema)
    guess = near(name, siblings)
    if guess:
        return f"unknown field{guess}"
    elsewhere = [leaf for leaf in schema_leaves(schema) if leaf.rsplit(".", 1)[-1].lower() == name.lower()]
    if elsewhere:
        return f"unknown field here; it belongs at {elsewhere[0]}"
    return f"unknown field; known here: {', '.join(sorted(siblings))}"


def _siblings(loc: Loc, schema: type[BaseModel]) -> set[str]:
    """The fields that are known where `loc` is not."""
    parent = "".join(".[]" if isinstance(p, int) else f".{p}" for p in loc[:-1]).lstrip(".")
    known: set[str] = {"apiVersion", "kind", "status"} if not parent else set()
    for leaf in schema_leaves(schema):
        spaced = leaf.replace("[]", ".[]")
        if not parent:
            known.add(spaced.split(".")[0])
        elif spaced.startswith(f"{parent}."):
            known.add(spaced.removeprefix(f"{parent}.").split(".")[0])
    return known


def _given(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{shown(hide_password(value))}"' if value else "an empty string"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return shown(str(value))


def _quoting_advice(kind: str, value: object, secret: bool) -> str:
    if secret:
        return ""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return ": put it in quotes"
    if kind in ("int_type", "bool_type") and isinstance(value, str) and (value.isdigit() or value in ("true", "false")):
        return ": remove the quotes"
    return ""
