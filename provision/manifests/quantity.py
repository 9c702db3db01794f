"""Kubernetes quantities (`8Gi`, `500M`, `1.5Gi`, `1e9`, 4096) as exact numbers.

The grammar is that of the custom resource definitions: apimachinery, pkg/api/resource/quantity.go.
"""

import math
import re
from fractions import Fraction

MIB = 1 << 20
GIB = 1 << 30

PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
"""What the API server accepts as a string."""

_NUMBER = re.compile(r"([+-]?(?:[0-9]{1,32}(?:\.[0-9]{0,32})?|\.[0-9]{1,32}))([a-zA-Z]{0,3}|[eE][+-]?[0-9]{1,2})")

_SUFFIXES: dict[str, Fraction] = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    **{s: Fraction(1000 ** (i + 2)) for i, s in enumerate("MGTPE")},
    **{f"{s}i": Fraction(1024 ** (i + 1)) for i, s in enumerate("KMGTPE")},
}


def parse(text: str | int) -> Fraction:
    """`1.5Gi` -> 1610612736. Raises ValueError with words for the user."""
    if isinstance(text, int):
        return Fraction(text)
    match = _NUMBER.fullmatch(text)
    if match is None:
        close = text.replace(" ", "")
        fix = f"; write {close}" if close != text and _NUMBER.fullmatch(close) else ""
        raise ValueError(f"expected a quantity such as 8Gi, 512Mi or 10G{fix}")
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Fraction(number) * _SUFFIXES[suffix]
    if suffix[0] in "eE" and suffix[1:].lstrip("+-").isdigit():
        return Fraction(number) * Fraction(10) ** int(suffix[1:])
    unit = suffix.removesuffix("b").removesuffix("B").capitalize()
    fix = f"; write {number}{unit}" if unit in _SUFFIXES else ""
    raise ValueError(f"has the unknown unit {suffix}{fix}; the units are Ki Mi Gi Ti (by 1024) and k M G T (by 1000)")


def show(quantity: Fraction) -> str:
    """The shortest exact form: 1610612736 -> `1536Mi`, 50000000000 -> `50G`."""
    if quantity.denominator != 1:
        return str(float(quantity))
    units = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki", "", *("EPTGMk" if quantity else ""))
    exact = (f"{quantity / _SUFFIXES[unit]}{unit}" for unit in units if quantity and quantity % _SUFFIXES[unit] == 0)
    return min(exact, key=len, default="0")


def ceil(quantity: Fraction, unit: int) -> int:
    """How many whole units hold the quantity."""
    return math.ceil(quantity / unit)
