"""The exported JSON Schema takes what we take and refuses what we refuse."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from manifest_texts import outcome
from ruamel.yaml import YAML

from provision.manifests.jsonschema import every_kind, of_kind
from provision.manifests.schemas import KINDS
from provision.model import Severity

ROOT = Path(__file__).parents[3]
FILES = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "tests/fixtures/mission/complete.yaml"]


def documents(path: Path) -> list[Any]:
    return [document for document in YAML(typ="safe").load_all(path.read_text()) if document]


def faults(document: object, schema: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_our_own_manifests_are_valid(path: Path) -> None:
    for document in documents(path):
        assert faults(document, every_kind()) == []
        assert faults(document, of_kind(document["kind"])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(of_kind(kind))
    assert faults({"kind": kind, "apiVersion": "other/v1", "metadata": {"name": "x"}, "spec": {}}, of_kind(kind))


def test_the_schema_of_all_is_one_and_knows_every_kind() -> None:
    jsonschema.Draft202012Validator.check_schema(every_kind())
    assert faults({"kind": "VMCalss"}, every_kind())
    assert faults({}, every_kind())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cpus": 4}, "cpus"),
        ({"cpu": "four"}, "four"),
        ({"memory": "8 GB"}, "8 GB"),
        ({"firmware": "efi?"}, "efi?"),
        ({"performanceProfile": {"nestedVirtualisation": True}}, "nestedVirtualisation"),
    ],
)
def test_what_is_misspelt_is_refused(change: dict[str, object], says: str) -> None:
    spec = {"cpu": 4, "memory": "8Gi", "firmware": "UEFI"} | change
    document = {"kind": "VMClass", "apiVersion": KINDS["VMClass"][0], "metadata": {"name": "x"}, "spec": spec}
    assert says in " ".join(faults(document, every_kind()))


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({"performanceProfile": None, "firmware": None, "extraConfig": None}, True),
        ({"diskDefaults": {"size": None}}, True),
        ({"cpu": 4.0, "memory": 8e9}, True),
        ({"cpu": None}, False),
        ({"memory": 1.5}, False),
        ({"firmware": "uefi"}, False),
    ],
)
def test_an_editor_marks_what_lint_refuses(change: dict[str, object], good: bool) -> None:
    """A field that may be left out may be empty; 4.0 is a whole number."""
    document = {
        "kind": "VMClass",
        "apiVersion": KINDS["VMClass"][0],
        "metadata": {"name": "x", "labels": None},
        "spec": {"cpu": 4, "memory": "8Gi"} | change,
    }
    assert (faults(document, every_kind()) == []) is good
    assert (faults(document, of_kind("VMClass")) == []) is good
    assert any(problem.rule != "size-rounded" for problem in outcome(json.dumps(document))[1]) is not good


def test_what_kubectl_prints_of_several_objects_is_a_list_of_documents() -> None:
    entry = {"apiVersion": KINDS["VMClass"][0], "kind": "VMClass", "metadata": {"name": "x"}}
    good = entry | {"spec": {"cpu": 4, "memory": "8Gi"}}
    assert faults({"apiVersion": "v1", "kind": "List", "items": [good]}, every_kind()) == []
    assert faults({"apiVersion": "v1", "kind": "List", "items": [good, entry]}, every_kind())
    assert faults({"apiVersion": KINDS["VMClass"][0], "kind": "VMSnapshot", "spec": {"x": 1}}, every_kind()) == []


@pytest.mark.parametrize(
    ("version", "kind", "good"),
    [
        ("v1", "ConfigMap", True),
        ("apps/v1", "Deployment", True),
        ("kubevirt.io/v1", "VirtualMachine", True),
        ("v1", "Secrets", False),
        ("v1", "VMClass", False),
        ("infra.virtigaud.io/v1beta1", "VMClass", False),
        ("infra.virtrigaud.io/v1beta1", "ConfigMap", False),
    ],
)
def test_documents_of_other_programs_pass_as_for_lint(version: str, kind: str, good: bool) -> None:
    document = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "data": {"a": "b"}}
    assert (faults(document, every_kind()) == []) is good
    assert ([p.severity for p in outcome(json.dumps(document))[1]] == [Severity.WARNING]) is good


def test_a_misspelt_field_is_marked_alone() -> None:
    """Not all of the mapping around it, which may be empty instead."""
    spec = {"cpu": 4, "memory": "8Gi", "performanceProfile": {"nestedVirtualization": "yes"}}
    document = {"apiVersion": KINDS["VMClass"][0], "kind": "VMClass", "metadata": {"name": "x"}, "spec": spec}
    (error,) = jsonschema.Draft202012Validator(every_kind()).iter_errors(document)
    assert list(error.absolute_path) == ["spec", "performanceProfile", "nestedVirtualization"]


def test_an_entry_of_a_list_is_not_empty() -> None:
    spec = {"providerRef": {"name": "p"}, "classRef": {"name": "c"}, "networks": [None]}
    document = {"apiVersion": KINDS["VMClass"][0], "kind": "VirtualMachine", "metadata": {"name": "x"}, "spec": spec}
    assert faults(document, every_kind()) and "networks[0]" in str(outcome(json.dumps(document))[1])
    spec["networks"] = None
    assert faults(document, every_kind()) == []
