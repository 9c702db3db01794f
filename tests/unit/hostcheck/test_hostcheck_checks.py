"""The catalogue: every result of every check on a machine that gives it, and what holds for all of them."""

from collections import Counter

import pytest
from check_cases import CASES
from check_cases.case import Case
from check_cases.policy import TODAY, waiver
from full_machines import amd, intel
from hypothesis import given
from hypothesis import strategies as st
from machines import FactDict, ok, pvm_vm, report

from agent.facts import PROBES
from hostcheck.checks import Check, catalogue
from hostcheck.facts import Facts
from hostcheck.judge import DECIDING, DOUBTS, judge
from hostcheck.model import Severity, Status
from hostcheck.remedies.book import book

BY_ID = {check.id: check for check in catalogue()}
WISHED = {"machine.os", "host.namespaces", "host.libvirt_cache"}
"""Facts that no released agent sends yet: their checks are unknown until then."""

INFORMS = {"machine.hypervisor"}
"""Says what the machine runs in: no answer to that is a bad one."""
NEVER_UNKNOWN = {"policy.waivers"}
"""Looks at no machine: a policy that cannot be read ends the command."""
ASKED_EVERYWHERE = {
    "machine.confidential", "machine.hypervisor", "machine.container", "firmware.lockdown", "kernel.log",
    "cpu.emulated", "kvm.module", "kvm.device", "kvm.capabilities", "nested.offered", "rivals.present",
    "capacity.cpus", "capacity.memory", "capacity.disk", "capacity.steal",
    "host.vhost-net", "host.vhost-vsock", "host.tun", "host.fuse", "host.cgroups", "host.namespaces",
}  # fmt: skip
"""Every machine has an answer to these, whatever its CPU, its kernel and what runs it: there is nothing to skip for."""


def run(case: Case, facts: dict[str, FactDict] | None = None) -> tuple[Status, str, tuple[str, ...]]:
    found = BY_ID[case.check].run(Facts(report(case.facts if facts is None else facts), case.policy))
    return found.status, found.summary, tuple(remedy.id for remedy in found.remedies)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{case.status}-{case.says}")
def test_the_result(case: Case) -> None:
    status, summary, remedies = run(case)
    assert (status, remedies) == (case.status, case.remedies), summary
    assert case.says in summary


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{case.status}-{case.says}")
def test_a_check_reads_the_facts_that_it_names_and_no_other(case: Case) -> None:
    named = BY_ID[case.check].facts
    assert run(case, {name: fact for name, fact in case.facts.items() if name in named}) == run(case)


def test_every_result_that_a_check_can_give_has_a_case() -> None:
    assert {(case.check, case.status) for case in CASES} == {(c.id, status) for c in catalogue() for status in c.gives}


def test_every_check_passes_complains_is_unknown_and_is_skipped_or_is_known_not_to() -> None:
    """Each has a case of each kind, by the test above. What lacks a kind is named here: none lacks it unseen."""
    complaints = {Status.WARN, Status.FAIL}
    for check in catalogue():
        gives = set(check.gives)
        assert Status.PASS in gives, check.id
        assert bool(gives & complaints) == (check.id not in INFORMS), check.id
        assert (Status.UNKNOWN in gives) == (check.id not in NEVER_UNKNOWN), check.id
        assert (Status.SKIP in gives) == (check.id not in ASKED_EVERYWHERE), check.id


def test_without_any_fact_nothing_passes_and_nothing_fails() -> None:
    for finding in judge(report({})).findings:
        assert finding.status in (Status.UNKNOWN, Status.SKIP), finding
        assert finding.status is Status.UNKNOWN or finding.summary, finding.check


def test_every_remedy_that_a_check_can_name_has_a_case() -> None:
    given_by: dict[str, set[str]] = {check.id: set() for check in catalogue()}
    for case in CASES:
        given_by[case.check].update(case.remedies)
    for check in catalogue():
        assert given_by[check.id] <= set(check.remedies), check.id
        assert set(check.remedies) <= set(book())
    assert set().union(*given_by.values()) == set(book())


@pytest.mark.parametrize("check", catalogue(), ids=lambda check: check.id)
def test_every_check_explains_itself(check: Check) -> None:
    assert check.question.endswith("?")
    assert check.why.endswith(".") and check.judged.endswith(".")
    assert check.links, "where to read on"
    assert len(set(check.facts)) == len(check.facts)
    assert set(check.facts) <= {probe[0] for probe in PROBES} | WISHED
    assert set(check.needs) <= set(BY_ID)


def test_causes_stand_before_their_consequences() -> None:
    order = [check.id for check in catalogue()]
    for check in catalogue():
        assert all(order.index(need) < order.index(check.id) for need in check.needs)


def test_only_what_blocks_can_fail_and_only_the_chain_blocks() -> None:
    for check in catalogue():
        assert (Status.FAIL in check.gives) == (check.severity is Severity.BLOCKS), check.id
        if check.severity is Severity.BLOCKS:
            assert check.id in DECIDING
    assert {check.id for check in catalogue() if check.id in DECIDING and check.severity is not Severity.BLOCKS} <= {
        *DOUBTS
    }


SIDE_FACTS = sorted(
    {fact for check in catalogue() for fact in check.facts}
    - {fact for check in catalogue() if check.id in DECIDING for fact in check.facts}
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(SIDE_FACTS), ANYTHING), st.sampled_from([amd, intel]))
def test_facts_of_other_checks_change_no_answer(changes: dict[str, object], machine: object) -> None:
    facts = machine()  # type: ignore[operator]
    before = judge(report(facts))
    after = judge(report(facts | {name: ok(value) for name, value in changes.items()}))
    assert (before.runs_guests, before.guests_nest) == (after.runs_guests, after.guests_nest)


def test_no_case_gives_a_result_that_its_check_does_not_name() -> None:
    for case in CASES:
        for finding in judge(report(case.facts), policy=case.policy).findings:
            assert finding.status in BY_ID[finding.check].gives, (case.check, finding)


def test_a_missing_or_misshapen_fact_never_fails_a_check() -> None:
    for machine in (amd, intel):
        for name in machine():
            facts = machine()
            for value in ({"surprise": [1]}, [{"x": 1}], "text", -1, None):
                for changed in ({k: v for k, v in facts.items() if k != name}, facts | {name: ok(value)}):
                    failed = [f.check for f in judge(report(changed)).findings if f.status is Status.FAIL]
                    assert not failed, (name, value)


def test_a_good_machine_has_nothing_to_complain_about() -> None:
    """A full report of a good host: no warning that a reader would learn to ignore."""
    counts = Counter(finding.status for finding in judge(report(intel())).findings)
    assert (counts[Status.WARN], counts[Status.FAIL], counts[Status.UNKNOWN]) == (0, 0, 0)
    amd_warnings = [f.check for f in judge(report(amd())).findings if f.status is Status.WARN]
    assert amd_warnings == ["nested.migration"]


def test_a_waived_finding_keeps_its_result_and_says_so() -> None:
    plain, waived = judge(report(pvm_vm())), judge(report(pvm_vm()), policy=waiver("kvm.engine", TODAY))
    found = waived.finding("kvm.engine")
    assert found is not None and found.status is Status.WARN
    assert found.waived == f"known; ann, until {TODAY}"
    assert found.headline.startswith("waived: ")
    assert (plain.runs_guests, plain.guests_nest) == (waived.runs_guests, waived.guests_nest)


def test_a_waiver_changes_no_verdict_and_marks_nothing_that_passed() -> None:
    plain = judge(report(pvm_vm()))
    waived = judge(report(pvm_vm()), policy=waiver("cpu.virtualization", TODAY))
    assert plain.guests_nest == waived.guests_nest
    good = judge(report(amd()), policy=waiver("cpu.virtualization", TODAY)).finding("cpu.virtualization")
    assert good is not None and good.waived == ""


@pytest.mark.parametrize(("gib", "says"), [(7.3, "less than 8"), (7.6, "16 or more"), (14.6, "16 or more"), (15.5, "")])
def test_what_firmware_keeps_of_the_memory_is_not_held_against_a_machine(gib: float, says: str) -> None:
    room = ok({"total": int(gib * (1 << 30))})
    found = judge(report(amd(capacity_memory=room))).finding("capacity.memory")
    assert found is not None and says in found.summary
    assert ("less" in found.summary, "recommended" in found.summary) == ("less" in says, "more" in says)
