"""Whole guests that have the agent: QEMU with the report's port, a seed for cloud-init, a collector by HTTPS."""

import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest
from lab_artefacts import needs
from lab_machines import EPYC

from agent.cloudinit import PORT
from hostcheck.frame import FrameReader

PATIENCE = 420.0  # seconds for a guest to boot under emulation on a busy machine
PROOFS = ("proof.plain", "proof.nested", "proof.nested_paging")


def read_frame(path: Path) -> dict[str, Any]:
    """Connect to the host end of a port until a whole frame came; what the collector side of a host does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as host:
            host.connect(str(path))
            host.settimeout(max(until - time.monotonic(), 1))
            reader = FrameReader()
            while data := host.recv(65536):
                if body := reader.feed(data):
                    found: dict[str, Any] = json.loads(body)
                    return found
        time.sleep(0.5)
    pytest.fail("no report came through the port")


def whole(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Look until there is a report none of whose proofs was cut short; on a busy machine one is, and it says so."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        report = look()
        if report and all(report["facts"][name]["status"] != "timeout" for name in PROOFS):
            return report
        time.sleep(0.5)
    pytest.fail("no report came whose proofs had ended")


@contextlib.contextmanager
def running(command: list[str], directory: Path) -> Iterator[None]:
    """Run QEMU; what the guest said on its console is shown when the test fails."""
    log = directory / "console.txt"
    with log.open("wb") as console:
        guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            yield
        finally:
            guest.kill()
            guest.wait()
            print(log.read_text("utf-8", "replace")[-6000:])


def qemu(directory: Path, *more: str) -> list[str]:
    """Return the command of a guest that has SVM and the report's port."""
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", EPYC, "-smp", "1", "-m", "1024",
        "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-device", "virtio-serial",
        "-chardev", f"socket,id=report,path={directory}/port,server=on,wait=off",
        "-device", f"virtserialport,chardev=report,name={PORT}", *more,
    ]  # fmt: skip


@contextlib.contextmanager
def collector(directory: Path) -> Iterator[tuple[int, list[tuple[str, dict[str, Any]]]]]:
    """Serve HTTPS with a certificate for the address by which QEMU's guests see the host; (port, what came)."""
    needs(("openssl", "openssl"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "ca.pem", "-subj", "/CN=collector", "-addext", "subjectAltName=IP:10.0.2.2"],
        cwd=directory, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    came: list[tuple[str, dict[str, Any]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append((self.headers["Authorization"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *unused: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "ca.pem", directory / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield server.server_port, came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def seed(directory: Path, part: str, user: str, network: bytes | None = None) -> Path:
    """Return a NoCloud seed with a user's cloud-config, the agent's part and a network configuration."""
    needs(("genisoimage", "genisoimage"))
    message = MIMEMultipart()
    message.attach(MIMEText(user, "cloud-config", "utf-8"))
    message.attach(MIMEText(part, "cloud-boothook", "utf-8"))
    (directory / "user-data").write_text(message.as_string())
    (directory / "meta-data").write_text("instance-id: i-1\nlocal-hostname: nested\n")
    files = ["user-data", "meta-data"]
    if network is not None:
        (directory / "network-config").write_bytes(network)
        files.append("network-config")
    subprocess.run(
        ["genisoimage", "-quiet", "-o", "seed.iso", "-V", "cidata", "-J", "-R", *files],
        cwd=directory, check=True, timeout=60,
    )  # fmt: skip
    return directory / "seed.iso"
