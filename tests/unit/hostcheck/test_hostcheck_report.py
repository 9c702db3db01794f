"""Reading reports: hostile bytes end as a ReportError or as facts, never as anything else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import amd_host, report

from hostcheck.facts import Cpuid, read
from hostcheck.judge import judge
from hostcheck.report import MAX_BYTES, FactStatus, ReportError, decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_round_trip() -> None:
    original = report(amd_host())
    assert decode(encode(original)) == original


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    with pytest.raises(ReportError):
        decode(data)


@given(st.dictionaries(st.sampled_from(sorted(amd_host())), JSON))
def test_arbitrary_facts_are_judged_or_refused(changes: dict[str, object]) -> None:
    raw = json.loads(encode(report(amd_host())))
    for name, value in changes.items():
        raw["facts"][name] = {"status": "ok", "source": "x", "value": value}
    try:
        decoded = decode(json.dumps(raw).encode())
    except ReportError:
        return
    judge(decoded)


def test_too_large() -> None:
    with pytest.raises(ReportError, match="at most 65536"):
        decode(b" " * (MAX_BYTES + 1))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ReportError):
        decode(b"[" * 60000)


def test_another_schema_is_refused_by_name() -> None:
    raw = json.loads(encode(report(amd_host())))
    raw["schema"] = "nestproof.report/9"
    with pytest.raises(ReportError, match=r"nestproof\.report/9"):
        decode(json.dumps(raw).encode())


def test_unknown_keys_and_facts_are_ignored() -> None:
    raw = json.loads(encode(report(amd_host())))
    raw["later"] = 1
    raw["facts"]["later.fact"] = {"status": "ok", "value": 1, "extra": True}
    assert decode(json.dumps(raw).encode()).facts["later.fact"].value == 1


def test_a_value_of_the_wrong_shape_is_an_error_fact() -> None:
    raw = json.loads(encode(report(amd_host())))
    raw["facts"]["cpu.cpuid"]["value"] = {"vmx": "yes"}
    fact = read(decode(json.dumps(raw).encode()), "cpu.cpuid", Cpuid)
    assert fact.status is FactStatus.ERROR or fact.known is None
    assert "shape" in fact.error
