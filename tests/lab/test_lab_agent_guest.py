"""The agent in whole guests, installed by its part of the user-data; its reports arrive by four channels.

Debian with systemd and cloud-init is the image of deploy/guest_image.py. The guests without systemd are a kernel and
busybox: once with Python, once without.
"""

import contextlib
import hashlib
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest
from lab_artefacts import REPOSITORY, kernel, needs, vmlinuz
from lab_machines import EPYC, Job, Lab, initramfs

from agent.cloudinit import PORT, user_data_part

pytestmark = pytest.mark.lab
IMAGE = REPOSITORY / ".cache/guest/debian-12.qcow2"
SERIAL = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_console"]
PATIENCE = 420.0  # seconds for a guest to boot under emulation on a busy machine


def read_frame(path: Path) -> dict[str, Any]:
    """Connect to the host end of a port until a whole frame came; what the collector side of a host does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as host:
            host.connect(str(path))
            host.settimeout(max(until - time.monotonic(), 1))
            data = b""
            while True:
                more = host.recv(65536)
                data += more
                head, newline, rest = data.partition(b"\n")
                if newline and len(rest) > int(head.split(b" ")[1]):
                    body = rest[: int(head.split(b" ")[1])]
                    assert head.split(b" ")[0] == b"NESTPROOF-REPORT/1"
                    assert hashlib.sha256(body).hexdigest() == head.split(b" ")[2].decode()
                    found: dict[str, Any] = json.loads(body)
                    return found
                if not more:
                    break
        time.sleep(0.5)
    pytest.fail("no report came through the port")


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
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", EPYC, "-smp", "2", "-m", "1024",
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


def seed(directory: Path, part: str, user: str) -> Path:
    """Return a NoCloud seed with a user's cloud-config and the agent's part."""
    needs(("genisoimage", "genisoimage"))
    message = MIMEMultipart()
    message.attach(MIMEText(user, "cloud-config", "utf-8"))
    message.attach(MIMEText(part, "cloud-boothook", "utf-8"))
    (directory / "user-data").write_text(message.as_string())
    (directory / "meta-data").write_text("instance-id: i-1\nlocal-hostname: nested\n")
    subprocess.run(
        ["genisoimage", "-quiet", "-o", "seed.iso", "-V", "cidata", "-J", "-R", "user-data", "meta-data"],
        cwd=directory, check=True, timeout=60,
    )  # fmt: skip
    return directory / "seed.iso"


def test_debian_with_cloud_init_and_systemd(tmp_path: Path) -> None:
    needs(("qemu-system-x86_64", "qemu-system-x86"), ("qemu-img", "qemu-utils"))
    if not IMAGE.exists():
        pytest.skip("the guest image is missing: python3 deploy/guest_image.py --output .cache/guest/debian-12.qcow2")
    user = "#cloud-config\nruncmd: [[sh, -c, 'echo the user was here >/dev/console']]\n"
    with collector(tmp_path) as (port, came):
        part = user_data_part(
            "team/nested-1",
            send=[f"https://10.0.2.2:{port}/reports"],
            token="of-this-vm",
            ca=(tmp_path / "ca.pem").read_text(),
        )
        overlay = tmp_path / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", IMAGE, overlay], check=True, timeout=60
        )
        command = qemu(
            tmp_path,
            "-drive", f"file={overlay},if=virtio,format=qcow2",
            "-drive", f"file={seed(tmp_path, part, user)},if=virtio,format=raw,readonly=on",
            "-netdev", "user,id=net,restrict=off", "-device", "virtio-net-pci,netdev=net",
        )  # fmt: skip
        with running(command, tmp_path):
            first = read_frame(tmp_path / "port")
            until = time.monotonic() + PATIENCE
            while not came and time.monotonic() < until:
                time.sleep(0.5)
            again = read_frame(tmp_path / "port")
            console = tmp_path / "console.txt"
            while "the user was here" not in console.read_text("utf-8", "replace") and time.monotonic() < until:
                time.sleep(0.5)
            assert "the user was here" in console.read_text("utf-8", "replace")
            assert "a guest of a guest ran" in console.read_text("utf-8", "replace")
    assert came, "no report came to the collector"
    token, pushed = came[0]
    assert token == "Bearer of-this-vm"
    for report in (first, again, pushed):
        assert report["subject"]["vm"] == "team/nested-1"
        facts = report["facts"]
        assert facts["proof.nested"]["value"]["ok"] is True
        assert facts["proof.nested_paging"]["value"]["ok"] is True
        assert facts["guest.virtio"]["value"]["ports"] == [PORT]
        assert facts["guest.cloud_init"]["value"]["seeds"] == ["cidata"]
    assert again["started"] > first["started"]
    assert "NoCloud" in again["facts"]["guest.cloud_init"]["value"]["datasource"]


@pytest.mark.parametrize("python", [True, False], ids=["with Python", "without Python"])
def test_a_guest_without_systemd(python: bool, tmp_path: Path) -> None:
    """The part as /bin/sh of busybox runs it; the report comes through the port, and as a file that the job prints."""
    needs(("qemu-system-x86_64", "qemu-system-x86"))
    script = (
        ("" if python else "rm /bin/python3; ")
        + "load irqbypass; load kvm; load kvm_amd; mkdir -p /usr/local/lib /var/lib; sh /hook; sh /hook;"
        + "while :; do sleep 1; done"
    )
    lab = Lab(
        loaded=tuple(SERIAL), modules=("kvm-amd",), files={"hook": user_data_part("a/b").encode()},
        jobs=(Job("hook", script),),
    )  # fmt: skip
    (tmp_path / "initrd").write_bytes(initramfs(lab))
    command = qemu(
        tmp_path,
        "-kernel",
        str(vmlinuz(kernel())),
        "-initrd",
        str(tmp_path / "initrd"),
        "-append",
        "console=ttyS0 quiet",
    )
    with running(command, tmp_path):
        report = read_frame(tmp_path / "port")
    assert report["subject"]["vm"] == "a/b"
    facts = report["facts"]
    assert facts["kvm.modules"]["value"]["kvm_amd"]["parameters"]["nested"] == "1"
    assert facts["kvm.device"]["value"]["open"] == "ok"
    assert "svm" in facts["cpu.flags"]["value"]
    if python:
        assert facts["proof.nested_paging"]["value"]["ok"] is True
    else:
        assert facts["proof.nested"]["status"] == "unsupported"
        assert "nothing was proven" in facts["proof.nested"]["error"]
