"""YAML nodes to a tree of plain values. Nothing in a file can construct an object, and aliases expand only so far."""

import re
from collections.abc import Mapping

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from provision.manifests.checking import BOOLEANS
from provision.manifests.text import shown
from provision.manifests.tree import Loc, Tree, Value
from provision.model import Origin

VALUE_LIMIT = 200_000
"""Values of one document after aliases are expanded: far more than any manifest has."""

DEPTH_LIMIT = 64

LONGEST_NUMBER = 40
"""Digits. Python refuses to print what is much longer."""

_TAG = "tag:yaml.org,2002:"
_OCTAL = re.compile(r"[-+]?0[0-7_]*[1-7][0-7_]*")
"""What YAML 1.1 reads as octal, and YAML 1.2 does not."""


class Refused(Exception):
    """A value that manifests cannot hold; `args` are the node and the message."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def build(file: str, lines: list[str], node: Node) -> Tree:
    """The tree of one document. Raises Refused for what a manifest cannot hold."""
    tree = Tree(file, lines, start=origin(file, node))
    tree.value = _Builder(tree).build(node, ())
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
            raise Refused(node, f"expands to more than {VALUE_LIMIT} values, as no manifest does")
        if len(loc) > DEPTH_LIMIT:
            raise Refused(node, f"is nested deeper than {DEPTH_LIMIT} levels")
        self.tree.values[loc] = origin(self.tree.file, node)
        if isinstance(node, ScalarNode):
            return self._scalar(node, loc)
        if id(node) in self.open:
            raise Refused(node, "holds an alias of itself")
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
                raise Refused(key_node, f"the key {shown(key)} stands twice; it was first given on line {first.line}")
            seen.add(key)
            self.tree.keys[(*loc, key)] = origin(self.tree.file, key_node)
            if not (isinstance(value_node, ScalarNode) and is_null(value_node)):
                own[key] = self.build(value_node, (*loc, key))
        return {**{k: v for k, v in merged.items() if k not in seen}, **own}

    def _merge(self, node: Node, loc: Loc) -> dict[str, Value]:
        """The keys that `<<: *alias` brings in; keys of the mapping itself win over them, earlier ones over later."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        result: dict[str, Value] = {}
        for source in sources:
            if not isinstance(source, MappingNode) or id(source) in self.open:
                raise Refused(node, "<< merges only mappings")
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
            raise Refused(node, "holds a NUL or half a character; no hypervisor takes that")
        if tag == "str":
            if node.style is None and text.lower() in BOOLEANS:
                self.tree.plain_words[loc] = text
            if node.style == "|":
                self.tree.block_scalars.add(loc)
            return text
        if tag == "timestamp":
            return text
        try:
            if tag == "int":
                if _OCTAL.fullmatch(text):
                    self.tree.plain_words[loc] = text
                return _integer(text)
            if tag == "float":
                return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan").replace(".Inf", "inf"))
        except ValueError:
            too_long = len(text) > LONGEST_NUMBER and text.isalnum()
            why = "is too long for a number; put it in quotes if it is text" if too_long else "is not a number"
            raise Refused(node, f"{shown(text)} {why}") from None
        if tag == "bool" and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if tag == "null":
            return None
        raise Refused(node, f"the tag {shown(_full_tag(node))} has no meaning in a manifest; remove it")


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
    if len(digits) > LONGEST_NUMBER:
        raise ValueError("no number of a manifest is that long")
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
        raise Refused(node, "a key must be one word")
    if _tag(node) not in ("str", "timestamp") or not _is_text(node.value):
        raise Refused(node, f"the key {shown(str(node.value))} is read as {_tag(node)}; put it in quotes")
    return str(node.value)


def _expect_tag(node: Node, tag: str) -> None:
    if _tag(node) != tag:
        raise Refused(node, f"the tag {shown(_full_tag(node))} has no meaning in a manifest; remove it")


def _full_tag(node: Node) -> str:
    return str(node.tag)


def _tag(node: Node) -> str:
    return _full_tag(node).removeprefix(_TAG)


def is_null(node: ScalarNode) -> bool:
    return _tag(node) == "null"


def origin(file: str, node: Node) -> Origin:
    return Origin(file, node.start_mark.line + 1, node.start_mark.column + 1)
