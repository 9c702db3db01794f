"""The collector as a process of its own, with the real agent sending to it, and with those who mean ill."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install 'nestproof[server]')")

from hostcheck.model import Accelerator, Asked, VmView
from reports.store import FILE_NAME, Entry, Store

NESTPROOF = [sys.executable, "-m", "nestproof"]
REPORT = Path(__file__).parents[1] / "fixtures/reports/amd-nested.json"
LONG = 120


@dataclass(frozen=True)
class Collector:
    state: Path
    process: "subprocess.Popen[str]"
    log: Path
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def token(self, name: str, *options: str) -> str:
        return command(self.state, "agent", "token", name, *options).stdout.strip()

    def get(self, path: str, **options: object) -> requests.Response:
        return requests.get(self.url + path, verify=str(self.state / "collector.pem"), timeout=LONG, **options)  # type: ignore[arg-type]

    def post(self, token: str, body: bytes, **headers: str) -> requests.Response:
        return requests.post(
            f"{self.url}/report", data=body, timeout=LONG, verify=str(self.state / "collector.pem"),
            headers=({"Authorization": f"Bearer {token}"} if token else {}) | headers,
        )  # fmt: skip

    def kept(self, name: str) -> list[Entry]:
        with Store.open(self.state / FILE_NAME) as store:
            return store.history(name)


def environment(state: Path) -> dict[str, str]:
    return {**os.environ, "NESTPROOF_STATE": str(state), "NO_COLOR": "1", "no_proxy": "*"}


def command(state: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*NESTPROOF, *arguments], env=environment(state), capture_output=True, text=True, timeout=LONG, check=False
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def started(state: Path, *options: str) -> Collector:
    """A collector that listens; whoever asks for it ends it."""
    port = free_port()
    log = state / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*NESTPROOF, "serve", "--listen", f"127.0.0.1:{port}", *options],
            env=environment(state), stdout=file, stderr=file, text=True,
        )  # fmt: skip
    deadline = time.monotonic() + LONG
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return Collector(state, process, log, port)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = started(tmp_path)
    yield collector
    collector.process.kill()
    collector.process.wait()


def report(**subject: object) -> bytes:
    """A recorded report under another name."""
    document = json.loads(REPORT.read_bytes())
    document["subject"] = {**document["subject"], **subject}
    return json.dumps(document).encode()


def test_the_agent_sends_and_the_page_shows_it(collector: Collector, tmp_path: Path) -> None:
    word = tmp_path / "token"
    word.write_text(collector.token("default/ci1"))
    with Store.open(tmp_path / FILE_NAME) as store:
        view = VmView("default/ci1", "libvirt x", True, Asked.ON, feature="svm", got=True, accelerator=Accelerator.KVM)
        store.add(Entry("default/ci1", "vm", 1.0, host="kvm07", provider="libvirt x", view=view))
    done = command(
        tmp_path, "agent", "run", "--vm", "default/ci1", "--only", "cpu.,kvm.device", "--json",
        "--send", f"{collector.url}/report", "--token-file", str(word), "--ca-file", str(tmp_path / "collector.pem"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    newest, _ = collector.kept("default/ci1")
    assert newest.report is not None
    assert json.loads(newest.report)["subject"]["vm"] == "default/ci1"
    assert (newest.host, newest.view) == ("kvm07", view)
    assert "default/ci1" in collector.get("/").text
    subjects = [chain["subject"] for chain in collector.get("/matrix.json").json()["chains"]]
    assert subjects == ["default/ci1"]
    assert 'subject="default/ci1"' in collector.get("/metrics").text
    assert "vm default/ci1: report taken" in collector.log.read_text()


def test_a_report_is_on_disk_before_it_is_answered(collector: Collector) -> None:
    token = collector.token("kvm07", "--host")
    assert collector.post(token, report(hostname="kvm07", vm=None)).status_code == 204
    collector.process.kill()
    collector.process.wait()
    assert [entry.kind for entry in collector.kept("kvm07")] == ["host"]


def test_a_token_fits_one_machine_only(collector: Collector) -> None:
    mine = collector.token("default/mine")
    for subject in ({"vm": "default/other"}, {"vm": None, "hostname": "default/mine"}, {"vm": "default/mine "}):
        answer = collector.post(mine, report(**subject))
        assert answer.status_code == 403, answer.text
    assert collector.post("", report(vm="default/mine")).status_code == 401
    assert collector.post("no", report(vm="default/mine")).status_code == 403
    assert collector.post(mine, report(vm="default/mine")).status_code == 204
    assert collector.post(mine, report(vm="default/mine")).status_code in (204, 429)
    assert mine not in collector.log.read_text()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "report"),
        (b"[" * 60_000, 400, "report"),
        (b'{"schema":"nestproof.report/1"}', 400, "report"),
        (b" " * (64 * 1024 + 1), 413, "at most 65536 bytes"),
        (report(vm="x\x1b[2J/y"), 400, "plain words"),
        (report(vm="", hostname=""), 400, "plain words"),
        (report(vm="n" * 200 + "/y"), 400, "plain words"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(collector: Collector, body: bytes, status: int, says: str) -> None:
    answer = collector.post(collector.token("default/mine"), body)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert len(answer.text.splitlines()) == 1
    assert "\x1b" not in collector.log.read_text() + answer.text
    assert collector.get("/health").text == "ok\n"


def test_a_body_without_end_is_cut_off_and_the_next_one_is_served(collector: Collector) -> None:
    context = ssl.create_default_context(cafile=str(collector.state / "collector.pem"))
    with (
        socket.create_connection(("127.0.0.1", collector.port), LONG) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        secure.sendall(
            b"POST /report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        answer = b""
        try:
            for _ in range(1000):
                secure.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            answer = secure.recv(100)
        except OSError:
            answer = b"HTTP/1.1 413"  # the connection was closed in our face
        assert b" 413" in answer
    assert collector.get("/health").status_code == 200


def test_readers_are_asked_for_a_password_where_one_is_set(tmp_path: Path) -> None:
    word = "correct horse"
    (tmp_path / "word").write_text(word + "\n")
    collector = started(tmp_path, "--name", "np.example", "--password-file", str(tmp_path / "word"))
    try:
        for path in ("/", "/matrix.json", "/metrics"):
            assert collector.get(path).status_code == 401
            assert collector.get(path, auth=("me", word + "x")).status_code == 401
            assert collector.get(path, headers={"Authorization": "Basic %%%"}).status_code == 401
            assert collector.get(path, auth=("me", word)).status_code == 200
        assert word not in collector.log.read_text()
    finally:
        collector.process.send_signal(signal.SIGTERM)
        assert collector.process.wait(LONG) in (0, -signal.SIGTERM)


def test_an_address_in_use_is_one_line(collector: Collector, tmp_path: Path) -> None:
    done = command(tmp_path, "serve", "--listen", f"127.0.0.1:{collector.port}")
    assert done.returncode == 2
    assert f"nestproof: cannot listen on 127.0.0.1:{collector.port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert command(tmp_path, "serve", "--listen", "nowhere").returncode == 2


def test_a_certificate_without_a_name_of_today_is_said(collector: Collector, tmp_path: Path) -> None:
    done = command(tmp_path, "serve", "--listen", f"127.0.0.1:{free_port()}", "--name", "np.example")
    assert done.returncode == 2
    assert "collector.pem was made without the name np.example" in done.stderr


def test_a_secret_that_others_may_read_is_none(tmp_path: Path) -> None:
    command(tmp_path, "agent", "token", "default/x")
    secret = tmp_path / "collector.secret"
    secret.chmod(0o644)
    done = command(tmp_path, "agent", "token", "default/x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "others may read it" in done.stderr
    secret.chmod(0o600)
    secret.write_bytes(b"short")
    assert "damaged" in command(tmp_path, "agent", "token", "default/x").stderr


def test_the_cloud_init_part_carries_address_certificate_and_token(collector: Collector, tmp_path: Path) -> None:
    done = command(tmp_path, "agent", "cloud-init", "--vm", "default/ci1", "--collector", collector.url)
    assert done.returncode == 0, done.stderr
    assert f"--send {collector.url}/report" in done.stdout
    assert collector.token("default/ci1") in done.stdout
    assert (tmp_path / "collector.pem").read_text().splitlines()[1] in done.stdout
    for wrong in (("--collector", collector.url), ("--vm", "default/ci1", "--collector", "http://x")):
        refused = command(tmp_path, "agent", "cloud-init", *wrong)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) <= 2
