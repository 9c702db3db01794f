"""`nestproof check vsphere://...`: every host and VM of a simulated fleet, in a bounded number of requests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vcsim_server import ESXI_8, VCenter, start
from vsphere_lab import VsphereLab, provider_spec

from commands.endpoints import Endpoint
from commands.output import Terminal
from commands.proofs import Proofs
from hostcheck.host_view import judge_view
from hostcheck.model import Asked, Link, Status, Verdict
from provision.provider import ProviderError, Seeing
from provision.providers import open_estate, open_provider
from reports.store import Store

HOSTS, VMS = 50, 1000
ALLOWED = 10
"""Requests, logging in and out included, for any number of hosts and VMs."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    """Of every ten hosts: one does not offer nesting, one does not say, one is in maintenance, one is disconnected,
    one has no virtualization at all, one is of AMD."""
    kinds = [{}, {"nested": False}, {"nested": None}, {"maintenance": True}, {"connection": "disconnected"},
             {"virt": False, "nested": False}, {"vendor": "amd"}, {}, {}, {}]  # fmt: skip
    hosts = [ESXI_8 | kinds[n % 10] for n in range(HOSTS)]
    found = start(tmp_path_factory.mktemp("fleet"), hosts=hosts, machines=VMS, evc="intel-broadwell")
    yield found
    found.stop()


def test_a_fleet_is_judged_in_at_most_ten_requests(fleet: VCenter) -> None:
    fleet.calls()
    estate = open_estate(provider_spec(fleet))
    hosts = estate.hosts(lambda _: None)
    vms = estate.vms(lambda _: None)
    estate.close()
    asked = fleet.calls()
    assert sum(asked.values()) <= ALLOWED, asked
    assert (len(hosts), len(vms)) == (HOSTS, VMS)
    by_name = {host.name: judge_view(host).guests_nest.verdict for host in hosts}
    expected = [Verdict.CAPABLE, Verdict.UNSUPPORTED, Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.UNKNOWN,
                Verdict.UNSUPPORTED, Verdict.CAPABLE]  # fmt: skip
    assert [by_name[f"DC0_C0_H{n}"] for n in range(7)] == expected
    assert {host.feature for host in hosts} == {"vmx", "svm", ""}
    assert all(host.product == "VMware ESXi 8.0.2 build-1" for host in hosts)
    assert all(any(f.check == "vsphere.capacity" for f in host.findings) for host in hosts)
    assert all(vm.host in by_name and vm.asked is Asked.OFF and vm.got is False for vm in vms)
    assert all(any("could migrate" in e.source for e in vm.evidence) for vm in vms)


def test_one_vm_by_name_and_one_that_is_not_there(fleet: VCenter) -> None:
    estate = open_estate(provider_spec(fleet))
    (vm,) = estate.vms(lambda _: None, "DC0_C0_RP0_VM7")
    assert vm.name == "DC0_C0_RP0_VM7"
    assert vm.remedies[0].commands[-1] == "govc vm.power -on 'DC0_C0_RP0_VM7'"
    assert estate.vms(lambda _: None, "debian-12")[0].running is False
    with pytest.raises(ProviderError, match="it has no VM 'nope'"):
        estate.vms(lambda _: None, "nope")
    fleet.control("expire")
    assert len(estate.hosts(lambda _: None)) == HOSTS
    estate.close()


def test_one_host_alone_is_seen_as_among_all_of_them(fleet: VCenter) -> None:
    """It is asked for where a VM is applied, in few requests; the cluster's and the key providers' words are there."""
    estate, provider = open_estate(provider_spec(fleet)), open_provider(provider_spec(fleet))
    assert isinstance(provider, Seeing)
    hosts = {host.name: host for host in estate.hosts(lambda _: None)}
    fleet.calls()
    assert provider.host_view("DC0_C0_H1") == hosts["DC0_C0_H1"]
    assert sum(fleet.calls().values()) <= 4
    assert provider.host_view("DC0_C0_H6") == hosts["DC0_C0_H6"]
    assert provider.host_view("nosuch") is None
    estate.close()
    provider.close()


def test_a_vm_is_joined_with_what_vcenter_says_of_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_STATE", str(tmp_path / "state"))
    lab = VsphereLab.of(start(tmp_path))
    try:
        vm = lab.vm()
        lab.apply(vm)
        proofs = Proofs(Terminal())
        proofs.not_awaited(Endpoint(lab.provider, (vm,), None), vm, changed=True)
        (chain,) = proofs._vms.values()
        offered = next(link for link in chain.links if link.link is Link.OFFERED)
        told = "ESXi offers hardware virtualization to VMs that ask for it"
        assert (chain.host, offered.status, offered.summary) == ("DC0_C0_H0", Status.PASS, told)
        with Store.open(None) as store:
            (kept,) = store.latest()
            assert (kept.kind, kept.host) == ("vm", "DC0_C0_H0"), "as `check vsphere://` names it"
    finally:
        lab.close()


def test_an_answer_in_pages_is_read_whole_also_when_its_session_ends_between_two(tmp_path: Path) -> None:
    vc = start(tmp_path, hosts=[ESXI_8] * 3, machines=7, pageSize=2)
    try:
        estate = open_estate(provider_spec(vc))
        assert (len(estate.hosts(lambda _: None)), len(estate.vms(lambda _: None))) == (3, 7)
        assert vc.calls()["ContinueRetrievePropertiesEx"] == 1 + 3
        vc.fail("ContinueRetrievePropertiesEx", "NotAuthenticated",
                "<object type='Folder'>group-d1</object><privilegeId>System.View</privilegeId>")  # fmt: skip
        names = [vm.name for vm in estate.vms(lambda _: None)]
        assert len(set(names)) == len(names) == 7
        assert vc.calls()["Login"] == 1
        estate.close()
    finally:
        vc.stop()


def check(vc: VCenter, state: Path, *words: str, password: str = "pass") -> "subprocess.CompletedProcess[str]":
    settings = {"GOVC_USERNAME": "user", "GOVC_PASSWORD": password, "GOVC_TLS_CA_CERTS": str(vc.certificate),
                "NESTPROOF_STATE": str(state)}  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "nestproof", "check", vc.url, *words], env=os.environ | settings,
        capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def test_the_command(fleet: VCenter, tmp_path: Path) -> None:
    found = check(fleet, tmp_path, "--vm", "DC0_C0_RP0_VM7")
    assert found.returncode == 3, found.stderr
    assert "DC0_C0_H1" in found.stdout
    assert "govc vm.change -vm 'DC0_C0_RP0_VM7' -nested-hv-enabled=true" in found.stdout
    wrong = check(fleet, tmp_path, password="sesame")
    assert wrong.returncode == 2
    assert "wrong user name or password" in wrong.stderr
    assert "they come from environment (GOVC_USERNAME, GOVC_PASSWORD)" in wrong.stderr
    assert "sesame" not in wrong.stdout + wrong.stderr
