"""The one-file agent on every Python that is found here, as a user starts it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from agent.facts import PROBES

NOBODY = 65534


def start(*command: str | Path, **more: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [str(part) for part in command], capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.mark.parametrize("flags", [[], ["-I", "-S", "-W", "error"]], ids=["plain", "isolated"])
def test_reports_on_every_python(python: str, flags: list[str], pyz: Path) -> None:
    done = start(python, *flags, pyz, "--json", "--measure")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["facts"]) == [probe[0] for probe in PROBES]
    assert done.stderr.startswith("nestproof: ")
    assert done.stderr.count("\n") == 1
    assert not [name for name, fact in report["facts"].items() if fact.get("error", "").startswith(("Name", "Type"))]


def test_same_facts_on_every_python(python: str, pyz: Path) -> None:
    import agent

    here = agent.collect()["facts"]
    there = json.loads(start(python, pyz, "--json").stdout)["facts"]
    assert {k: v["status"] for k, v in here.items()} == {k: v["status"] for k, v in there.items()}
    for name in ("cpu.flags", "cpu.cpuid", "kvm.offered", "kvm.device", "proof.plain"):
        assert here[name].get("value") == there[name].get("value")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_useful_as_nobody(pyz: Path, tmp_path: Path) -> None:
    readable = Path("/tmp") / f"nestproof-test-{os.getpid()}.pyz"
    readable.write_bytes(pyz.read_bytes())
    try:
        done = start("/usr/bin/python3", readable, "--json", user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
    finally:
        readable.unlink()
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["facts"]
    assert facts["cpu.identity"]["status"] == "ok"
    assert facts["process.identity"]["value"]["uid"] == NOBODY
    if facts["kvm.device"]["status"] != "absent" and facts["kvm.device"]["value"]["mode"] == "0600":
        assert facts["kvm.device"]["value"]["open"] == "EACCES"
        assert facts["proof.plain"]["status"] == "denied"
        assert facts["proof.plain"]["value"]["cause"] == "denied"
