"""Debian guests that were spoilt on purpose: verify names what was done to each, and applying again mends it.

The seed on a bus that Debian's cloud kernel has no driver for, the agent stopped from within, and a CPU that starts
without the feature because nothing checks it. What a small guest shows is in the contract tests of libvirt's channel.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runs import LIMIT, ROOT, finished, guest_image, machines_of

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
pytestmark = [pytest.mark.e2e, pytest.mark.libvirt]
VMS = ("sata", "killed", "featureless")
EDITED = ("sata", "featureless")
FINISHED = re.compile(r"Cloud-init v\. \S+ finished at")
"""What a Debian guest says when cloud-init has come to its end, whatever it found."""
KILL = "bootcmd: [[systemctl, disable, --now, nestproof-agent.service]]"
"""What the user's cloud-config does once the agent is there and before it can have a report."""
EDIT = """
import sys
from xml.etree import ElementTree as ET
from provision.model import ProviderSpec
from provision.providers import open_provider
connection = open_provider(ProviderSpec("here", "libvirt", "qemu:///embed", None))._connection
def edited(name, change):
    xml = ET.fromstring(connection.lookupByName(name).XMLDesc(2))
    change(xml)
    connection.defineXML(ET.tostring(xml, encoding="unicode")).create()
def move(xml):
    seed = next(disk for disk in xml.iter("disk") if disk.find("source").get("file").endswith("seed.iso"))
    seed.set("device", "cdrom")
    seed.find("target").attrib.update(dev="sda", bus="sata")
    seed.remove(seed.find("address"))
def lose(xml):
    xml.find("cpu").set("check", "none")
    feature = next(each for each in xml.findall("cpu/feature") if each.get("name") in ("svm", "vmx"))
    feature.set("policy", "disable")
    other = {"svm": "vmx", "vmx": "svm"}[feature.get("name")]
    ET.SubElement(xml.find("cpu"), "feature", policy="require", name=other)
edited("default.sata", move)
edited("default.featureless", lose)
"""
"""What an administrator does with virsh to VMs that are off: edit, start. A process of its own, for one at a time can
use the embedded driver."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> dict[str, str]:
    """The example as one VM each, beside what they share."""
    image = guest_image(needs)
    directory = tmp_path_factory.mktemp("lost")
    text = (ROOT / "examples/nested-vm.yaml").read_text()
    shared, vm = re.split(r"---\n(?=apiVersion: \S+\nkind: VirtualMachine\n)", text)
    assert "../.cache/guest/debian-12.qcow2" in shared
    (directory / "shared.yaml").write_text(shared.replace("../.cache/guest/debian-12.qcow2", str(image)))
    for name in VMS:
        own = vm.replace("nested-vm", name)
        if name == "killed":
            own = own.replace(f"hostname: {name}", f"hostname: {name}\n        {KILL}")
            assert KILL in own
        (directory / f"{name}.yaml").write_text(own)
    return {name: str(directory / f"{name}.yaml") for name in ("shared", *VMS)}


@pytest.fixture(scope="module")
def state(files: dict[str, str]) -> Iterator[Path]:
    """All of them applied at once and spoilt; those that cloud-init comes to its end in have got that far."""
    with tempfile.TemporaryDirectory(prefix="np-") as directory:  # short, for libvirt's sockets below it
        path = Path(directory)
        try:
            for name in EDITED:
                switch(files[name], "On", "Off")
            done = finished(path, "apply", *files.values())
            assert done.returncode == 0, done.stderr
            for name in EDITED:
                switch(files[name], "Off", "On")
            environment = os.environ | {"NESTPROOF_STATE": str(path)}
            subprocess.run([sys.executable, "-c", EDIT], cwd=ROOT, env=environment, check=True, timeout=300)
            assert len(machines_of(path)) == len(VMS)
            for name in ("sata", "killed"):
                wait_for(path / f"libvirt/vms/default.{name}/console.log", FINISHED)
            yield path
        finally:
            finished(path, "destroy", *files.values())
            assert machines_of(path) == []


def switch(file: str, before: str, after: str) -> None:
    text = Path(file).read_text()
    assert f'powerState: "{before}"' in text
    Path(file).write_text(text.replace(f'powerState: "{before}"', f'powerState: "{after}"'))


def wait_for(console: Path, words: re.Pattern[str]) -> None:
    deadline = time.monotonic() + LIMIT
    while words.search(console.read_text(errors="replace")) is None:
        assert time.monotonic() < deadline, console.read_text(errors="replace")[-2000:]
        time.sleep(0.5)


def verified(state: Path, files: dict[str, str], name: str, seconds: int) -> tuple[int, dict[str, Any], str]:
    """Exit code, the VM's chain and everything that was printed."""
    report = state / f"{name}.json"
    done = finished(
        state, "verify", files["shared"], files[name], "--timeout", str(seconds), "--report", f"json={report}"
    )
    chains = {chain["subject"]: chain for chain in json.loads(report.read_text())["chains"]}
    return done.returncode, chains[f"default/{name}"], done.stdout + done.stderr


def test_an_agent_that_was_stopped_is_gone(state: Path, files: dict[str, str]) -> None:
    code, chain, said = verified(state, files, "killed", 5)
    assert (code, chain["verdict"]) == (5, "UNKNOWN"), said
    assert "it is up, but no agent answers on port" in chain["sentence"]
    assert "it was stopped" in chain["sentence"]


def test_a_cpu_without_the_feature_is_the_broken_link(state: Path, files: dict[str, str]) -> None:
    """It starts, because nothing checks it, and its own report has no feature either."""
    code, chain, said = verified(state, files, "featureless", LIMIT)
    assert (code, chain["verdict"], chain["broken"]) == (3, "MISCONFIGURED", "vm-got"), said
    assert re.search(r"the live VM does not have (svm|vmx), whatever its configuration asks", chain["sentence"])
    links = {link["link"]: link["status"] for link in chain["links"]}
    assert (links["vm-asks"], links["vm-got"], links["guest-cpu"]) == ("pass", "fail", "fail"), said


def test_a_seed_that_the_kernel_cannot_see_is_named_and_put_back(state: Path, files: dict[str, str]) -> None:
    code, chain, said = verified(state, files, "sata", 5)
    assert (code, chain["verdict"]) == (5, "UNKNOWN"), said
    assert (
        "it booted, but cloud-init found no seed: somebody put its seed on the sata bus, "
        "which Debian's cloud kernel has no driver for" in chain["sentence"]
    )
    planned = finished(state, "plan", files["shared"], files["sata"])
    assert "bus of the seed" in planned.stdout and "sata" in planned.stdout, planned.stdout
    mended = finished(state, "apply", files["shared"], files["sata"], "--wait", "--timeout", str(LIMIT))
    assert mended.returncode == 0, mended.stdout + mended.stderr
