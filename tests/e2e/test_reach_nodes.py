"""`nestproof check proxmox://… --ssh-nodes`: a strict Proxmox VE for the API, real sshd for its nodes, in one answer.

The one node that ssh really reaches is this machine, so the cluster calls it as this machine is called.
"""

import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sshd
from pve_server import AMD, Pve, running

pytest.importorskip("fakepve", reason="fakepve is not installed (pip install fakepve)")

HERE = socket.gethostname().partition(".")[0]
NODES = {HERE: AMD, "dead": AMD, "elsewhere": {**AMD, "nested": False}, "nodns": AMD}
ADDRESS = f"192.0.2.{11 + sorted(NODES).index('nodns')}"
"""What the cluster says of the node that no resolver knows."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Iterator[sshd.Servers]:
    needs("/usr/sbin/sshd", package="openssh-server")
    hosts = {HERE: "good", "elsewhere": "good", "dead": "dead", ADDRESS: "good"}
    started = sshd.start(tmp_path_factory.mktemp("sshd"), hosts)
    yield started
    started.stop()


@pytest.fixture(scope="module", params=["8.4.1", "9.1.16"])
def pve(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pve, str]]:
    with running(tmp_path_factory.mktemp("pve"), request.param, nodes=NODES) as server:
        yield server, request.param


def run(place: Path, environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    state = {"NESTPROOF_STATE": str(place / "state"), "XDG_CACHE_HOME": str(place / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "nestproof", *arguments], env=os.environ | environment | state, text=True,
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def chains(said: str) -> dict[str, Any]:
    return {chain["subject"]: chain for chain in json.loads(said)["chains"]}


def test_the_api_and_the_nodes_own_proof_are_one_row(
    pve: tuple[Pve, str], servers: sshd.Servers, tmp_path: Path
) -> None:
    server, version = pve
    by_ssh = ["--ssh-nodes", getpass.getuser(), "--ssh-config", str(servers.config)]
    checked = run(tmp_path, server.environment, "check", server.endpoint, *by_ssh, "--format", "json")
    found = chains(checked.stdout)
    assert set(found) == set(NODES), checked.stderr
    alone = chains(run(tmp_path / "alone", {}, "check", "local", "--format", "json").stdout)
    (own,) = alone.values()
    here = found[HERE]
    for question in ("runs_guests", "guests_nest"):
        assert [here[question][key] for key in ("verdict", "decided_by")] == [
            own[question][key] for key in ("verdict", "decided_by")
        ], "what ran there decides"
    assert here["machine"]["cpu"] == own["machine"]["cpu"], "the report is the machine's own"
    assert here["provider"] == f"proxmox {server.endpoint}"
    assert here["product"].startswith(f"Proxmox VE {version}")
    cpu = next(link for link in here["links"] if link["link"] == "cpu")
    assert [each["text"] for each in cpu["evidence"] if each["source"] == here["provider"]] == [
        "the CPU (Test CPU) has svm"
    ], "what the API says stands beside it"
    # Whoever could not be looked at keeps what the API says, and never more.
    said = {name: next(f["summary"] for f in found[name]["findings"] if f["check"] == "host.ssh") for name in NODES
            if name != HERE}  # fmt: skip
    assert "Connection refused" in said["dead"]
    assert f"elsewhere is a machine called {HERE}, not elsewhere" in said["elsewhere"]
    assert f"{ADDRESS} is a machine called {HERE}, not nodns" in said["nodns"], "by the cluster's address"
    for name, why in (("dead", "Connection refused"), ("nodns", "is a machine called")):
        assert found[name]["verdict"] == ("CAPABLE" if version == "9.1.16" else "UNKNOWN")
        assert version == "9.1.16" or why in found[name]["sentence"]
    assert found["elsewhere"]["verdict"] == ("MISCONFIGURED" if version == "9.1.16" else "UNKNOWN")
    # What is kept says the same when it is judged again.
    assert chains(run(tmp_path, {}, "matrix", "--format", "json").stdout)[HERE]["links"] == here["links"]


def test_without_a_cluster_there_are_no_nodes_to_look_on(tmp_path: Path) -> None:
    done = run(tmp_path, {}, "check", "--ssh-nodes", "root")
    assert done.returncode == 2
    assert "--ssh-nodes needs a cluster to ask" in done.stderr
