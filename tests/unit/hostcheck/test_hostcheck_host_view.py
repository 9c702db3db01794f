"""Hosts known by a provider's API alone: it rules out, it never proves, and what it does not show stays unknown."""

from pathlib import Path

import pytest

from hostcheck.chain import vm_chain
from hostcheck.checks.prerequisites import VERSION, product_finding
from hostcheck.host_view import judge_both, judge_view, view_chain, without_report
from hostcheck.judge import judge
from hostcheck.model import (
    Asked,
    ChainLink,
    Evidence,
    Finding,
    HostView,
    Link,
    Question,
    Remedy,
    Status,
    Verdict,
    VmView,
    Where,
)
from hostcheck.report import decode

REPORTS = Path(__file__).parents[2] / "fixtures" / "reports"


def view(*links: ChainLink, **changes: object) -> HostView:
    values: dict[str, object] = {
        "name": "esx1",
        "provider": "vsphere vc",
        "product": "VMware ESXi 8.0.2",
        "links": links,
    }
    return HostView(**(values | changes))  # type: ignore[arg-type]


def said(check: str, link: Link, status: Status, summary: str = "as the API says") -> ChainLink:
    return ChainLink(link, status, summary, check)


CPU = said("cpu.virtualization", Link.CPU, Status.PASS, "the CPU has VT-x")
OFFERS = said("nested.offered", Link.OFFERED, Status.PASS, "ESXi offers vmx to its VMs")


def test_the_best_answer_is_capable() -> None:
    judged = judge_view(view(CPU, OFFERS, feature="vmx"))
    assert (judged.runs_guests.verdict, judged.guests_nest.verdict) == (Verdict.CAPABLE, Verdict.CAPABLE)
    assert "no guest was run" in judged.guests_nest.reason
    assert judged.feature == "vmx"


@pytest.mark.parametrize(
    ("check", "link", "runs", "nests"),
    [
        ("cpu.virtualization", Link.CPU, Verdict.UNSUPPORTED, Verdict.UNSUPPORTED),
        ("firmware.virtualization", Link.FIRMWARE, Verdict.BLOCKED_FIRMWARE, Verdict.BLOCKED_FIRMWARE),
        ("nested.parameter", Link.NESTED_PARAMETER, Verdict.CAPABLE, Verdict.MISCONFIGURED),
        ("nested.offered", Link.OFFERED, Verdict.CAPABLE, Verdict.UNSUPPORTED),
    ],
)
def test_a_link_that_fails_decides(check: str, link: Link, runs: Verdict, nests: Verdict) -> None:
    judged = judge_view(view(said(check, link, Status.FAIL, "it is off")))
    assert (judged.runs_guests.verdict, judged.guests_nest.verdict) == (runs, nests)
    assert (judged.guests_nest.reason, judged.guests_nest.decided_by) == ("it is off", check)
    chain = view_chain(view(said(check, link, Status.FAIL, "it is off")))
    assert chain.broken is link


def test_what_the_api_does_not_show_is_unknown_and_never_fails() -> None:
    judged = judge_view(view(CPU))
    assert judged.guests_nest.verdict is Verdict.UNKNOWN
    assert {finding.status for finding in judged.findings if finding.check not in (CPU.check, VERSION)} == {
        Status.UNKNOWN
    }


def test_a_host_that_is_offline_is_unknown_whatever_it_could_do() -> None:
    judged = judge_view(view(CPU, OFFERS, unusable="it is in maintenance mode"))
    assert (judged.runs_guests.verdict, judged.runs_guests.reason) == (Verdict.UNKNOWN, "it is in maintenance mode")
    assert judged.guests_nest.verdict is Verdict.UNKNOWN


def test_its_chain_has_every_link_its_product_and_its_other_findings() -> None:
    advice = Finding("vsphere.evc", Status.WARN, "EVC hides features from VMs")
    chain = view_chain(view(CPU, OFFERS, findings=(advice,)), Question.RUNS_GUESTS)
    assert [link.link for link in chain.links] == list(Link)
    assert (chain.provider, chain.product, chain.kind) == ("vsphere vc", "VMware ESXi 8.0.2", "host")
    assert advice in chain.findings
    assert chain.question is Question.RUNS_GUESTS


def test_a_vm_of_such_a_host_is_joined_with_it() -> None:
    remedy = Remedy("set nestedHVEnabled", Where.HYPERVISOR, ("govc vm.change -vm vm1 -nested-hv-enabled",))
    off = VmView("vm1", "vsphere vc", True, Asked.OFF, host="esx1", remedies=(remedy,))
    chain = vm_chain(off, None, judge_view(view(CPU, OFFERS)), "only the hypervisor was asked")
    assert (chain.host, chain.broken, chain.verdict) == ("esx1", Link.VM_ASKS, Verdict.MISCONFIGURED)
    asks = next(link for link in chain.links if link.link is Link.VM_ASKS)
    assert asks.remedies == (remedy,)
    assert "apply" not in asks.summary
    assert vm_chain(off, None, None, "").host == "esx1"


def test_with_its_own_report_a_host_is_proven_whatever_the_api_thinks() -> None:
    own = judge(decode((REPORTS / "amd-nested.json").read_bytes()), "pve1")
    assert own.guests_nest.verdict.works
    shown = view(
        CPU, said("nested.offered", Link.OFFERED, Status.FAIL, "KVM offers guests neither"),
        name="pve1", product="Proxmox VE 8.4.1", unusable="pve1: it is offline",
    )  # fmt: skip
    judged = judge_both(shown, own)
    assert (judged.runs_guests, judged.guests_nest) == (own.runs_guests, own.guests_nest)
    offered = judged.finding("nested.offered")
    assert offered is not None and offered.status is not Status.FAIL
    assert Evidence("vsphere vc", "KVM offers guests neither") in offered.evidence
    usable = judged.finding("provider.usable")
    assert usable is not None and (usable.status, "it is offline" in usable.summary) == (Status.WARN, True)
    assert judged.finding(VERSION) is not None
    chain = view_chain(shown, judgement=judged)
    assert (chain.verdict, chain.provider, chain.machine) == (own.guests_nest.verdict, "vsphere vc", own.machine)


def test_a_report_that_was_wanted_and_did_not_come_takes_nothing_away_and_gives_nothing() -> None:
    unknown = said("nested.offered", Link.OFFERED, Status.UNKNOWN, "it does not say")
    silent = judge_view(without_report(view(CPU, unknown), "ssh: connection refused"))
    assert silent.guests_nest.verdict is Verdict.UNKNOWN
    assert "ssh: connection refused" in silent.guests_nest.reason
    off = without_report(view(CPU, said("nested.parameter", Link.NESTED_PARAMETER, Status.FAIL, "it is off")), "no")
    assert judge_view(off).guests_nest.verdict is Verdict.MISCONFIGURED
    away = judge_view(without_report(view(CPU, OFFERS, unusable="it is offline"), "no route"))
    assert away.guests_nest.reason == "it is offline; by ssh: no route"
    for judged in (silent, judge_view(off), away):
        missing = judged.finding("host.ssh")
        assert missing is not None and missing.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("product", "status"),
    [
        ("VMware ESXi 8.0.2 build-22380479", Status.PASS),
        ("VMware ESXi 6.0.0", Status.PASS),
        ("VMware ESXi 5.5.0 build-1", Status.WARN),
        ("Proxmox VE 8.2.4", Status.PASS),
        ("pve-manager/5.4-15/d0ec33c6", Status.WARN),
        ("libvirt 1.2.12", Status.WARN),
        ("libvirt 10.0.0, QEMU 8.2.2", Status.PASS),
    ],
)
def test_a_product_that_is_too_old_to_nest_is_named(product: str, status: Status) -> None:
    found = product_finding(product)
    assert found is not None and found.status is status
    assert (VERSION in [f.check for f in judge_view(view(CPU, product=product)).findings]) is True


def test_a_product_without_a_known_minimum_is_left_alone() -> None:
    assert product_finding("") is None
    assert product_finding("bhyve") is None
