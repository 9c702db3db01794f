"""A guest that is not there: it reads the seed that the VM was given and runs the agent that it finds on it.

The agent is the real file out of the seed's boothook, run with --root on what a machine of the lab once reported: the
proofs, which need executing, come out of the agent; what it would have read from files of that machine is added from
the recording. All that is simulated is the machine.
"""

import base64
import io
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pycdlib

REPORT = "/run/nestproof/report.json"
REPORTS = Path(__file__).parents[2] / "fixtures" / "reports"
RECORDED = {
    ("svm", True): "amd-nested", ("svm", False): "vm-without-svm",
    ("vmx", True): "intel-skylake-nested", ("vmx", False): "vm-without-vmx",
}  # fmt: skip
HERE = re.compile(r"base64 -d <<'END' \| keep \"\$agent\" 755\n(.*?)\nEND\n", re.DOTALL)
VM = re.compile(r"--vm ([a-z0-9.-]+/[a-z0-9.-]+)")


@dataclass(frozen=True)
class Seed:
    """What is on a NoCloud image."""

    user_data: bytes
    meta_data: bytes
    network_config: bytes = b""

    def parts(self) -> dict[str, str]:
        """The text of every part of the user-data, by its kind."""
        message = message_from_bytes(self.user_data)
        return {
            part.get_content_type(): (part.get_payload(decode=True) or b"").decode()
            for part in message.walk()
            if not part.is_multipart()
        }


def read_seed(image: bytes) -> Seed:
    """Raises an exception of pycdlib's when the image is none, ValueError when it is not labelled for NoCloud."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    try:
        label = iso.pvd.volume_identifier.decode().strip()
        if label.lower() != "cidata":
            raise ValueError(f"the volume is labelled {label}")
        read = {}
        there = {child.file_identifier().decode("utf-16-be") for child in iso.list_children(joliet_path="/")}
        for name in ("user-data", "meta-data", *(["network-config"] if "network-config" in there else [])):
            out = io.BytesIO()
            iso.get_file_from_iso_fp(out, joliet_path=f"/{name}")
            read[name] = out.getvalue()
        return Seed(read["user-data"], read["meta-data"], read.get("network-config", b""))
    finally:
        iso.close()


def report(seed: Seed, native: str, *, has_feature: bool) -> str:
    """What the agent on the seed says of a machine whose CPU is of the kind of `native` and has it or not."""
    boothook = seed.parts()["text/cloud-boothook"]
    found, of = HERE.search(boothook), VM.search(boothook)
    assert found and of, "there is no agent on the seed"
    recorded = json.loads((REPORTS / f"{RECORDED[native, has_feature]}.json").read_text())
    with tempfile.TemporaryDirectory() as place:
        agent = Path(place) / "nestproof-agent.pyz"
        agent.write_bytes(base64.b64decode(found[1]))
        root = Path(place) / "root"
        (root / "etc").mkdir(parents=True)
        (root / "etc/hostname").write_text(of[1].partition("/")[2] + "\n")
        (root / "nestproof-facts.json").write_text(json.dumps({"facts": recorded["facts"]}))
        command = [sys.executable, "-I", "-S", str(agent), "--root", str(root), "--vm", of[1], "--json"]
        said = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    for name, fact in said["facts"].items():
        if fact["status"] != "ok" and name in recorded["facts"]:
            said["facts"][name] = recorded["facts"][name]
    return json.dumps(said) + "\n"
