"""Values against their schema: every violation with its place, and no value taken that the exported schema refuses."""

from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.manifests.checking import Fault, checked
from provision.manifests.hidden import Hidden
from provision.manifests.jsonschema import of_kind
from provision.manifests.leaves import schema_leaves
from provision.manifests.schemas import KINDS, Secret, VirtualMachine, VMClass

HEAD = {"apiVersion": "v", "kind": "k", "metadata": {"name": "x"}}
SECRET = "correct horse"


def faults(schema: type[Any], value: dict[str, Any]) -> list[tuple[str, Fault]]:
    model, found = checked(schema, HEAD | value)
    assert (model is None) is bool(found)
    return [(".".join(map(str, violation.loc)), violation.fault) for violation in found]


def test_all_at_once_and_each_at_its_place() -> None:
    spec = {"cpu": 0, "memory": "8 GB", "firmware": "efi", "bogus": 1, "diskDefaults": {"iops": 7, "size": True}}
    assert faults(VMClass, {"spec": spec}) == [
        ("spec.cpu", Fault.TOO_SMALL),
        ("spec.memory", Fault.QUANTITY),
        ("spec.firmware", Fault.LITERAL),
        ("spec.diskDefaults.size", Fault.QUANTITY),
        ("spec.diskDefaults.iops", Fault.TOO_SMALL),
        ("spec.bogus", Fault.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("tags", ["a"] * 51, ("spec.tags", Fault.TOO_MANY)),
        ("tags", ["a", 1], ("spec.tags.1", Fault.TYPE)),
        ("tags", {"a": "b"}, ("spec.tags", Fault.TYPE)),
        ("networks", [{"name": "a\n"}], ("spec.networks.0.name", Fault.PATTERN)),
        ("networks", [{"name": "a" * 64}], ("spec.networks.0.name", Fault.TEXT_TOO_LONG)),
        ("networks", [{"name": ["a"] * 64}], ("spec.networks.0.name", Fault.TYPE)),
        ("networks", [{}], ("spec.networks.0.name", Fault.MISSING)),
        ("resources", {"cpu": True}, ("spec.resources.cpu", Fault.TYPE)),
        ("resources", {"cpu": 2.5}, ("spec.resources.cpu", Fault.TYPE)),
        ("resources", {"cpu": float("inf")}, ("spec.resources.cpu", Fault.TYPE)),
        ("lifecycle", {"gracefulShutdownTimeout": 60}, ("spec.lifecycle.gracefulShutdownTimeout", Fault.PATTERN)),
        ("networks", [{"name": 7}], ("spec.networks.0.name", Fault.TYPE)),
        ("resources", {"cpu": 10**30}, ("spec.resources.cpu", Fault.TOO_LARGE)),
        ("lifecycle", {"preStop": {"exec": {"command": []}}}, ("spec.lifecycle.preStop.exec.command", Fault.TOO_FEW)),
    ],
)
def test_one_violation(field: str, value: object, fault: tuple[str, Fault]) -> None:
    spec = {"providerRef": {"name": "p"}, "classRef": {"name": "c"}, "imageRef": {"name": "i"}}
    assert faults(VirtualMachine, {"spec": spec}) == []
    assert faults(VirtualMachine, {"spec": spec | {field: value}}) == [fault]


@pytest.mark.parametrize(("word", "meant"), [("On", True), ("yes", True), ("off", False), ("No", False), ("y", True)])
def test_words_for_booleans_mean_what_kubectl_reads(word: str, meant: bool) -> None:
    profile = {"nestedVirtualization": word}
    model, _ = checked(VMClass, HEAD | {"spec": {"cpu": 4, "memory": "8Gi", "performanceProfile": profile}})
    assert model is not None
    assert model.spec.performance_profile.nested_virtualization is meant


@pytest.mark.parametrize(("cpu", "memory"), [(4.0, 8e9), (4, 8_000_000_000)])
def test_a_whole_number_may_be_written_as_a_float(cpu: float, memory: float) -> None:
    """kubectl sends `cpu: 4.0` as 4 and `memory: 8e9` as 8000000000."""
    model, _ = checked(VMClass, HEAD | {"spec": {"cpu": cpu, "memory": memory}})
    assert model is not None
    assert (model.spec.cpu, model.spec.memory) == (4, 8 * 10**9)
    assert type(model.spec.cpu) is int


def test_a_secret_is_in_no_repr() -> None:
    model, _ = checked(Secret, HEAD | {"stringData": {"password": SECRET}})
    assert model is not None
    assert model.string_data == {"password": Hidden(SECRET)}
    assert SECRET not in f"{model!r} {model.string_data!r} {model.string_data['password']}"


scalars = st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | st.sampled_from(["8Gi", "a"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@cache
def validator(kind: str) -> Any:
    return jsonschema.Draft202012Validator(of_kind(kind))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_is_taken_that_the_exported_schema_refuses(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    version, schema = KINDS[kind]
    document: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}
    leaf = data.draw(st.sampled_from(sorted(leaf for leaf in schema_leaves(schema) if "[]" not in leaf)))
    *parents, last = leaf.split(".")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
    place["key" if last == "*" else last] = data.draw(values)
    if kind == "VMClass":
        document["spec"] = {"cpu": 4, "memory": "8Gi"} | document.get("spec", {})
    model, found = checked(schema, document)
    assert (model is None) is bool(found)
    if model is not None:
        words = [value for value in place.values() if str(value).lower() in ("on", "off", "yes", "no")]
        assert words or validator(kind).is_valid(document)
