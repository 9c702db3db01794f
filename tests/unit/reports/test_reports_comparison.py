"""Two runs beside each other."""

import msgspec
import pytest
from chain_factory import PROVENANCE, fleet, host, host_with_nesting_off, silent_vm, vm, vm_without_nesting
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.model import Chain
from reports.comparison import Change, Comparison
from reports.matrix import build


def compare(before: list[Chain], now: list[Chain]) -> Comparison:
    matrix = build(now, PROVENANCE, build(before, PROVENANCE))
    assert matrix.comparison is not None
    return matrix.comparison


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ([host("a")], [host_with_nesting_off("a")], Change.BROKE),
        ([host_with_nesting_off("a")], [host("a")], Change.FIXED),
        ([host_with_nesting_off("a")], [host_with_nesting_off("a")], Change.STILL),
        ([host("a")], [host("a")], Change.SAME),
        ([vm("v")], [silent_vm("v")], Change.LOST),
        ([silent_vm("v")], [silent_vm("v")], Change.STILL),
        ([silent_vm("v")], [vm("v")], Change.FIXED),
        ([silent_vm("v")], [vm_without_nesting("v")], Change.BROKE),
        ([], [host("a")], Change.APPEARED),
        ([host("a")], [], Change.GONE),
    ],
)
def test_one_machine_before_and_now(before: list[Chain], now: list[Chain], change: Change) -> None:
    (difference,) = compare(before, now).differences
    assert difference.change is change


def test_the_checks_that_changed_are_named() -> None:
    (broke,) = compare([host("a")], [host_with_nesting_off("a")]).differences
    assert broke.new == ("check.nested-parameter", "check.offered")
    (fixed,) = compare([host_with_nesting_off("a")], [host("a")]).differences
    assert fixed.fixed == ("check.nested-parameter", "check.offered")


def test_what_nobody_could_look_at_is_not_fixed() -> None:
    (lost,) = compare([vm_without_nesting("v")], [silent_vm("v")]).differences
    assert "check.guest-cpu" not in lost.fixed
    assert lost.change is Change.LOST


def test_a_host_and_a_vm_of_one_name_are_two() -> None:
    comparison = compare([host("x")], [vm("x")])
    assert [d.change for d in comparison.differences] == [Change.APPEARED, Change.GONE]


def test_the_sentence_counts() -> None:
    assert compare([host("a"), host("b")], [host_with_nesting_off("a"), host_with_nesting_off("b")]).sentence == (
        "2 new problems"
    )
    assert compare(fleet(8, 1), fleet(8, 1)).sentence == "nothing changed (3 still, 13 as before)"
    assert compare([], []).sentence == "nothing changed"


@given(st.lists(st.sampled_from(["host", "off"]), max_size=6), st.lists(st.sampled_from(["host", "off"]), max_size=6))
def test_every_subject_is_in_it_exactly_once(before: list[str], now: list[str]) -> None:
    make = {"host": host, "off": host_with_nesting_off}
    old = [make[how](f"h{number}") for number, how in enumerate(before)]
    new = [make[how](f"h{number}") for number, how in enumerate(now)]
    comparison = compare(old, new)
    assert len(comparison.differences) == max(len(before), len(now))
    assert compare([msgspec.structs.replace(c) for c in new], new).of(Change.BROKE) == ()
