"""Holds plain values against a schema: every fault at once, each with its place; nothing converted in silence.

A schema is a class of `schemas.base`: its annotations say what a field takes. What is found out of a class is kept,
and found out when its first value comes: a manifest uses few of the fields that there are.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from fractions import Fraction
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from provision.manifests import quantity
from provision.manifests.hidden import Hidden
from provision.manifests.tree import Loc

S = TypeVar("S", bound=msgspec.Struct)


class Fault(StrEnum):
    """What can be wrong with a value."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    TYPE = "type"
    LITERAL = "literal"
    TOO_SMALL = "too small"
    TOO_LARGE = "too large"
    PATTERN = "pattern"
    TEXT_TOO_LONG = "text too long"
    TEXT_EMPTY = "text empty"
    TOO_MANY = "too many"
    TOO_FEW = "too few"
    QUANTITY = "quantity"


class Violation(msgspec.Struct, frozen=True):
    """One value that its schema does not take."""

    fault: Fault
    loc: Loc
    given: object
    limit: Any = None
    """What it was held against: a type, the words of a literal, a number, a pattern, or what is wrong in words."""


class Field(msgspec.Struct, frozen=True):
    """One field of a schema."""

    name: str
    alias: str
    annotation: Any
    required: bool
    default: Callable[[], object]


Check = Callable[[Any, Loc, list[Violation]], object]
"""Takes a value and its place, adds what is wrong with it, and returns what the schema makes of it."""

BOOLEANS = {"on": True, "yes": True, "y": True, "off": False, "no": False, "n": False}
"""kubectl reads an unquoted yes or on as true; so do we where a boolean belongs (the linter says so)."""

_EXACT = 1 << 53
"""Up to here a float is the number that was written."""


def checked(schema: type[S], value: Mapping[str, object]) -> tuple[S | None, list[Violation]]:
    """The value as an instance of its schema; None when there are violations."""
    found: list[Violation] = []
    model = _mapping(schema)(value, (), found)
    return (None, found) if found else (model, found)  # type: ignore[return-value] # _mapping made it


@cache
def fields(schema: type[msgspec.Struct]) -> Mapping[str, Field]:
    """The fields of a schema by the names that they have in a manifest."""
    return {
        f.encode_name: Field(f.name, f.encode_name, f.type, f.required, _default_of(f))
        for f in msgspec.structs.fields(schema)
    }


def _default_of(field: msgspec.structs.FieldInfo) -> Callable[[], object]:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory  # type: ignore[no-any-return] # a FieldInfo is untyped
    return lambda: field.default


@cache
def _mapping(schema: type[msgspec.Struct]) -> Check:
    """Of a whole mapping with known fields."""
    known = fields(schema)
    checks: dict[str, Check] = {}

    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        if not isinstance(value, dict):
            return _wrong(found, Fault.TYPE, loc, value, dict)
        before = len(found)
        given: dict[str, object] = {}
        for alias, field in known.items():
            if alias in value:
                if alias not in checks:
                    checks[alias] = _check(field.annotation)
                given[field.name] = checks[alias](value[alias], (*loc, alias), found)
            elif field.required:
                found.append(Violation(Fault.MISSING, (*loc, alias), value))
        found.extend(Violation(Fault.UNKNOWN, (*loc, key), value[key]) for key in value if key not in known)
        return schema(**given) if len(found) == before else None

    return check


def _check(annotation: Any) -> Check:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bounded(_check(arguments[0]), arguments[1], many=get_origin(arguments[0]) in (list, dict))
    if origin in (Union, UnionType):
        members = tuple(member for member in arguments if member is not NoneType)
        return _optional(_check(members[0]) if len(members) == 1 else _scalar(members))
    if origin is Literal:
        return _literal(arguments)
    if origin is list:
        return _list(_check(arguments[0]))
    if origin is dict:
        return _dict(_check(arguments[1]))
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _mapping(annotation)
    return _scalar((annotation,))


def _wrong(found: list[Violation], fault: Fault, loc: Loc, value: object, limit: object) -> object:
    found.append(Violation(fault, loc, value, limit))
    return None


def _scalar(types: tuple[type, ...]) -> Check:
    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        if type(value) in types:
            return value
        return _wrong(found, Fault.TYPE, loc, value, types[0])

    return check


def _boolean(value: Any, loc: Loc, found: list[Violation]) -> object:
    meant = BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value
    return meant if isinstance(meant, bool) else _wrong(found, Fault.TYPE, loc, value, bool)


def _integer(value: Any, loc: Loc, found: list[Violation]) -> object:
    number = _whole(value)
    return number if type(number) is int else _wrong(found, Fault.TYPE, loc, value, int)


def _whole(value: Any) -> Any:
    """4.0 and 8e9 are whole numbers, for JSON Schema and for kubectl."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) < _EXACT else value


def _quantity(value: Any, loc: Loc, found: list[Violation]) -> object:
    value = _whole(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return _wrong(found, Fault.QUANTITY, loc, value, "expected a quantity such as 8Gi, 512Mi or 10G")
    try:
        return quantity.parse(value)
    except ValueError as e:
        return _wrong(found, Fault.QUANTITY, loc, value, str(e))


def _hidden(value: Any, loc: Loc, found: list[Violation]) -> object:
    return Hidden(value) if isinstance(value, str) else _wrong(found, Fault.TYPE, loc, value, str)


def _anything(value: Any, _loc: Loc, _found: list[Violation]) -> object:
    return value


_PLAIN: Mapping[Any, Check] = {Any: _anything, bool: _boolean, int: _integer, Fraction: _quantity, Hidden: _hidden}


def _optional(inner: Check) -> Check:
    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        return None if value is None else inner(value, loc, found)

    return check


def _literal(words: tuple[str, ...]) -> Check:
    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        if isinstance(value, str) and value in words:
            return value
        return _wrong(found, Fault.LITERAL, loc, value, words)

    return check


def _list(inner: Check) -> Check:
    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        if not isinstance(value, list):
            return _wrong(found, Fault.TYPE, loc, value, list)
        return [inner(item, (*loc, index), found) for index, item in enumerate(value)]

    return check


def _dict(inner: Check) -> Check:
    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        if not isinstance(value, dict):
            return _wrong(found, Fault.TYPE, loc, value, dict)
        return {key: inner(item, (*loc, key), found) for key, item in value.items()}

    return check


def _bounded(inner: Check, bounds: msgspec.Meta, *, many: bool) -> Check:
    """A value that also keeps within bounds. What has too many entries (`many`) is not looked at one by one."""

    def check(value: Any, loc: Loc, found: list[Violation]) -> object:
        if many and isinstance(value, list | dict) and (bounds.max_length or len(value)) < len(value):
            return _wrong(found, Fault.TOO_MANY, loc, value, bounds.max_length)
        before = len(found)
        taken: Any = inner(value, loc, found)
        if bounds.pattern is not None and isinstance(value, bool | int | float) and len(found) > before:
            # Quotes alone would not make `timeout: 30` a duration.
            if _compiled(bounds.pattern).search(str(value)) is None:
                found[-1] = Violation(Fault.PATTERN, loc, value, bounds.pattern)
        elif len(found) == before and (violation := _out_of_bounds(value, loc, bounds)):
            found.append(violation)
        return taken

    return check


def _out_of_bounds(value: Any, loc: Loc, bounds: msgspec.Meta) -> Violation | None:
    """The size of a text comes before its pattern, which is then never tried on one without end."""
    if bounds.ge is not None and value < bounds.ge:
        return Violation(Fault.TOO_SMALL, loc, value, bounds.ge)
    if bounds.le is not None and value > bounds.le:
        return Violation(Fault.TOO_LARGE, loc, value, bounds.le)
    if bounds.min_length is not None and len(value) < bounds.min_length:
        return Violation(Fault.TEXT_EMPTY if isinstance(value, str) else Fault.TOO_FEW, loc, value, bounds.min_length)
    if bounds.max_length is not None and len(value) > bounds.max_length:
        return Violation(Fault.TEXT_TOO_LONG, loc, value, bounds.max_length)
    if bounds.pattern is not None and _compiled(bounds.pattern).search(value) is None:
        return Violation(Fault.PATTERN, loc, value, bounds.pattern)
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """As JSON Schema and the API server read it: `$` is the end of the text, not the line feed before it."""
    return re.compile(f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern)
