import msgspec
import pytest
from chain_factory import (
    PROVENANCE,
    fleet,
    host,
    host_with_nesting_off,
    nobody_in_a_vm,
    pvm_host,
    silent_vm,
    tcg_vm,
    vm,
    vm_without_nesting,
)

from hostcheck.model import Answer, Chain, Finding, Link, Question, Status, Verdict
from reports.matrix import Matrix, build
from reports.rows import Outcome, outcome_of


def matrix(*chains: Chain) -> Matrix:
    return build(chains, PROVENANCE)


def totals(of: Matrix) -> dict[str, int]:
    return {count.outcome.name: count.total for count in of.counts}


def test_hosts_come_first_each_followed_by_its_vms_in_the_order_of_their_numbers() -> None:
    chains = [
        vm("a/on-2", on="kvm2"),
        host("kvm10"),
        vm("b/orphan", on="elsewhere"),
        host("kvm2"),
        vm("a/vm10", on="kvm10"),
        vm("a/vm9", on="kvm10"),
    ]
    labels = [row.label for row in matrix(*chains).rows]
    assert labels == ["kvm2", "a/on-2", "kvm10", "a/vm9", "a/vm10", "b/orphan"]


def test_every_row_has_every_link_in_order_and_none_is_blank() -> None:
    for row in matrix(*fleet(8, 2), pvm_host(), tcg_vm()).rows:
        assert [cell.link.link for cell in row.cells] == list(Link)
        assert all(cell.word and cell.link.summary for cell in row.cells)


def test_a_link_that_the_chain_leaves_out_is_unknown_not_passed() -> None:
    chain = host()
    (row,) = matrix(Chain(**{f: getattr(chain, f) for f in chain.__struct_fields__} | {"links": ()})).rows
    assert {cell.link.status for cell in row.cells} == {Status.UNKNOWN}


def test_cells_that_do_not_apply_say_why() -> None:
    rows = matrix(pvm_host(), tcg_vm()).rows
    words = {row.label: {cell.link.link: cell.word for cell in row.cells} for row in rows}
    assert words["builder-3"][Link.VM_ASKS] == "VM only"
    assert words["default/nested-vm"][Link.CPU] == "not used"


def test_only_the_first_broken_link_is_called_broken() -> None:
    (row,) = matrix(vm_without_nesting()).rows
    assert [cell.link.link for cell in row.cells if cell.broken] == [Link.VM_ASKS]
    assert [cell.word for cell in row.cells if cell.link.status is Status.FAIL] == ["broken", "fail", "fail", "fail"]


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.PROVEN, Outcome.WORKS),
        (Verdict.DEGRADED, Outcome.DEGRADED),
        (Verdict.CAPABLE, Outcome.UNKNOWN),
        (Verdict.UNKNOWN, Outcome.UNKNOWN),
        (Verdict.MISCONFIGURED, Outcome.BROKEN),
        (Verdict.BLOCKED_FIRMWARE, Outcome.BROKEN),
        (Verdict.BLOCKED_POLICY, Outcome.BROKEN),
        (Verdict.CONFLICT, Outcome.BROKEN),
        (Verdict.UNSUPPORTED, Outcome.BROKEN),
    ],
)
def test_what_was_not_run_does_not_count_as_working(verdict: Verdict, outcome: Outcome) -> None:
    assert outcome_of(verdict) is outcome


def test_the_counters_tell_hosts_from_vms() -> None:
    counted = matrix(host(), host_with_nesting_off(), vm(), tcg_vm("a/b", "kvm07"), silent_vm())
    assert totals(counted) == {"WORKS": 2, "DEGRADED": 1, "BROKEN": 1, "UNKNOWN": 1}
    assert [count.who for count in counted.counts] == ["1 host, 1 VM", "1 VM", "1 host", "1 VM"]


@pytest.mark.parametrize(
    ("chains", "sentence", "outcome"),
    [
        ([], "Nothing was checked yet", Outcome.UNKNOWN),
        ([host(), vm()], "1 of 1 VMs ran its own guest", Outcome.WORKS),
        ([pvm_host(), tcg_vm()], "1 of 1 VMs ran its own guest; its CPU is emulated", Outcome.DEGRADED),
        (
            [host(), vm_without_nesting()],
            "default/nested-vm cannot run VMs: nested virtualization is off in the VM's configuration "
            "(nested-vm.yaml:14:31)",
            Outcome.BROKEN,
        ),
        (
            [silent_vm()],
            "whether default/quiet runs VMs is not known: the VM sent no report within 300 s",
            Outcome.UNKNOWN,
        ),
        ([pvm_host()], "builder-3 cannot run VMs that run VMs: KVM offers neither vmx nor svm to its guests", "broken"),
        ([host("a"), host("b")], "2 of 2 hosts can run VMs that run VMs", Outcome.WORKS),
        ([host("a"), pvm_host("b")], "1 of 2 hosts can run VMs that run VMs; 1 cannot", Outcome.BROKEN),
        (
            [vm("a/1"), tcg_vm("a/2"), vm_without_nesting("a/3"), silent_vm("a/4")],
            "2 of 4 VMs ran their own guests; 1 cannot, 1 not known; 1 of them on an emulated CPU",
            Outcome.BROKEN,
        ),
        ([tcg_vm("a/1"), tcg_vm("a/2")], "2 of 2 VMs ran their own guests; their CPUs are emulated", "works, degraded"),
    ],
)
def test_one_sentence_says_it_all(chains: list[Chain], sentence: str, outcome: str) -> None:
    built = matrix(*chains)
    assert (built.sentence, built.outcome) == (sentence, outcome)


def test_the_same_cause_with_the_same_remedy_is_one_problem() -> None:
    problems = matrix(*fleet(22, 3)).problems
    assert [(p.link, len(p.rows)) for p in problems] == [
        (Link.VM_ASKS, 9),
        (Link.NESTED_PARAMETER, 3),
        (None, 5),
    ]
    assert [remedy.commands for remedy in problems[0].remedies] == [("nestproof apply nested-vm.yaml --wait",)]
    assert {row.outcome for row in problems[2].rows} == {Outcome.UNKNOWN}


def test_what_works_is_no_problem() -> None:
    assert matrix(host(), vm(), tcg_vm("a/b")).problems == ()


def test_a_verdict_without_broken_link_takes_those_of_the_deciding_check() -> None:
    remedy = host_with_nesting_off().links[3].remedies[0]
    chain = host(
        "kvm09",
        nests=Answer(Verdict.UNKNOWN, "the proof ended early", "nested.run"),
        findings=(Finding("nested.run", Status.UNKNOWN, "the proof ended early", remedies=(remedy,)),),
    )
    (problem,) = matrix(chain).problems
    assert (problem.link, problem.cause, problem.remedies) == (None, "the proof ended early", (remedy,))


def test_two_answers_with_two_causes_are_two_problems() -> None:
    problems = matrix(nobody_in_a_vm(), pvm_host()).problems
    assert [(p.link, [row.label for row in p.rows]) for p in problems] == [
        (Link.OFFERED, ["builder-3"]),
        (Link.CPU, ["builder-4"]),
        (Link.ACCESS, ["builder-4"]),
    ]


def test_the_cause_of_the_asked_question_comes_first() -> None:
    chain = nobody_in_a_vm()
    asked = msgspec.structs.replace(
        chain, question=Question.RUNS_GUESTS, verdict=Verdict.BLOCKED_POLICY, broken=Link.ACCESS
    )
    (row,) = matrix(asked).rows
    assert [cause.question for cause in row.causes] == [Question.RUNS_GUESTS, Question.GUESTS_NEST]
    assert [cause.link.link for cause in row.causes if cause.link] == [Link.ACCESS, Link.CPU]


def test_what_works_for_the_asked_question_needs_no_mending() -> None:
    asked = msgspec.structs.replace(pvm_host(), question=Question.RUNS_GUESTS, verdict=Verdict.DEGRADED, broken=None)
    assert matrix(asked).problems == ()


def test_what_the_guests_of_a_broken_vm_could_do_is_no_cause_of_its_own() -> None:
    chain = vm_without_nesting()
    nests = Answer(Verdict.UNSUPPORTED, "the CPU has neither vmx nor svm", "check.guest-cpu")
    (problem,) = matrix(msgspec.structs.replace(chain, guests_nest=nests)).problems
    assert problem.link is Link.VM_ASKS


def test_names_that_look_the_same_keep_places_of_their_own() -> None:
    rows = matrix(host("a\x00"), host("a\x01"), host("x" * 70000), host("x" * 70000 + "y")).rows
    assert len({row.anchor for row in rows}) == 4
    assert all(len(row.label) < 130 and len(row.sentence) < 300 for row in rows)


def test_an_anchor_needs_no_quoting_in_an_address() -> None:
    (row,) = matrix(host('<img src=x onerror="1"> ‮ 主机')).rows
    assert row.anchor.isascii()
    assert not set(row.anchor) & set("<>\"' `#&?")
