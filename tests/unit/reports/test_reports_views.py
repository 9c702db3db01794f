"""What the views of the page are made of: levels, support, performance, coverage."""

from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from chain_factory import (
    PROVENANCE,
    host,
    host_with_nesting_off,
    link,
    pvm_host,
    silent_vm,
    tcg_vm,
    vm,
    vm_without_nesting,
)
from hypothesis import example, given
from hypothesis import strategies as st

from hostcheck.model import Answer, Chain, Link, Machine, Setting, Status, Timing, Verdict
from reports.coverage import coverage
from reports.documented import DOCUMENTS, Capability, Family
from reports.html import render
from reports.html.plots import plots
from reports.html.topology import MOST_HOSTS, MOST_VMS, topology
from reports.levels import Level, branches, stages, way_of
from reports.matrix import build
from reports.performance import CLAIM, credible, performance
from reports.rows import Row
from reports.support import NOT_TOLD, Section, Version, microseconds, place, support


def rows(*chains: Chain) -> tuple[Row, ...]:
    return build(chains, PROVENANCE).rows


def measured(name: str, exit_ns: float | None, inner_ns: float | None = None, cpu: str = "EPYC") -> Chain:
    timings = (Timing(exit_ns) if exit_ns else None, Timing(inner_ns) if inner_ns else None)
    return msgspec.structs.replace(host(name), machine=Machine(1.0, cpu, exit=timings[0], inner_exit=timings[1]))


def section(family: Family, *chains: Chain) -> Section:
    return next(each for each in support(rows(*chains)) if each.family is family)


def version(family: Family, *chains: Chain) -> Version:
    (only,) = section(family, *chains).versions
    return only


@pytest.mark.parametrize(
    ("chain", "reached", "lost"),
    [
        (vm(), Level.L2, None),
        (tcg_vm(), Level.L2, None),
        (vm_without_nesting(), Level.L0, Level.VM),
        (host_with_nesting_off(), None, Level.L0),
        (silent_vm(), Level.VM, Level.L1),
    ],
)
def test_how_far_it_got(chain: Chain, reached: Level | None, lost: Level | None) -> None:
    (row,) = rows(chain)
    way = way_of(row)
    assert (way.reached, way.lost) == (reached, lost)


def test_the_stages_lose_what_they_say(fleet_of: Callable[[int], list[Chain]]) -> None:
    found = stages(rows(*fleet_of(2000)))
    assert [stage.level for stage in found] == list(Level)
    for stage, following in pairwise(found):
        assert following.arrived == stage.arrived - stage.lost - stage.unknown


def test_vms_of_a_host_that_is_no_row_have_a_branch_of_their_own() -> None:
    names = [(branch.name, branch.host is not None, len(branch.vms)) for branch in branches(rows(host(), vm(on="x")))]
    assert names == [("kvm07", True, 0), ("x", False, 1)]


def test_a_drawing_has_bounds(fleet_of: Callable[[int], list[Chain]]) -> None:
    drawn = topology(rows(*fleet_of(2000)))
    assert len(drawn.trees) == MOST_HOSTS
    assert drawn.hidden > 300
    (tree,) = topology(rows(host("h"), *(vm(f"v{n}", on="h") for n in range(100)))).trees
    assert (len(tree.tracks), tree.hidden) == (MOST_VMS, 100 - MOST_VMS)


def test_every_document_names_its_source_for_every_claim() -> None:
    assert {document.family for document in DOCUMENTS} == set(Family) - {Family.OTHER}
    for document in DOCUMENTS:
        for capability, claim in document.claims.items():
            assert claim.says and claim.source, (document.family, capability)


def test_a_family_without_evidence_promises_nothing() -> None:
    assert section(Family.PROXMOX, host()).versions == ()
    assert "no machine of this provider is in this page" in render(build([host()], PROVENANCE))


def test_evidence_is_counted_by_provider_and_version() -> None:
    found = version(Family.LIBVIRT, vm("a"), vm("b", on="x"), silent_vm("c"))
    assert (found.name, found.vms) == (NOT_TOLD, 3)
    assert (found.cells[Capability.NESTED].status, found.cells[Capability.NESTED].word) == (Status.PASS, "2 of 2")


def test_a_vm_that_did_not_ask_disproves_nothing() -> None:
    assert version(Family.LIBVIRT, vm_without_nesting()).cells[Capability.NESTED].status is Status.UNKNOWN


def test_an_emulated_success_is_no_plain_one() -> None:
    assert version(Family.LIBVIRT, tcg_vm()).cells[Capability.NESTED].status is Status.WARN


def test_hot_add_is_proven_by_what_the_provider_read_back() -> None:
    def asking(name: str, asked: str, found: str) -> Chain:
        path = "VMClass spec.performanceProfile.cpuHotAddEnabled"
        return msgspec.structs.replace(vm(name), settings=(Setting(path, asked, found, "QEMU monitor"),))

    def cell(*chains: Chain) -> tuple[Status, str, str]:
        cells = version(Family.LIBVIRT, *chains).cells
        assert cells[Capability.MEMORY_HOT_ADD].status is Status.UNKNOWN
        return (
            cells[Capability.CPU_HOT_ADD].status,
            cells[Capability.CPU_HOT_ADD].word,
            cells[Capability.CPU_HOT_ADD].why,
        )

    on, off, silent = asking("a", "on", "on"), asking("b", "on", "off"), asking("c", "yes", "")
    told = "switched on by QEMU monitor; nothing was added while running"
    assert cell(on, silent) == (Status.PASS, "1 of 1", told)
    assert cell(on, off) == (Status.WARN, "1 of 2", told)
    assert cell(off) == (Status.FAIL, "0 of 1", "asked for, and not switched on")
    assert cell(silent) == (Status.UNKNOWN, "no evidence", "asked for, but nobody could read it back")
    assert cell(asking("d", "off", "off")) == (Status.UNKNOWN, "no evidence", "no VM's manifest asked for it")


def test_what_only_failed_is_said_to_fail() -> None:
    why = Answer(Verdict.UNSUPPORTED, "the live VM does not have svm", "vm.got")
    broken = vm("a", link(Link.VM_GOT, Status.FAIL, "no"), runs=why, nests=why, broken=Link.VM_GOT)
    assert version(Family.LIBVIRT, broken).cells[Capability.NESTED].status is Status.FAIL


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(kernel="6.8.12-15-pve", virtual=False), (Family.PROXMOX, "Linux 6.8")),
        (Machine(kernel="6.1.0-40-amd64", virtual=False), (Family.LIBVIRT, "Linux 6.1")),
        (Machine(under="VMware", virtual=True), (Family.VSPHERE, f"VMware, {NOT_TOLD}")),
        (Machine(under="Hyper-V", virtual=True), (Family.OTHER, f"Hyper-V, {NOT_TOLD}")),
        (Machine(), (Family.LIBVIRT, f"Linux, {NOT_TOLD}")),
        (None, (Family.OTHER, "nobody could look")),
    ],
)
def test_a_host_belongs_to_what_runs_there(machine: Machine | None, expected: tuple[Family, str]) -> None:
    (row,) = rows(msgspec.structs.replace(host(), machine=machine))
    assert place(row) == expected


@pytest.mark.parametrize("costs", [(900.0, None), (None, 8000.0), (900.0, 8000.0)])
def test_one_figure_is_enough(costs: tuple[float | None, float | None]) -> None:
    chain = measured("a", *costs)
    assert version(Family.LIBVIRT, chain).cells[Capability.PERFORMANCE].status is Status.PASS
    render(build([chain], PROVENANCE))


def test_the_claim_holds_between_two_rates() -> None:
    (peers,) = performance(rows(measured("a", 1000.0, 9000.0))).peers
    assert peers.added == 8000.0
    assert [round(peers.rate(share) or 0) for share in CLAIM] == [12500, 25000]


def test_peers_have_the_same_cpu_and_the_slow_one_is_named() -> None:
    chains = [measured(f"a{n}", 1000.0 + n, 9000.0) for n in range(5)]
    found = performance(rows(*chains, measured("slow", 2500.0, 9000.0), measured("x", 1.0, 2.0, "Xeon"))).peers
    assert [(peers.cpu, len(peers.points)) for peers in found] == [("EPYC", 6), ("Xeon", 1)]
    assert [(point.row.label, round(factor, 1)) for point, factor in found[0].outliers] == [("slow", 2.5)]


def test_kvm_in_software_is_no_peer_of_kvm_in_hardware() -> None:
    soft = msgspec.structs.replace(measured("soft", 1100.0), feature="")
    found = performance(rows(measured("hard", 1000.0), soft)).peers
    assert [(peers.title, len(peers.points)) for peers in found] == [
        ("EPYC, bare metal", 1),
        ("EPYC, with KVM in software", 1),
    ]


def test_an_emulated_cpu_is_measured_for_nothing() -> None:
    chain = msgspec.structs.replace(pvm_host(), machine=Machine(1.0, "x", exit=Timing(5.0)), emulated_cpu=True)
    found = performance(rows(chain))
    assert (found.peers, found.emulated) == ((), 1)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
@example(1.0, 5e-324)
@example(1.0, 999999999.0)
def test_figures_that_cannot_be_are_not_drawn(exit_ns: float, inner_ns: float) -> None:
    machine = Machine(1.0, "x", exit=Timing(exit_ns), inner_exit=Timing(inner_ns))
    found = performance(rows(msgspec.structs.replace(host(), machine=machine)))
    assert bool(found.peers) == bool(credible(machine.exit) or credible(machine.inner_exit))
    plots(found.peers)


def test_coverage_counts_what_could_not_be_looked_at() -> None:
    found = coverage(rows(host(), silent_vm("a"), silent_vm("b")))
    (gap,) = found.gaps
    assert gap.reason == "the VM sent no report within 300 s"
    assert [row.label for row in gap.rows] == ["a", "b"]
    assert len(gap.checks) == 5
    assert found.percent < 100
    assert len(found.without_report) == 3


def test_nothing_is_not_complete() -> None:
    assert coverage(()).percent == 0


@pytest.mark.parametrize(("ns", "text"), [(520.0, "0.52 µs"), (9800.0, "9.8 µs"), (31400.0, "31 µs")])
def test_times_have_two_digits(ns: float, text: str) -> None:
    assert microseconds(ns) == text
