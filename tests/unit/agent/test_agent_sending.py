"""Channels that the agent pushes a report into, each against the real thing or a stand-in for the host's side."""

import base64
import gzip
import http.server
import json
import os
import pty
import shutil
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from agent.channels import deliver, guestinfo, https, local
from agent.channels.deliver import sender

REPORT = {"schema": "nestproof.report/1", "facts": {"a": {"status": "ok", "value": "é"}}}


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes reports with one token; the first requests may be refused, some paths redirect."""

    refuse = 0
    received: ClassVar[list[dict[str, object]]] = []
    tokens: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).tokens.append(self.headers["Authorization"])
        if self.path == "/elsewhere":
            self.send_response(307)
            self.send_header("Location", f"https://localhost:{self.server.server_port}/reports")  # type: ignore[attr-defined]
        elif type(self).refuse > 0:
            type(self).refuse -= 1
            self.send_response(503)
        elif self.headers["Authorization"] != "Bearer right":
            self.send_response(401)
        else:
            type(self).received.append(json.loads(body))
            self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *unused: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two self-signed authorities for localhost, made by openssl: right.pem, wrong.pem and their keys."""
    if not shutil.which("openssl"):
        pytest.skip("package openssl is missing")
    directory = tmp_path_factory.mktemp("tls")
    for name in ("right", "wrong"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            cwd=directory, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    (directory / "token").write_text("right\n")
    (directory / "other-token").write_text("stolen\n")
    return directory


@pytest.fixture
def collector(certificates: Path) -> Iterator[str]:
    Collector.refuse, Collector.received, Collector.tokens = 0, [], []
    server = http.server.ThreadingHTTPServer(("localhost", 0), Collector)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "right.pem", certificates / "right.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_https_carries_report_and_token(collector: str, certificates: Path) -> None:
    https.post(collector + "/reports", REPORT, str(certificates / "token"), str(certificates / "right.pem"))
    assert Collector.received == [REPORT]
    assert Collector.tokens == ["Bearer right"]


def test_https_on_every_python(collector: str, certificates: Path, python: str, pyz: Path) -> None:
    done = subprocess.run(
        [python, "-I", "-S", pyz, "--only", "process.identity", "--vm", "a/b", "--send", collector + "/reports",
         "--token-file", certificates / "token", "--ca-file", certificates / "right.pem"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "no module named '_ssl'" in done.stderr.lower():
        pytest.skip("this Python was built without ssl")
    assert done.returncode == 0, done.stderr
    assert [report["subject"]["vm"] for report in Collector.received] == ["a/b"]  # type: ignore[index]


def test_https_trusts_only_the_pinned_authority(collector: str, certificates: Path) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        https.post(collector + "/reports", REPORT, str(certificates / "token"), str(certificates / "wrong.pem"))
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        https.post(collector + "/reports", REPORT, str(certificates / "token"), None)
    assert Collector.tokens == []


def test_https_follows_no_redirect_with_its_token(collector: str, certificates: Path) -> None:
    with pytest.raises(OSError, match="307"):
        https.post(collector + "/elsewhere", REPORT, str(certificates / "token"), str(certificates / "right.pem"))
    assert Collector.received == []


def test_http_is_refused() -> None:
    with pytest.raises(ValueError, match="in clear"):
        https.post("http://localhost/", REPORT, None, None)


def test_delivery_tries_again_and_reports_what_failed(
    collector: str,
    certificates: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(deliver, "FIRST", 0.01)
    Collector.refuse = 2
    ca, file = str(certificates / "right.pem"), f"file:{tmp_path}/new/report.json"
    good = sender(collector + "/reports", str(certificates / "token"), ca)
    bad = sender(collector + "/reports", str(certificates / "other-token"), ca)
    failed = deliver.deliver(REPORT, [("good", good), ("bad", bad), (file, sender(file, None, None))], deadline=0.5)
    assert list(failed) == ["bad"]
    assert "401" in failed["bad"]
    assert Collector.received == [REPORT]
    assert json.loads((tmp_path / "new/report.json").read_text()) == REPORT
    err = capsys.readouterr().err
    assert "bad has not got the report" in err
    assert "stolen" not in err


@pytest.mark.parametrize("channel", ["", "http://x/", "file:", "console:", "ftp://x", "guestinfo:x", "https:x"])
def test_what_is_no_channel_is_refused(channel: str) -> None:
    with pytest.raises(ValueError, match="no such channel"):
        sender(channel, None, None)


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    reader = path.open()
    local.write_file(str(path), REPORT)
    assert reader.read() == "old"
    reader.close()
    assert json.loads(path.read_text()) == REPORT
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match=r"report\.json"):
        local.write_file(str(tmp_path / "report.json"), REPORT)
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_console_carries_a_frame() -> None:
    master, slave = pty.openpty()
    local.write_console(os.ttyname(slave), REPORT)
    text = b""
    while text.count(b"\n") < 3:
        text += os.read(master, 65536)
    os.close(slave)
    os.close(master)
    head, body = text.replace(b"\r", b"").strip().split(b"\n")
    assert head.startswith(b"NESTPROOF-REPORT/1 ")
    assert json.loads(body) == REPORT


def test_console_must_be_a_device(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(OSError, match="Not a terminal"):
        local.write_console(str(tmp_path / "x"), REPORT)


def test_guestinfo_sets_variable_and_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VMware's tools are not to be had here; a script in their place keeps what it was told."""
    tool = tmp_path / "vmtoolsd"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$#" "$1" "$2" >>{tmp_path}/calls\n')
    tool.chmod(0o755)
    monkeypatch.setattr(guestinfo, "tools", lambda: [("/bin/false",), (str(tool), "--cmd")])
    guestinfo.set_variables(REPORT)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[:5] == ["2", "--cmd", "info-set guestinfo.nestproof.report.encoding gzip+base64", "2", "--cmd"]
    verb, key, value = calls[5].split(" ")
    assert (verb, key) == ("info-set", "guestinfo.nestproof.report")
    assert json.loads(gzip.decompress(base64.b64decode(value))) == REPORT


def test_guestinfo_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guestinfo, "tools", list)
    with pytest.raises(OSError, match="neither vmware-rpctool nor vmtoolsd"):
        guestinfo.set_variables(REPORT)
    monkeypatch.setattr(guestinfo, "tools", lambda: [("/bin/false",)])
    with pytest.raises(OSError, match="is this a VMware guest"):
        guestinfo.set_variables(REPORT)


def test_guestinfo_keeps_to_vmware_s_limit() -> None:
    with pytest.raises(ValueError, match="VMware takes"):
        guestinfo.packed({"noise": os.urandom(60000).hex()})
