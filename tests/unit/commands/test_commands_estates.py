"""`check` of a hypervisor's API: what becomes of its hosts and VMs, and of one that does not answer."""

from collections.abc import Iterator

import pytest

from commands import estates
from commands.failures import Failure
from commands.judging import chains
from commands.output import Terminal
from commands.recording import host_view_entry, vm_entry
from hostcheck.exits import Exit
from hostcheck.model import Arrival, Asked, HostView, Verdict, VmView
from hostcheck.policy import Policy
from provision.model import ProviderSpec
from provision.provider import Progress, ProviderError


class TwoHosts:
    """An API with two hosts and a VM on the first."""

    name = "vsphere vc"
    closed = False

    def hosts(self, progress: Progress) -> tuple[HostView, ...]:
        return tuple(HostView(name, self.name) for name in ("esx1", "esx2"))

    def vms(self, progress: Progress, name: str = "") -> tuple[VmView, ...]:
        if name not in ("", "builder"):
            raise ProviderError(f"there is no VM {name}")
        return (VmView("builder", self.name, True, Asked.ON, host="esx1"),)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoHosts]:
    api = TwoHosts()

    def open_estate(spec: ProviderSpec) -> TwoHosts:
        if "dead" in spec.endpoint:
            raise ProviderError(f"{spec.endpoint}: connection refused", hint="is it up?")
        return api

    monkeypatch.setattr(estates, "open_estate", open_estate)
    yield api
    assert api.closed


def test_one_that_is_dead_does_not_stop_the_others(api: TwoHosts, capsys: pytest.CaptureFixture[str]) -> None:
    looked = estates.look(["vsphere://dead", "vsphere://vc"], ["all"], Terminal())
    assert [view.name for view in looked.hosts] == ["esx1", "esx2"]
    assert [view.name for view in looked.vms] == ["builder"]
    assert looked.codes == [Exit.USAGE]
    assert "vsphere://dead: connection refused" in capsys.readouterr().err


def test_a_vm_that_is_not_there_is_said_and_the_hosts_are_kept(
    api: TwoHosts, capsys: pytest.CaptureFixture[str]
) -> None:
    looked = estates.look(["vsphere://vc"], ["nosuch"], Terminal())
    assert (len(looked.hosts), looked.vms, looked.codes) == (2, [], [Exit.USAGE])
    assert "vsphere vc: there is no VM nosuch" in capsys.readouterr().err


def test_a_vm_needs_somebody_to_ask() -> None:
    with pytest.raises(Failure, match="needs a hypervisor"):
        estates.look([], ["builder"], Terminal())


def test_targets_are_told_apart() -> None:
    assert estates.split(["kvm01", "VSPHERE://vc", "ssh://a", "proxmox://pve1"]) == (
        ["VSPHERE://vc", "proxmox://pve1"],
        ["kvm01", "ssh://a"],
    )


def test_what_is_kept_of_them_is_judged_again() -> None:
    api = TwoHosts()
    entries = [host_view_entry(view) for view in api.hosts(print)]
    entries += [vm_entry(vm, vm.host, None, Arrival.NOT_AWAITED, "only the API was asked") for vm in api.vms(print)]
    judged = chains(entries, Policy())
    assert [(chain.subject, chain.kind, chain.host) for chain in judged] == [
        ("esx1", "host", ""), ("esx2", "host", ""), ("builder", "vm", "esx1"),
    ]  # fmt: skip
    assert {chain.verdict for chain in judged} == {Verdict.UNKNOWN}


def test_a_password_on_the_command_line_is_refused_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    looked = estates.look(["vsphere://root:hunter2@vc"], [], Terminal())
    said = capsys.readouterr().err
    assert looked.codes == [Exit.USAGE]
    assert "a password does not belong on a command line; use GOVC_PASSWORD" in said
    assert "hunter2" not in said


def test_what_the_environment_says_reaches_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ProviderSpec] = []

    def open_estate(spec: ProviderSpec) -> TwoHosts:
        seen.append(spec)
        return TwoHosts()

    monkeypatch.setattr(estates, "open_estate", open_estate)
    monkeypatch.setenv("PROXMOX_TOKEN_ID", "root@pam!np")
    monkeypatch.setenv("PROXMOX_TOKEN_SECRET", "hunter2")
    monkeypatch.setenv("PROXMOX_INSECURE", "true")
    estates.look(["proxmox://pve1"], [], Terminal())
    (spec,) = seen
    assert spec.credentials is not None
    assert (spec.type, spec.credentials.token_id, spec.insecure) == ("proxmox", "root@pam!np", True)
    assert "hunter2" not in repr(spec)
    monkeypatch.setenv("PROXMOX_CA", "/nowhere/ca.pem")
    assert estates.look(["proxmox://pve1"], [], Terminal()).codes == [Exit.USAGE]
