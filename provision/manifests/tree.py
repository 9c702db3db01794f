"""One YAML document as plain values, with the line and column of every key and value."""

from typing import Any

import msgspec

from provision.manifests.text import shown
from provision.model import Origin

Loc = tuple[str | int, ...]
"""A path into a document: mapping keys and list indexes."""

Value = Any
"""A plain value: str, int, float, bool, list or dict; what a schema is then held against."""


def dotted(loc: Loc) -> str:
    """`("spec", "networks", 0, "name")` -> `spec.networks[0].name`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{shown(part)}" if text else shown(part)
    return text


class Tree(msgspec.Struct):
    """One YAML document as plain values, and where each stands. Empty values (`key:`) are left out, as the API server
    does, but their keys keep their place."""

    file: str
    lines: list[str]
    value: Value = None
    start: Origin = msgspec.field(default_factory=lambda: Origin("", 1, 1))
    keys: dict[Loc, Origin] = msgspec.field(default_factory=dict)
    values: dict[Loc, Origin] = msgspec.field(default_factory=dict)
    plain_words: dict[Loc, str] = msgspec.field(default_factory=dict)
    """Unquoted on, off, yes and no, which YAML 1.1 (kubectl) reads as booleans."""
    block_scalars: set[Loc] = msgspec.field(default_factory=set)
    """Literal blocks (`|`): their text starts on the line after the value's place."""

    def at(self, loc: Loc) -> Origin:
        """Where the value at `loc` stands, or the nearest thing around it that exists."""
        while loc and loc not in self.values and loc not in self.keys:
            loc = loc[:-1]
        return self.values.get(loc) or self.keys.get(loc) or self.start

    def value_at(self, loc: Loc) -> Value:
        """The value at `loc`, which is there."""
        value = self.value
        for part in loc:
            value = value[part]
        return value

    def entries(self, key: str) -> list["Tree"]:
        """The entries of a list below a key as documents of their own, with their places in the file."""
        found = [
            Tree(self.file, self.lines, value, self.values[(key, number)])
            for number, value in enumerate(self.value[key])
        ]
        for name in ("keys", "values", "plain_words"):
            for loc, place in getattr(self, name).items():
                if loc[:1] == (key,) and len(loc) > 1:
                    getattr(found[loc[1]], name)[loc[2:]] = place
        for loc in self.block_scalars:
            if loc[:1] == (key,) and len(loc) > 1:
                found[int(loc[1])].block_scalars.add(loc[2:])
        return found

    def key_at(self, loc: Loc) -> Origin:
        """Where the key at `loc` stands, or the nearest key around it."""
        while loc and loc not in self.keys:
            loc = loc[:-1]
        return self.keys.get(loc, self.start)

    def place(self, loc: Loc) -> Origin:
        """Where a field begins: its key, or in a list its value; of the nearest thing around it when it is not set."""
        while loc and loc not in self.values and loc not in self.keys:
            loc = loc[:-1]
        return self.keys.get(loc) or self.values.get(loc) or self.start

    def line_in(self, loc: Loc, line: int) -> Origin:
        """Where a line (from 1) of a multi-line string stands; quoted and folded strings stand as a whole."""
        start = self.at(loc)
        number = start.line + line
        if loc not in self.block_scalars or number > len(self.lines):
            return start
        text = self.lines[number - 1]
        return Origin(self.file, number, len(text) - len(text.lstrip()) + 1)

    def absorb(self, other: "Tree") -> None:
        """Take over the places of a merged mapping where there are none of our own yet."""
        self.keys = {**other.keys, **self.keys}
        self.values = {**other.values, **self.values}
        self.plain_words = {**other.plain_words, **self.plain_words}
        self.block_scalars |= other.block_scalars
