"""YAML text to plain values with the line and column of every key and value.

YAML 1.2: `On` is a string and `010` is ten. Composed into nodes only, so nothing in a file can construct an object;
values are built here, with a bound on what aliases may expand to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from provision.manifests.sources import Source
from provision.manifests.text import shown
from provision.model import Origin, Problem, Severity

VALUE_LIMIT = 200_000
"""Values of one document after aliases are expanded: more than 1 MiB of plain text can hold."""

DEPTH_LIMIT = 64

Loc = tuple[str | int, ...]
"""A path into a document: mapping keys and list indexes."""

Value = Any
"""A plain value: str, int, float, bool, list or dict; what pydantic then checks."""

_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Tree:
    """One YAML document as plain values, and where each stands. Empty values (`key:`) are left out, as the API server
    does, but their keys keep their place."""

    file: str
    lines: list[str]
    value: Value = None
    start: Origin = field(default_factory=lambda: Origin("", 1, 1))
    keys: dict[Loc, Origin] = field(default_factory=dict)
    values: dict[Loc, Origin] = field(default_factory=dict)
    plain_words: dict[Loc, str] = field(default_factory=dict)
    """Unquoted on, off, yes and no, which YAML 1.1 (kubectl) reads as booleans."""
    block_scalars: set[Loc] = field(default_factory=set)
    """Literal blocks (`|`): their text starts on the line after the value's place."""

    def at(self, loc: Loc) -> Origin:
        """Where the value at `loc` stands, or the nearest thing around it that exists."""
        while loc and loc not in self.values and loc not in self.keys:
            loc = loc[:-1]
        return self.values.get(loc) or self.keys.get(loc) or self.start

    def key_at(self, loc: Loc) -> Origin:
        """Where the key at `loc` stands, or the nearest key around it."""
        while loc and loc not in self.keys:
            loc = loc[:-1]
        return self.keys.get(loc, self.start)

    def place(self, loc: Loc) -> Origin:
        """Where a field begins: its key, or in a list its value, or the nearest thing around it."""
        return self.keys.get(loc) or self.at(loc)

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


class _Refused(Exception):
    """A value that manifests cannot hold; `args` are the node and the message."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def parse(source: Source) -> Iterator[Tree | Problem]:
    """Every document of a source that is not empty; after text that is no YAML, one Problem and nothing more."""
    yaml = YAML(typ="safe", pure=True)
    lines = source.text.splitlines()
    try:
        for node in yaml.compose_all(source.text):
            if node is None or (isinstance(node, ScalarNode) and _is_null(node)):
                continue
            yield _build(source.name, lines, node)
    except RecursionError:
        yield _problem(Origin(source.name, 1, 1), f"is nested deeper than {DEPTH_LIMIT} levels")
    except MarkedYAMLError as error:
        yield _syntax_problem(source, error)
    except ReaderError as error:
        message = f"holds a character that YAML forbids: {_code(error.character)}"
        yield _problem(_position(source, error.position), message)
    except (YAMLError, ValueError, TypeError, AttributeError, IndexError, KeyError, AssertionError) as error:
        # ruamel.yaml raises bare errors on some malformed directives and escapes.
        yield _problem(Origin(source.name, 1, 1), f"is not YAML: {shown(str(error))}")


def _build(file: str, lines: list[str], node: Node) -> Tree | Problem:
    tree = Tree(file, lines, start=_origin(file, node))
    try:
        tree.value = _Builder(tree).build(node, ())
    except _Refused as refused:
        return _problem(_origin(file, refused.node), str(refused), "yaml-value")
    return tree


class _Builder:
    """Turns nodes into values while filling in the places of a Tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.count = 0
        self.open: set[int] = set()

    def build(self, node: Node, loc: Loc) -> Value:
        self.count += 1
        if self.count > VALUE_LIMIT:
            raise _Refused(node, f"expands to more than {VALUE_LIMIT} values: an alias repeats too much")
        if len(loc) > DEPTH_LIMIT:
            raise _Refused(node, f"is nested deeper than {DEPTH_LIMIT} levels")
        self.tree.values[loc] = _origin(self.tree.file, node)
        if isinstance(node, ScalarNode):
            return self._scalar(node, loc)
        if id(node) in self.open:
            raise _Refused(node, "holds an alias of itself")
        self.open.add(id(node))
        value: Value
        if isinstance(node, SequenceNode):
            _expect_tag(node, "seq")
            value = [self.build(child, (*loc, i)) for i, child in enumerate(node.value)]
        else:
            assert isinstance(node, MappingNode)
            _expect_tag(node, "map")
            value = self._mapping(node, loc)
        self.open.discard(id(node))
        return value

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Value]:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if isinstance(key_node, ScalarNode) and key_node.tag == f"{_TAG}merge":
                for name, value in self._merge(value_node, loc).items():
                    merged.setdefault(name, value)
                continue
            key = _key(key_node)
            if key in seen:
                first = self.tree.keys[(*loc, key)]
                raise _Refused(key_node, f"the key {shown(key)} stands twice; it was first given on line {first.line}")
            seen.add(key)
            self.tree.keys[(*loc, key)] = _origin(self.tree.file, key_node)
            if not (isinstance(value_node, ScalarNode) and _is_null(value_node)):
                own[key] = self.build(value_node, (*loc, key))
        return {**{k: v for k, v in merged.items() if k not in seen}, **own}

    def _merge(self, node: Node, loc: Loc) -> dict[str, Value]:
        """The keys that `<<: *alias` brings in; keys of the mapping itself win over them, earlier ones over later."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        result: dict[str, Value] = {}
        for source in sources:
            if not isinstance(source, MappingNode) or id(source) in self.open:
                raise _Refused(node, "<< merges only mappings")
            scratch = _Builder(Tree(self.tree.file, self.tree.lines))
            scratch.count, scratch.open = self.count, self.open
            values = scratch.build(source, loc)
            self.count = scratch.count
            for name, value in values.items():
                result.setdefault(name, value)
            self.tree.absorb(scratch.tree)
        return result

    def _scalar(self, node: ScalarNode, loc: Loc) -> Value:
        tag = _tag(node)
        text: str = node.value
        if not _is_text(text):
            raise _Refused(node, "holds a NUL or half a character; no hypervisor takes that")
        if tag == "str":
            if node.style is None and text.lower() in ("on", "off", "yes", "no"):
                self.tree.plain_words[loc] = text
            if node.style == "|":
                self.tree.block_scalars.add(loc)
            return text
        if tag == "timestamp":
            return text
        try:
            if tag == "int":
                return _integer(text)
            if tag == "float":
                return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan").replace(".Inf", "inf"))
        except ValueError:
            raise _Refused(node, f"{shown(text)} is not a number") from None
        if tag == "bool" and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if tag == "null":
            return None
        raise _Refused(node, f"the tag {shown(_full_tag(node))} has no meaning in a manifest; remove it")


_BOOLEANS: Mapping[str, bool] = {
    "true": True,
    "false": False,
    # Only after a %YAML 1.1 directive.
    "on": True,
    "off": False,
    "yes": True,
    "no": False,
}


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    for prefix, base in (("0x", 16), ("0o", 8), ("0b", 2)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits)


def _is_text(text: str) -> bool:
    """Escapes in double quotes can write NUL and lone surrogates, which no file name and no UTF-8 can hold."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _key(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        raise _Refused(node, "a key must be one word")
    if _tag(node) not in ("str", "timestamp") or not _is_text(node.value):
        raise _Refused(node, f"the key {shown(str(node.value))} is read as {_tag(node)}; put it in quotes")
    return str(node.value)


def _expect_tag(node: Node, tag: str) -> None:
    if _tag(node) != tag:
        raise _Refused(node, f"the tag {shown(_full_tag(node))} has no meaning in a manifest; remove it")


def _full_tag(node: Node) -> str:
    return str(node.tag)


def _tag(node: Node) -> str:
    return _full_tag(node).removeprefix(_TAG)


def _is_null(node: ScalarNode) -> bool:
    return _tag(node) == "null"


def _origin(file: str, node: Node) -> Origin:
    return Origin(file, node.start_mark.line + 1, node.start_mark.column + 1)


def _position(source: Source, index: int) -> Origin:
    before = source.text[:index]
    return Origin(source.name, before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _syntax_problem(source: Source, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return _problem(Origin(source.name, 1, 1), f"is not YAML: {shown(str(error.problem))}")
    lines = source.text.splitlines()
    if mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        column = lines[mark.line].index("\t") + 1
        return _problem(Origin(source.name, mark.line + 1, column), "a tab indents this line; YAML takes only spaces")
    context = f" {shown(str(error.context))}" if error.context else ""
    message = f"is not YAML: {shown(str(error.problem))}{context}"
    return _problem(Origin(source.name, mark.line + 1, mark.column + 1), message)


def _code(character: object) -> str:
    return f"U+{ord(character):04X}" if isinstance(character, str) else f"U+{int(str(character)):04X}"


def _problem(origin: Origin, message: str, rule: str = "yaml") -> Problem:
    return Problem(origin, Severity.ERROR, "", message, rule)
