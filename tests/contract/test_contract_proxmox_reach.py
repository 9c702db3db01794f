"""Reaching a Proxmox cluster: who logs in how, whom one trusts, which node answers; and no secret anywhere."""

import contextlib
import logging
import re
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import requests
from msgspec.structs import replace
from pve_lab import PVE_8, PVE_9_1, lab, quiet
from pve_server import AMD, INTEL, PASSWORD, SECRET, TOKEN, Pve, documented, running
from vm_factory import image, tiny_image

from commands.endpoints import Endpoint
from commands.output import Terminal
from commands.proofs import Proofs
from hostcheck.host_view import judge_view
from hostcheck.model import Asked, Link, Status, Verdict
from provision.model import Credentials, ProviderSpec
from provision.provider import ProviderError
from provision.providers import open_estate, open_provider
from provision.providers.proxmox import api
from provision.providers.proxmox.provider import open_endpoint
from reports.store import Store

VARIABLES = (
    "PROXMOX_TOKEN_ID", "PROXMOX_TOKEN_SECRET", "PROXMOX_CA_FILE", "PROXMOX_USER", "PROXMOX_PASSWORD",
    "PROXMOX_FINGERPRINT", "PROXMOX_VE_API_TOKEN",
)  # fmt: skip


@pytest.fixture(scope="module")
def pve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pve]:
    place = tmp_path_factory.mktemp("pve")
    with running(place, PVE_9_1, users={"ann@pve": PASSWORD}, nodes={"pve1": AMD, "pve2": INTEL}) as server:
        yield server


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def opened(endpoint: str, **fields: object) -> str:
    """The version that answers; everything else is an exception."""
    provider = open_provider(ProviderSpec("pve", "proxmox", endpoint, None, **fields))  # type: ignore[arg-type]
    provider.close()
    return str(provider._version)  # type: ignore[attr-defined]


def trust(monkeypatch: pytest.MonkeyPatch, pve: Pve, **extra: str) -> None:
    for name, value in {"PROXMOX_CA_FILE": str(pve.ca), **extra}.items():
        monkeypatch.setenv(name, value)


def refused(endpoint: str, match: str, **fields: object) -> ProviderError:
    with pytest.raises(ProviderError, match=match) as caught:
        opened(endpoint, **fields)
    text = f"{caught.value} {caught.value.hint} {caught.value!r}"
    assert "\n" not in str(caught.value)
    assert SECRET not in text
    assert PASSWORD not in text
    return caught.value


def test_by_token_by_ticket_and_by_the_credentials_of_a_secret(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, pve, PROXMOX_TOKEN_ID=TOKEN, PROXMOX_TOKEN_SECRET=SECRET)
    assert opened(pve.endpoint) == "9.1.16"
    monkeypatch.delenv("PROXMOX_TOKEN_ID")
    trust(monkeypatch, pve, PROXMOX_VE_API_TOKEN=f"{TOKEN}={SECRET}")
    assert opened(f"https://127.0.0.1:{pve.port}/api2/json") == "9.1.16"
    monkeypatch.delenv("PROXMOX_VE_API_TOKEN")
    trust(monkeypatch, pve, PROXMOX_USER="ann@pve", PROXMOX_PASSWORD=PASSWORD)
    assert opened(pve.endpoint) == "9.1.16"
    monkeypatch.setenv("PROXMOX_PASSWORD", "wrong")
    refused(pve.endpoint, "ann@pve is not let in")
    found = Credentials("Secret default/pve", token_id=TOKEN, token_secret=SECRET)
    assert opened(pve.endpoint, credentials=found, ca=pve.ca.read_text()) == "9.1.16"


def test_a_ticket_that_is_revoked_or_expires_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab(tmp_path, tiny_image(tmp_path), PVE_9_1, users={"ann@pve": PASSWORD}, grants=[]) as made:
        trust(monkeypatch, made.pve, PROXMOX_USER="ann@pve", PROXMOX_PASSWORD=PASSWORD)
        provider = open_provider(ProviderSpec("pve", "proxmox", made.pve.endpoint, None))
        made.pve.call("revoke_tickets")
        provider.apply(provider.plan(made.vm()), quiet)
        made.pve.call("revoke_tickets")
        assert provider.destroy("default", "tiny")
        provider.close()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")  # proxmoxer switches it off itself
def test_the_certificate_by_fingerprint_by_authority_or_not_at_all(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PROXMOX_USER", "ann@pve"), ("PROXMOX_PASSWORD", PASSWORD)):
        monkeypatch.setenv(name, value)
    fault = refused(pve.endpoint, r"127\.0\.0\.1:\d+: its certificate is not trusted")
    assert "pve-root-ca.pem" in fault.hint
    monkeypatch.setenv("PROXMOX_FINGERPRINT", pve.fingerprint)
    assert opened(pve.endpoint) == "9.1.16"
    monkeypatch.setenv("PROXMOX_FINGERPRINT", "00:" * 31 + "00")
    refused(pve.endpoint, "its certificate is not the one of PROXMOX_FINGERPRINT")
    monkeypatch.delenv("PROXMOX_FINGERPRINT")
    assert opened(pve.endpoint, insecure=True) == "9.1.16"


def test_a_wrong_fingerprint_gets_no_password(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(pve.state()["requests"])
    monkeypatch.setenv("PROXMOX_FINGERPRINT", "ab" * 32)
    monkeypatch.setenv("PROXMOX_USER", "ann@pve")
    monkeypatch.setenv("PROXMOX_PASSWORD", PASSWORD)
    refused(pve.endpoint, "PROXMOX_FINGERPRINT")
    assert len(pve.state()["requests"]) == before


def test_any_node_that_answers_will_do(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, pve, PROXMOX_TOKEN_ID=TOKEN, PROXMOX_TOKEN_SECRET=SECRET)
    assert opened(f"proxmox://127.0.0.1:1,127.0.0.1:{pve.port}") == "9.1.16"
    monkeypatch.setenv("PROXMOX_HOST", f"127.0.0.1:{pve.port}")
    assert opened("proxmox://") == "9.1.16"


@pytest.mark.parametrize(
    ("endpoint", "says", "hint"),
    [
        ("proxmox://127.0.0.1:1", "127.0.0.1:1: connection refused", "pveproxy"),
        ("proxmox://nosuch.invalid", "nosuch.invalid:8006: there is no host of that name", "check the endpoint"),
        ("proxmox://root:secret@pve1", "a password in an endpoint is seen by everyone", "PROXMOX_PASSWORD"),
        ("proxmox://", "it names no host", "PROXMOX_VE_ENDPOINT"),
        ("proxmox://pve1:port", "proxmox://pve1:port", ""),
        ("ftp://pve1", "is no Proxmox endpoint", "proxmox://pve1"),
    ],
)
def test_what_cannot_be_reached(endpoint: str, says: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMOX_VE_API_TOKEN", f"{TOKEN}={SECRET}")
    monkeypatch.delenv("PROXMOX_HOST", raising=False)
    fault = refused(endpoint, re.escape(says))
    assert says in str(fault)
    assert hint in fault.hint
    assert "secret@" not in str(fault)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "there is nothing to log in to Proxmox with"),
        ({"PROXMOX_TOKEN_ID": TOKEN}, "has no secret"),
        ({"PROXMOX_USER": "root", "PROXMOX_PASSWORD": PASSWORD}, "Proxmox user 'root' has no realm"),
        ({"PROXMOX_VE_API_TOKEN": f"{TOKEN}={SECRET}", "PROXMOX_CA_FILE": "/proc/nonexistent"}, "no such file"),
        ({"PROXMOX_VE_API_TOKEN": f"{TOKEN}={SECRET}", "PROXMOX_FINGERPRINT": "12:34"}, "is no SHA-256 fingerprint"),
    ],
)
def test_what_is_missing_to_log_in(environment: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refused("proxmox://127.0.0.1:1", says)


@pytest.mark.parametrize("how", ["token", "ticket"])
def test_no_secret_in_any_log_argument_error_or_repr(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A whole life, and then what fails: refused by the provider, by the API, at the login, and on the way there."""
    caplog.set_level(logging.DEBUG)
    disk = tmp_path / "tiny.qcow2"  # about which qemu-img is asked
    convert = ["qemu-img", "convert", "-O", "qcow2", str(tiny_image(tmp_path)), str(disk)]
    subprocess.run(convert, check=True)
    started: list[str] = []
    popen = subprocess.Popen.__init__

    def watched(self: object, args: object, *rest: object, **how: object) -> None:
        started.append(f"{args} {how.get('env') or ''}")
        popen(self, args, *rest, **how)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(subprocess.Popen, "__init__", watched)
    user_data = "#cloud-config\npassword: hunter2-in-user-data\n"
    users = {"ann@pve": PASSWORD}
    grants = [[who, path, given] for who in (TOKEN, *users) for _, path, given in documented(PVE_9_1)]
    with lab(tmp_path, disk, PVE_9_1, users=users, grants=grants) as made:
        if how == "ticket":
            trust(monkeypatch, made.pve, PROXMOX_USER="ann@pve", PROXMOX_PASSWORD=PASSWORD)
            spec = replace(made.spec, credentials=None)
            with contextlib.closing(made.provider):
                made.provider = open_endpoint(spec)
        provider = made.provider
        vm = made.vm(image=image(disk, form="qcow2"), user_data=user_data)
        plan, said = made.apply(vm)
        provider.fetch_report(vm, 60, said.append)
        faults = [fault_of(lambda: provider.plan(made.vm(image=vm.image, cpus=1000)))]
        provider.destroy("default", "tiny")
        made.pve.call("set_acl", {TOKEN: [], "ann@pve": []})
        faults.append(fault_of(lambda: provider.apply(plan, said.append)))
        made.pve.set(apitokens={TOKEN: "another"}, users={"ann@pve": "another"})
        made.pve.call("revoke_tickets")
        faults.append(fault_of(lambda: provider.plan(vm)))
        monkeypatch.setattr(api, "PATIENCE", 0.0)
        made.pve.call("outage", 600.0)
        faults.append(fault_of(lambda: provider.plan(vm)))
        made.pve.process.kill()
        made.pve.process.wait()
        faults.append(fault_of(lambda: provider.plan(vm)))
        assert any("qemu-img" in line for line in started), "what is started is seen"
        assert "POST /api2/json/nodes/pve1/qemu" in caplog.text, "what is asked is seen"
        sessions = provider._api._sessions
        told = [*started, *said, *faults, *capfd.readouterr(), caplog.text, plan.native]
        told += [repr(each) for each in (plan, vm, vars(provider), vars(provider._api), vars(sessions))]
        written = "\n".join(told)
    for secret in (SECRET, PASSWORD, quote(PASSWORD), quote_plus(PASSWORD), "PVE:ann@pve:", "hunter2-in-user-data"):
        assert secret not in written


def fault_of(what: Callable[[], object]) -> str:
    """Everything that is shown of it, and with --debug how it came about."""
    with pytest.raises(ProviderError) as caught:
        what()
    return "".join([f"{caught.value!r} {caught.value.hint}", *traceback.format_exception(caught.value)])


# ------------------------------------------------------------------------------------------------------- whole clusters


def test_five_hundred_vms_on_twenty_nodes_in_a_bounded_number_of_calls(tmp_path: Path) -> None:
    nodes = {f"pve{n:02}": {**(AMD if n % 2 else INTEL), "nested": n != 7, "online": n != 13} for n in range(20)}
    vms = [
        {"vmid": 1000 + n, "name": f"vm{n}", "node": f"pve{n % 20:02}", "status": "stopped",
         "config": {"cpu": "host" if n % 3 else "kvm64", "memory": 512}}
        for n in range(500)
    ]  # fmt: skip
    with lab(tmp_path, tiny_image(tmp_path), PVE_9_1, nodes=nodes, vms=vms, templates=[]) as made:
        before = made.pve.state()["calls"]
        estate = open_estate(made.spec)
        hosts = {view.name: judge_view(view) for view in estate.hosts(quiet)}
        for_hosts = made.pve.state()["calls"] - before
        assert for_hosts <= 3 + 6 * 20
        assert hosts["pve01"].guests_nest.verdict is Verdict.CAPABLE
        assert (hosts["pve07"].runs_guests.verdict, hosts["pve07"].guests_nest.verdict) == (
            Verdict.CAPABLE, Verdict.MISCONFIGURED,
        )  # fmt: skip
        assert hosts["pve13"].guests_nest.verdict is Verdict.UNKNOWN
        assert "it is offline" in hosts["pve13"].guests_nest.reason
        views = {view.name: view for view in estate.vms(quiet)}
        for_vms = made.pve.state()["calls"] - before - for_hosts
        assert len(views) == 500
        assert for_vms <= 1 + 500
        assert views["vm1 (1001)"].asked is Asked.ON
        assert views["vm0 (1000)"].asked is Asked.OFF
        assert "qm set 1000 --cpu host" in views["vm0 (1000)"].remedies[0].commands
        assert views["vm13 (1013)"].asked is Asked.UNSTATED, "its node is offline: not looked is never a pass"
        assert [view.name for view in estate.vms(quiet, "vm5")] == ["vm5 (1005)"]
        assert [view.name for view in estate.vms(quiet, "1005")] == ["vm5 (1005)"]
        with pytest.raises(ProviderError, match="there is no VM nosuch"):
            estate.vms(quiet, "nosuch")
        estate.close()


def test_a_node_whose_cpu_has_nothing_and_a_version_that_does_not_say(tmp_path: Path) -> None:
    nodes = {"off": {**AMD, "kvm": False}, "on": INTEL}
    with lab(tmp_path, tiny_image(tmp_path), PVE_8, nodes=nodes, templates=[]) as made:
        estate = open_estate(made.spec)
        judged = {view.name: judge_view(view) for view in estate.hosts(quiet)}
        assert judged["off"].runs_guests.verdict is Verdict.UNSUPPORTED
        assert judged["on"].guests_nest.verdict is Verdict.UNKNOWN
        assert f"nestproof check {made.endpoint} --ssh-nodes root" in judged["on"].guests_nest.reason
        estate.close()


def test_a_node_whose_kvm_gives_no_answer_at_all_is_not_said_to_have_nesting_off(tmp_path: Path) -> None:
    with lab(tmp_path, tiny_image(tmp_path), PVE_9_1, nodes={"mute": {**AMD, "mute": True}, "on": AMD}) as made:
        estate = open_estate(made.spec)
        judged = {view.name: judge_view(view) for view in estate.hosts(quiet)}
        assert judged["mute"].guests_nest.verdict is Verdict.UNKNOWN
        assert judged["on"].guests_nest.verdict is Verdict.CAPABLE
        estate.close()


def test_nodes_that_may_not_be_looked_at_are_unknown_and_the_privilege_is_named(tmp_path: Path) -> None:
    grants = [[TOKEN, "/vms", ["VM.Audit"]]]
    with lab(tmp_path, tiny_image(tmp_path), PVE_9_1, grants=grants) as made:
        estate = open_estate(made.spec)
        (view,) = estate.hosts(quiet)
        judged = judge_view(view)
        assert judged.runs_guests.verdict is not Verdict.UNSUPPORTED
        assert any("lacks Sys.Audit on /nodes/pve1" in finding.summary for finding in judged.findings)
        estate.close()


def test_the_server_is_strict_where_the_real_one_is(pve: Pve) -> None:
    """What the provider never sends, the server must refuse: else its never sending it would prove nothing."""
    headers = {"Authorization": f"PVEAPIToken={TOKEN}={SECRET}"}
    url = f"https://127.0.0.1:{pve.port}/api2/json/nodes/pve1/qemu"
    for number, (values, status) in enumerate(
        [
            ({"cpu": "kvm64,flags=+vmx"}, 400),
            ({"cpu": "notacpu"}, 400),
            ({"cpu": "custom-missing"}, 400),
            ({"machine": "pc,viommu=intel"}, 400),
            ({"hotplug": "numa"}, 400),
            ({"scsi0": "local-lvm:0,import-from=local:import/nosuch.raw"}, 200),
            ({"cpu": "host", "machine": "q35,viommu=intel"}, 200),
        ],
        200,
    ):
        answer = requests.post(url, headers=headers, data={"vmid": number, **values}, verify=str(pve.ca), timeout=30)
        assert answer.status_code == status, (values, answer.text)
    ends = {each: ending for kind, each, ending in pve.state()["tasks"] if kind == "qmcreate"}
    assert "does not exist" in ends["205"]
    assert ends["206"] == "OK"


def test_a_vm_is_joined_with_what_the_api_says_of_its_node_and_later_with_the_nodes_own_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NESTPROOF_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with lab(tmp_path, tiny_image(tmp_path), PVE_9_1) as made:
        vm = made.vm()
        made.apply(vm)
        before = made.pve.state()["calls"]
        proofs = Proofs(Terminal())
        endpoint = Endpoint(made.provider, (vm,), None)
        proofs.not_awaited(endpoint, vm, changed=True)
        first = made.pve.state()["calls"] - before
        proofs.not_awaited(endpoint, vm, changed=True)
        assert made.pve.state()["calls"] - before - first == first - 7, "a node is asked once"
        (chain,) = proofs._vms.values()
        offered = next(link for link in chain.links if link.link is Link.OFFERED)
        assert (chain.host, offered.status, offered.summary) == ("pve1", Status.PASS, "KVM offers svm to guests")
        assert made.provider.host_view("nosuch") is None
        with Store.open(None) as store:
            (kept,) = store.latest()
            assert (kept.kind, kept.host) == ("vm", "pve1"), "the node of `check` is what it is joined with later"
