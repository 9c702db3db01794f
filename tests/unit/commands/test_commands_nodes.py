"""Which way a node is reached by ssh, and what becomes of one that a server names to do harm."""

from collections.abc import Sequence

import pytest

from commands import nodes
from commands.failures import Failure
from commands.fleet import Asked
from commands.output import Terminal
from hostcheck.model import HostView
from hostcheck.reach.ssh import Reached, Ssh
from hostcheck.reach.targets import Target
from hostcheck.report import SCHEMA, Report, Subject


def view(name: str, *addresses: str, provider: str = "proxmox a") -> HostView:
    return HostView(name, provider, addresses=addresses)


def look(
    monkeypatch: pytest.MonkeyPatch, views: Sequence[HostView], unknown: Sequence[str] = (), *, interrupt: bool = False
) -> tuple[list[str], tuple[nodes.Sight, ...]]:
    """The targets that were asked, in order; every host is called as its target."""
    said: list[str] = []

    def ask(targets: Sequence[Target], *_: object, **__: object) -> Asked:
        said.extend(f"{target.user}@{target.host}" for target in targets)
        answers = (
            Reached(target, None, f"ssh: {nodes.UNKNOWN_NAME} {target.host}: Name or service not known")
            if target.host in unknown
            else Reached(target, Report(SCHEMA, Subject(hostname=f"{target.name}.example"), 0.0, {}))
            for target in targets
        )
        return Asked(tuple(answers), interrupt)

    monkeypatch.setattr(nodes, "ask", ask)
    sights, interrupted = nodes.look_on(views, "root", Ssh(), limit=1, timeout=1, terminal=Terminal())
    assert interrupted is interrupt
    return said, sights


def test_by_name_first_and_by_the_clusters_address_where_the_name_means_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = [view("pve1", "pve1", "192.0.2.1"), view("pve2", "pve2", "2001:db8::2"), view("pve3", "pve3")]
    said, sights = look(monkeypatch, views, unknown=["pve2", "pve3"])
    assert said == ["root@pve1", "root@pve2", "root@pve3", "root@2001:db8::2"]
    assert [sight.report is not None for sight in sights] == [True, True, False]
    assert "Could not resolve hostname pve3" in sights[2].view.findings[0].summary


def test_a_name_that_two_clusters_have_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [view("pve1", "pve1", "192.0.2.1"), view("pve1", "pve1", "192.0.2.2"), view("pve1", "pve1")]
    said, sights = look(monkeypatch, views)
    assert said == ["root@192.0.2.1", "root@192.0.2.2"]
    assert "several clusters have a node pve1" in sights[2].view.findings[0].summary


def test_names_that_ssh_could_take_for_options_stop_no_other_node(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [view("-oProxyCommand=id", "-oProxyCommand=id"), view("pve1", "pve1"), view("esx1")]
    said, sights = look(monkeypatch, views)
    assert said == ["root@pve1"]
    assert "is no host name" in sights[0].view.findings[0].summary
    assert (sights[1].report is not None, sights[2].view.findings) == (True, ())


def test_ctrl_c_ends_it_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    said, sights = look(monkeypatch, [view("pve1", "pve1", "192.0.2.1")], unknown=["pve1"], interrupt=True)
    assert (said, sights[0].report) == (["root@pve1"], None)


def test_hosts_that_cannot_run_the_agent_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failure, match="of these hosts none can run the agent"):
        look(monkeypatch, [view("esx1")])
    assert look(monkeypatch, []) == ([], ())
