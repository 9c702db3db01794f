"""Turns violations of a schema into words for the author of a manifest: what, what was expected, what was given."""

from collections.abc import Iterator, Mapping, Sequence

from provision.manifests import quantity
from provision.manifests.checking import Fault, Violation
from provision.manifests.leaves import hide_password, schema_leaves
from provision.manifests.schemas import Resource
from provision.manifests.schemas.base import IPV4, PATTERN_WORDS, Schema
from provision.manifests.text import listed, near, shown
from provision.manifests.tree import Loc, Tree, dotted
from provision.model import Problem, Severity

ALIKE = 0.8
"""From here on a name is another one misspelt, whatever else it could be."""
LIMIT = 100
"""Problems shown of one document; a document with more is another kind of file."""

_TYPES: Mapping[object, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}
_RULES = {Fault.UNKNOWN: "unknown-field", Fault.MISSING: "missing-field"}


def problems(kind: str, schema: type[Resource], tree: Tree, violations: Sequence[Violation]) -> Iterator[Problem]:
    """Every violation of the schema, at the line and column of the offending key or value."""
    for violation in violations[:LIMIT]:
        loc = violation.loc
        origin = tree.key_at(loc) if violation.fault in _RULES else tree.at(loc)
        message = _message(violation, schema, tree, secret=kind == "Secret")
        rule = _RULES.get(violation.fault, "field-value")
        yield Problem(origin, Severity.ERROR, f"{kind} {shown(dotted(loc), 200)}", message, rule)
    if len(violations) > LIMIT:
        more = f"and {len(violations) - LIMIT} more problems like these"
        yield Problem(tree.key_at(violations[LIMIT].loc), Severity.ERROR, kind, more, "more")


def _message(violation: Violation, schema: type[Resource], tree: Tree, *, secret: bool) -> str:
    loc, value, limit = violation.loc, violation.given, violation.limit
    given = "" if secret else f", got {_given(value)}"
    match violation.fault:
        case Fault.MISSING:
            state = "is empty" if loc in tree.keys else "is missing"
            return (
                f"{state}; every {schema.__name__} needs it" if len(loc) <= 2 else f"{state}, and it is required here"
            )
        case Fault.UNKNOWN:
            return _unknown_field(loc, schema)
        case Fault.TYPE:
            advice = _quoting_advice(limit, value, secret) or _naming_advice(loc, value, schema)
            advice = advice or _unit_advice(loc, value)
            return f"expected {_TYPES[limit]}{given}{advice}"
        case Fault.LITERAL:
            guess = near(value, limit) if isinstance(value, str) else _word_advice(limit, value)
            return f"expected {listed(limit)}{given}{guess}"
        case Fault.TOO_SMALL:
            return f"must be at least {limit}{given}"
        case Fault.TOO_LARGE:
            return f"must be at most {limit}{given}"
        case Fault.PATTERN:
            empty = ": leave the field out where none is meant" if value == "" and limit == IPV4 else ""
            return f"{PATTERN_WORDS[limit]}{given}{empty}"
        case Fault.TEXT_EMPTY:
            return "must not be empty"
        case Fault.TEXT_TOO_LONG:
            return f"must have at most {limit} characters, has {len(str(value))}"
        case Fault.TOO_MANY:
            return f"must have at most {limit} entries, has {len(value) if isinstance(value, list | dict) else 0}"
        case Fault.TOO_FEW:
            return f"must have at least {limit} {'entry' if limit == 1 else 'entries'}"
        case Fault.QUANTITY:
            return f"{limit}{given}"


def _unknown_field(loc: Loc, schema: type[Resource]) -> str:
    name = str(loc[-1])
    siblings = _siblings(loc, schema)
    if guess := near(name, siblings, ALIKE):
        return f"unknown field{guess}"
    if place := _elsewhere(loc, schema):
        return f"unknown field here; it belongs at {place}"
    if guess := near(name, siblings):
        return f"unknown field{guess}"
    return f"unknown field; known here: {', '.join(sorted(siblings))}"


def _elsewhere(loc: Loc, schema: type[Schema]) -> str:
    """The field of that name that is nearest to where it was written; empty when there is none."""
    name, here = str(loc[-1]).lower(), [str(part) for part in loc[:-1] if not isinstance(part, int)]
    found = dict[str, int]()
    for leaf in schema_leaves(schema):
        parts = leaf.split(".")
        for depth, part in enumerate(parts):
            if part.removesuffix("[]").lower() == name:
                around = [each.removesuffix("[]") for each in parts[:depth]]
                common = sum(here[:n] == around[:n] for n in range(1, depth + 1))
                found.setdefault(".".join(parts[: depth + 1]).removesuffix("[]"), common)
    return max(found, key=found.__getitem__, default="")


def _siblings(loc: Loc, schema: type[Schema]) -> set[str]:
    """The fields that are known beside the last part of `loc`."""
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
    if value is None:
        return "an empty value"
    if isinstance(value, str):
        return f'"{shown(hide_password(value))}"' if value else "an empty string"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return shown(str(value))


def _quoting_advice(wanted: object, value: object, secret: bool) -> str:
    if wanted is str and isinstance(value, bool | int | float):
        return ": put it in quotes"
    if (
        not secret
        and wanted in (int, bool)
        and isinstance(value, str)
        and (value.isdigit() or value in ("true", "false"))
    ):
        return ": remove the quotes"
    return ""


def _word_advice(words: Sequence[str], value: object) -> str:
    """For a value that YAML 1.1 or a person made a boolean or a number of."""
    if isinstance(value, bool):
        meant = "On" if value else "Off"
        return f' (did you mean "{meant}", in quotes?)' if meant in words else ""
    return ": put it in quotes" if str(value) in words else ""


def _unit_advice(loc: Loc, value: object) -> str:
    """For a size with its unit where the field has the unit in its name: `sizeGiB: 10Gi`."""
    unit = {"GiB": quantity.GIB, "MiB": quantity.MIB}.get(str(loc[-1])[-3:])
    try:
        size = quantity.parse(value) if unit and isinstance(value, str) else None
    except ValueError:
        size = None
    return f": write {quantity.ceil(size, unit)}" if size and unit else ""


def _naming_advice(loc: Loc, value: object, schema: type[Schema]) -> str:
    """For a name where a mapping that has one belongs: `imageRef: debian`."""
    if not isinstance(value, str) or "name" not in _siblings((*loc, "name"), schema):
        return ""
    return f": write {{name: {shown(value)}}}"
