"""YAML as people break it: one line each, at the line and column of the fault."""

from pathlib import Path

import pytest
from manifest_texts import lines, read

from provision.manifests import syntax
from provision.manifests.nodes import VALUE_LIMIT
from provision.manifests.sources import Source
from provision.manifests.tree import Tree

HEAD = "apiVersion: infra.virtrigaud.io/v1beta1\nkind: VMClass\nmetadata: {name: c}\nspec:\n  cpu: 1\n"


def tree(text: str) -> Tree:
    (parsed,) = syntax.parse(Source("f", Path(), text))
    assert isinstance(parsed, Tree), parsed
    return parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "  memory: 1Gi\n  cpu: 2\n", "7:3: error: the key cpu stands twice; it was first given on line 5"),
        ("a:\n\t- b\n", "2:1: error: a tab indents this line; YAML takes only spaces"),
        ("a: [1\nb: 2\n", "2:2: error: is not YAML: expected ',' or ']', but got ':' while parsing a flow sequence"),
        ("a: b: c\n", "1:5: error: is not YAML: mapping values are not allowed here"),
        ("a: 'x\n", "2:1: error: is not YAML: found unexpected end of stream while scanning a quoted scalar"),
        ("a: *nowhere\n", "1:4: error: is not YAML: found undefined alias 'nowhere'"),
        ("a: \x01\n", "1:4: error: holds a character that YAML forbids: U+0001"),
        ("a: !!python/object:os.system x\n", "1:4: error: the tag tag:yaml.org,2002:python/object:os.system has no"),
        ('a: "\\UFFFFFFFF"\n', "1:1: error: is not YAML: "),
        ("%YAML 1." + "1" * 9000 + "\n---\na\n", "1:1: error: is not YAML: "),
        ("a: !Ref x\n", "1:4: error: the tag !Ref has no meaning in a manifest; remove it"),
        ("a: !!int x\n", "1:4: error: x is not a number"),
        ("1: x\n", "1:1: error: the key 1 is read as int; put it in quotes"),
        ("true: x\n", "1:1: error: the key true is read as bool; put it in quotes"),
        ("? [a]\n: x\n", "1:3: error: a key must be one word"),
        ("a: {{ .Values.a }}\n", "1:5: error: a key must be one word; {{ belongs to a template: give what it renders"),
        ("{{- if .a }}\na: 1\n", "1:3: error: is not YAML: "),
        ("&a [*a]\n", "1:1: error: holds an alias of itself"),
        ("&a {<<: *a}\n", "1:1: error: << merges only mappings"),
        ("[" * 5000, "1:1: error: is nested deeper than 64 levels"),
        ("- " * 100 + "x\n", "1:131: error: is nested deeper than 64 levels"),
        ('a: "\\0"\n', "1:4: error: holds a NUL or half a character; no hypervisor takes that"),
        ('a: "\\ud800"\n', "1:4: error: holds a NUL or half a character; no hypervisor takes that"),
        ("a: 0x" + "f" * 9000 + "\n", "1:4: error: 0xfff"),
        ("a: " + "0" * 64 + "\n", f"1:4: error: {'0' * 64} is too long for a number; put it in quotes if it is text"),
        ("- a\n", "1:1: error: expected a mapping with apiVersion, kind, metadata and spec, got a list"),
        ("just words\n", "1:1: error: expected a mapping with apiVersion, kind, metadata and spec, got a string"),
    ],
)
def test_one_line_at_the_place(text: str, expected: str) -> None:
    (line,) = lines(read(text).problems)
    assert line.startswith(f"<stdin>:{expected}")


def test_aliases_do_not_blow_up() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    merges = "a0: &a0 {x: 1}\n"
    merges += "".join(f"a{i}: &a{i}\n  <<: [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    for text in (bomb, merges):
        (line,) = lines(read(text).problems)
        assert f"expands to more than {VALUE_LIMIT} values" in line


def test_documents_before_the_fault_are_kept() -> None:
    documents = read(HEAD + "  memory: 1Gi\n---\na: b: c\n")
    assert [d.name for d in documents.items] == ["c"]
    assert len(documents.problems) == 1


def test_yaml_1_2_values() -> None:
    given = tree("{on: On, no: no, ten: 010, hex: 0x1F, oct: 0o17, under: 1_000, neg: -3, day: 2026-01-01, e: 1e3}")
    assert given.value == {
        "on": "On",
        "no": "no",
        "ten": 10,
        "hex": 31,
        "oct": 15,
        "under": 1000,
        "neg": -3,
        "day": "2026-01-01",
        "e": 1000.0,
    }
    assert given.plain_words == {("on",): "On", ("no",): "no", ("ten",): "010"}


def test_an_anchor_may_be_used_again() -> None:
    assert tree("a: &x 1\nb: &x 2\nc: *x\n").value == {"a": 1, "b": 2, "c": 2}


def test_yaml_1_1_directive_is_obeyed() -> None:
    assert tree("%YAML 1.1\n---\npowerState: On\n").value == {"powerState": True}


def test_empty_values_are_left_out_but_keep_their_place() -> None:
    given = tree("a:\nb: ~\nc:\n  d: 1\n")
    assert given.value == {"c": {"d": 1}}
    assert str(given.at(("b",))) == "f:2:1"


def test_merged_keys_give_way_to_own_ones_and_keep_their_place() -> None:
    given = tree("base: &b {x: 1, y: 2, z: 3}\nown:\n  <<: *b\n  y: 5\n  z:\n")
    assert given.value["own"] == {"x": 1, "y": 5}
    assert str(given.at(("own", "x"))) == "f:1:14"
    assert str(given.at(("own", "y"))) == "f:4:6"


def test_places_of_keys_values_and_block_lines() -> None:
    given = tree("a:\n  - b: c\n    t: |\n      one\n\n      two\n")
    assert str(given.at(("a", 0, "b"))) == "f:2:8"
    assert str(given.place(("a", 0, "b"))) == "f:2:5"
    assert str(given.line_in(("a", 0, "t"), 3)) == "f:6:7"
    assert str(given.at(("a", 0, "nowhere", "deep"))) == "f:2:5"
