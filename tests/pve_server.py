"""Starting the strict Proxmox VE of tests/servers/pve for a test, and talking to it behind its API's back."""

import contextlib
import hashlib
import json
import shlex
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

MAIN = Path(__file__).parent / "servers" / "pve" / "pve_main.py"
TOKEN = "nestproof@pve!test"
SECRET = "7d2f1c8e-0000-4a4b-9f6e-f00dfeedface"
PASSWORD = "correct horse battery staple"

AMD = {"vendor": "AuthenticAMD"}
INTEL = {"vendor": "GenuineIntel"}


@dataclass
class Pve:
    """One running server."""

    port: int
    control: int
    ca: Path
    process: "subprocess.Popen[str]" = field(repr=False)

    @property
    def endpoint(self) -> str:
        return f"proxmox://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """How a user would point nestproof at it."""
        return {"PROXMOX_TOKEN_ID": TOKEN, "PROXMOX_TOKEN_SECRET": SECRET, "PROXMOX_CA_FILE": str(self.ca)}

    @property
    def fingerprint(self) -> str:
        der = ssl.PEM_cert_to_DER_cert(self.ca.read_text())
        digest = hashlib.sha256(der).hexdigest().upper()
        return ":".join(digest[n : n + 2] for n in range(0, 64, 2))

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the server."""
        asked = {"method": method, "args": args, "kwargs": kwargs}
        answer = requests.post(f"http://127.0.0.1:{self.control}/call", json=asked, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def set(self, **values: Any) -> None:
        """Set attributes of the server, or of the vm=, node= or storage= that is named."""
        requests.post(f"http://127.0.0.1:{self.control}/set", json=values, timeout=60).raise_for_status()

    def state(self) -> Any:
        return requests.get(f"http://127.0.0.1:{self.control}/state", timeout=60).json()

    def vm(self, name: str) -> Any:
        """The one VM of this name that is no template; None when there is none."""
        found = [vm for vm in self.state()["vms"] if vm["name"] == name and not vm["template"]]
        assert len(found) < 2, found
        return found[0] if found else None


def certificate(place: Path) -> tuple[Path, Path]:
    """A self-signed certificate for loopback, and its key."""
    cert, key = place / "pve.crt", place / "pve.key"
    if not cert.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "30", "-subj", "/CN=pve-test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key),
             "-out", str(cert)],
            check=True, capture_output=True,
        )  # fmt: skip
    return cert, key


@contextlib.contextmanager
def running(place: Path, version: str, **scenario: Any) -> Iterator[Pve]:
    """A server with one AMD node unless the scenario says otherwise, and a token that may do everything."""
    cert, key = certificate(place)
    told = {
        "version": version, "cert": str(cert), "key": str(key), "tokens": {TOKEN: SECRET},
        "nodes": {"pve1": AMD}, **scenario,
    }  # fmt: skip
    path = place / f"scenario-{len(list(place.iterdir()))}.json"
    path.write_text(json.dumps(told))
    command = [sys.executable, str(MAIN), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the test server did not start"
            ports = json.loads(line)
            yield Pve(ports["port"], ports["control"], cert, process)
        finally:
            process.kill()


def documented(version: str) -> list[list[Any]]:
    """Who may do what by docs/proxmox.md: [token, path, privileges] for every `pveum acl modify` of this version."""
    page = (Path(__file__).parents[1] / "docs" / "proxmox.md").read_text()
    section = page.split(f"### Proxmox VE {version.partition('.')[0]}\n")[1].split("```")[1]
    roles: dict[str, list[str]] = {}
    granted: list[list[Any]] = []
    for line in section.strip().splitlines():
        words = shlex.split(line)
        if words[1] == "role":
            roles[words[3]] = words[5].split()
        else:
            granted.append([words[5], words[3], roles[words[7]]])
    return granted
