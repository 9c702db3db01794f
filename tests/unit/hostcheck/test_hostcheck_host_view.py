"""Hosts known by a provider's API alone: it rules out, it never proves, and what it does not show stays unknown."""

import pytest

from hostcheck.chain import vm_chain
from hostcheck.checks.prerequisites import VERSION, product_finding
from hostcheck.host_view import judge_view, view_chain
from hostcheck.model import (
    Asked,
    ChainLink,
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
