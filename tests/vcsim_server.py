"""A vCenter for tests: builds tests/servers/vcsim once, starts it on loopback with TLS, and asks it for trouble.

Needs Debian's golang-go and golang-github-vmware-govmomi-dev, and openssl for its certificate; no network.
"""

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "tests" / "servers" / "vcsim"
GOPATH = Path("/usr/share/gocode")
RECORDED = ROOT / "tests" / "fixtures" / "reports" / "intel-skylake-nested.json"
ESXI_8 = {"version": "8.0.2", "vendor": "intel", "virt": True, "nested": True, "vpmc": True}
TEMPLATE = {"name": "debian-12", "hardware": "vmx-19", "firmware": "efi", "diskGiB": 2}

CA = """[ca]
default_ca = own
[own]
database = index
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""
"""For `openssl ca`, the one command of all versions of OpenSSL that makes a certificate of the past."""


def built() -> Path:
    """The simulator's program, from the cache unless its source or Debian's packages changed. Skips without Go."""
    if not shutil.which("go"):
        pytest.skip("go is not installed; it comes with the package golang-go")
    module = GOPATH / "src" / "github.com" / "vmware" / "govmomi" / "simulator"
    if not module.is_dir():
        pytest.skip("govmomi's source is not installed; it comes with the package golang-github-vmware-govmomi-dev")
    digest = hashlib.sha256(str(module.stat().st_mtime_ns).encode())
    for path in sorted(SOURCE.glob("*.go")):
        digest.update(path.read_bytes())
    program = ROOT / ".cache" / "vcsim" / f"vcsim-{digest.hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        part = program.with_suffix(f".{os.getpid()}")
        settings = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOPROXY": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
                    "GOCACHE": str(program.parent / "go")}  # fmt: skip
        subprocess.run(["go", "build", "-o", part, "."], cwd=SOURCE, env=os.environ | settings, check=True, timeout=900)
        part.rename(program)
        for old in program.parent.glob("vcsim-*"):
            if old != program:
                old.unlink(missing_ok=True)
    return program


def make_certificate(place: Path, *, expired: bool) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key, as PEM files."""
    certificate, key = place / "vc.pem", place / "vc.key"
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; it comes with the package openssl")
    request = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
               "-subj", "/CN=vc.example", "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    if not expired:
        subprocess.run([*request, "-x509", "-days", "2", "-out", certificate], check=True, capture_output=True)
        return certificate, key
    (place / "ca.conf").write_text(CA)
    (place / "index").touch()
    subprocess.run([*request, "-out", "vc.csr"], check=True, capture_output=True, cwd=place)
    signed = ["openssl", "ca", "-config", "ca.conf", "-batch", "-selfsign", "-keyfile", key, "-in", "vc.csr", "-notext",
              "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-out", certificate,
              "-outdir", place]  # fmt: skip
    subprocess.run(signed, check=True, capture_output=True, cwd=place)
    return certificate, key


def guest(kind: str = "recorded", *words: str) -> list[str]:
    """The command that stands for the guest: `recorded` or `agent` (see guest.py)."""
    program = [sys.executable, str(SOURCE / "guest.py"), kind]
    return [*program, str(RECORDED), *words] if kind == "recorded" else program


@dataclass
class VCenter:
    """A running simulator."""

    port: int
    certificate: Path
    process: "subprocess.Popen[str]" = field(repr=False)

    @property
    def url(self) -> str:
        return f"vsphere://127.0.0.1:{self.port}"

    @property
    def ca(self) -> str:
        return self.certificate.read_text()

    @property
    def thumbprint(self) -> str:
        digest = hashlib.sha1(ssl.PEM_cert_to_DER_cert(self.ca)).hexdigest().upper()
        return ":".join(digest[n : n + 2] for n in range(0, 40, 2))

    def control(self, what: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        context = ssl.create_default_context(cafile=str(self.certificate))
        url = f"https://127.0.0.1:{self.port}/control/{what}"
        with urllib.request.urlopen(urllib.request.Request(url, data), context=context, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def calls(self) -> dict[str, int]:
        """Requests since the last time this was asked, by method."""
        counted: dict[str, int] = self.control("calls")
        return counted

    def fail(self, method: str, fault: str = "", inside: str = "", *, cut: bool = False) -> None:
        """Let the next call of a method fail; `cut`: carry it out, and cut the connection before the answer."""
        self.control("fail", {"method": method, "fault": fault, "xml": inside, "cut": cut})

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def start(place: Path, *, expired: bool = False, **scenario: Any) -> VCenter:
    """A vCenter with one host that nests and one template, changed by keyword (see scenario.go)."""
    values = {"hosts": [ESXI_8], "templates": [TEMPLATE], "guest": guest(), "keyProviders": ["native"]} | scenario
    place.mkdir(parents=True, exist_ok=True)
    file = place / "scenario.json"
    file.write_text(json.dumps(values))
    certificate, key = make_certificate(place, expired=expired)
    process = subprocess.Popen(
        [built(), "-scenario", file, "-cert", certificate, "-key", key],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    if not line.strip():
        process.wait(30)
        raise AssertionError(f"the simulator did not start ({process.returncode})")
    return VCenter(int(line), certificate, process)
