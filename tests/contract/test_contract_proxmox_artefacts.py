"""What Proxmox VE shows of a VM for a troubleshooting bundle: all that helps, and no secret."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pve_lab import PVE_9_1, PveLab, lab
from pve_server import SECRET, TOKEN, documented
from vm_factory import tiny_image

from provision.provider import Diagnosing
from reports.bundle.file import read

WORD, KEY = "hunter2-of-cloud-init", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoo4hG0 alice@acme.example"
MANIFEST = """
apiVersion: infra.virtrigaud.io/v1beta1
kind: Provider
metadata: {name: pve}
spec: {type: proxmox, endpoint: "ENDPOINT"}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {name: hypervisor}
spec: {cpu: 1, memory: 64Mi, performanceProfile: {nestedVirtualization: true}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMImage
metadata: {name: debian}
spec: {source: {proxmox: {templateID: 900}}}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {name: tiny}
spec:
  providerRef: {name: pve}
  classRef: {name: hypervisor}
  imageRef: {name: debian}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PveLab]:
    """A VM whose start warned, which somebody gave a password and keys, and with a CPU that waits."""
    place = tmp_path_factory.mktemp("pve")
    with lab(place, tiny_image(place), PVE_9_1) as cluster:
        cluster.pve.set(task_faults={"qmstart": {"warn": "no efidisk configured! Using temporary efivars disk."}})
        cluster.apply(cluster.vm())
        there = cluster.pve.vm("default.tiny")
        config = {**there["config"], "cipassword": WORD, "sshkeys": KEY.replace(" ", "%20").replace("@", "%40")}
        cluster.pve.set(vm=there["vmid"], config=config, pending={"cpu": "kvm64", "cipassword": f"{WORD}-new"})
        yield cluster


def shown(made: PveLab, name: str = "tiny") -> dict[str, Any]:
    assert isinstance(made.provider, Diagnosing)
    found = {artefact.name: artefact.data.decode() for artefact in made.provider.artefacts("default", name)}
    assert WORD not in str(found)
    assert SECRET not in str(found)
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in found.items()}


def test_configuration_state_tasks_node_and_cluster(made: PveLab) -> None:
    found = shown(made)
    assert list(found) == ["cluster.json", "node.json", "config.json", "pending.json", "status.json", "tasks.txt"]
    assert found["cluster.json"].startswith(f"could not look: {TOKEN} lacks Sys.Audit on /"), "and says what it takes"
    assert found["node.json"]["pveversion"].startswith("pve-manager/9.1.16")
    assert (found["config.json"]["cpu"], found["config.json"]["cipassword"]) == ("host", "(set)")
    assert found["config.json"]["sshkeys"] == KEY
    options = {each["key"]: each for each in found["pending.json"]}
    assert options["cpu"] == {"key": "cpu", "value": "host", "pending": "kvm64"}
    assert (options["cipassword"]["value"], options["cipassword"]["pending"]) == ("(set)", "(set)")
    assert found["status.json"]["status"] == "running"
    assert "qmstart WARNINGS: 1 UPID:pve1:" in found["tasks.txt"]
    assert "    WARN: no efidisk configured!" in found["tasks.txt"]


def test_a_vm_that_is_not_there_or_cannot_be_looked_at(made: PveLab) -> None:
    assert list(shown(made, "nosuch")) == ["cluster.json"]
    made.pve.call("set_node_offline", "pve1")
    try:
        assert "which is offline: nothing can be told of it" in shown(made)["vm.txt"]
    finally:
        made.pve.call("set_node_offline", "pve1", False)


def test_the_bundle_of_a_manifest_has_them_and_no_secret(made: PveLab, tmp_path: Path) -> None:
    grants = [[path, privileges] for _user, path, privileges in documented(PVE_9_1)]
    made.pve.call("set_acl", {TOKEN: [*grants, ["/", ["Sys.Audit"]]]})
    (tmp_path / "vm.yaml").write_text(MANIFEST.replace("ENDPOINT", made.endpoint.replace("proxmox:", "https:")))
    command = [sys.executable, "-m", "nestproof", "bundle", "vm.yaml", "--redact", "-o", "case.tar.gz"]
    environment = {**os.environ, **made.pve.environment, "NESTPROOF_STATE": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    files = {name.rpartition("/")[2]: data.decode() for name, data in read(tmp_path / "case.tar.gz").files.items()}
    assert set(files) >= {"cluster.json", "node.json", "config.json", "pending.json", "status.json", "tasks.txt"}
    assert json.loads(files["config.json"])["cpu"] == "host"
    assert json.loads(files["cluster.json"])[0]["quorate"] == 1
    for name, text in files.items():
        for secret in (WORD, SECRET, "AAAAC3NzaC1lZDI1NTE5AAAAIFoo4hG0", "acme", "192.0.2.11"):
            assert secret not in text, name
