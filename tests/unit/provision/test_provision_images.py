"""Which images are used: real files and qemu-img, and a real HTTP server of our own for the downloads."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from vm_factory import image, tiny_image

from provision import budget, download, transfer
from provision.fetching import coming
from provision.http_session import MIRRORS
from provision.images import locate, resolve
from provision.model import Checksum, HttpRequest, ImageSpec, Preparation
from provision.provider import ProviderError

DATA = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def qemu_img(needs: Callable[[str, str], str]) -> str:
    return needs("qemu-img", "qemu-utils")


def quiet(_line: str) -> None:
    return


def sha(data: bytes, algorithm: str = "sha256") -> Checksum:
    return Checksum(algorithm, hashlib.new(algorithm, data).hexdigest())


def test_a_local_image_is_hashed_and_measured(tmp_path: Path) -> None:
    path = tiny_image(tmp_path)
    found = resolve(image(path, checksum=sha(path.read_bytes(), "sha512")), quiet)
    assert (found.path, found.size, found.sha256) == (path, 512, sha(path.read_bytes()).digest)
    assert locate(image(path)) == found


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_wrong_checksum_names_both_and_the_place(tmp_path: Path, algorithm: str) -> None:
    path = tiny_image(tmp_path)
    wrong = sha(b"other", algorithm)
    right = sha(path.read_bytes(), algorithm)
    with pytest.raises(ProviderError) as caught:
        resolve(image(path, checksum=wrong), quiet)
    assert str(caught.value).startswith("vm.yaml:20:3: image tiny: ")
    assert f"wrong checksum: {algorithm} is {right.digest}, expected {wrong.digest}" in str(caught.value)
    assert caught.value.refused


def qcow2(path: Path, *options: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "1M"], check=True)
    return path


def test_images_that_name_other_files_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(1 << 20))
    backed = qcow2(tmp_path / "backed.qcow2", "-b", str(secret), "-F", "raw")
    with pytest.raises(ProviderError, match="has a backing file"):
        resolve(image(backed, form="qcow2"), quiet)
    external = qcow2(tmp_path / "external.qcow2", "-o", f"data_file={tmp_path / 'data.raw'}")
    with pytest.raises(ProviderError, match="keeps its data in another file"):
        resolve(image(external, form="qcow2"), quiet)


def test_a_format_is_never_guessed(tmp_path: Path) -> None:
    disguised = qcow2(tmp_path / "disguised.img")
    with pytest.raises(ProviderError, match="said to be raw, but it is a qcow2 image"):
        resolve(image(disguised, form="raw"), quiet)
    with pytest.raises(ProviderError, match="not in qcow2 format"):
        resolve(image(tiny_image(tmp_path), form="qcow2"), quiet)
    with pytest.raises(ProviderError, match="format vmdk is not supported"):
        resolve(image(tiny_image(tmp_path), form="vmdk"), quiet)


@pytest.mark.parametrize(("name", "says"), [("none.img", "no such file"), (".", "not a file")])
def test_what_is_no_file_is_one_line(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ProviderError, match=rf"^vm\.yaml:20:3: image tiny: .*: {says}$"):
        resolve(image(tmp_path / name), quiet)


@pytest.mark.parametrize("size", [1, 512, 513, 70_000])
def test_a_raw_image_is_as_large_as_qemu_says(tmp_path: Path, size: int) -> None:
    raw = tmp_path / "disk.img"
    raw.write_bytes(b"x" * size)
    told = subprocess.check_output(["qemu-img", "info", "--output=json", "-f", "raw", str(raw)])
    assert resolve(image(raw, form="raw"), quiet).size == json.loads(told)["virtual-size"]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.img").touch()
    with pytest.raises(ProviderError, match="it is empty"):
        resolve(image(tmp_path / "empty.img"), quiet)


@dataclass
class Served:
    """What the server does and has seen."""

    url: str = ""
    body: bytes = DATA
    break_after: list[int] = field(default_factory=list)
    """For each coming request, after how many bytes the connection is dropped."""
    status: int = 200
    ranges: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    ignores_range: bool = False
    lies: list[int] = field(default_factory=list)
    """For each coming request, how much longer the body is said to be than it is."""
    trickle: float = 0.0
    """Seconds between two blocks."""
    redirect: str = ""
    asked: int = 0
    """How often without wanting the body."""
    etag: str = ""
    becomes: list[tuple[bytes, str]] = field(default_factory=list)
    """After each request, what the file is from then on, and its ETag."""
    busy: int = 0
    """How many coming requests are turned away."""
    length: int | None = None
    """What the body is said to have, whatever it has."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(budget.time, "sleep", lambda _seconds: None)
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.ranges.append(wanted)
            state.headers.append(dict(self.headers))
            if state.busy:
                state.busy -= 1
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if state.ignores_range or self.headers.get("If-Range", state.etag) != state.etag:
                wanted = ""
            if state.redirect and "elsewhere" not in self.path:
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
            if start >= len(state.body) and wanted:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if wanted else state.status)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}")
            body = state.body[start:] if state.status == 200 else b""
            said = len(body) if state.length is None else state.length
            self.send_header("Content-Length", str(said + (state.lies[0] if state.lies else 0)))
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            if state.becomes:
                state.body, state.etag = state.becomes.pop(0)
            if state.lies:
                state.lies.pop(0)
                self.close_connection = True
            if state.break_after:
                body = body[: state.break_after.pop(0)]
                self.close_connection = True
            step = len(body) // 4 if state.trickle else len(body) or 1
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                time.sleep(state.trickle)

        def do_HEAD(self) -> None:
            state.asked += 1
            state.headers.append(dict(self.headers))
            self.send_response(302 if state.redirect and "elsewhere" not in self.path else state.status)
            self.send_header("Location", state.redirect)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/images/tiny.img?token=hidden"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def remote(served: Served, checksum: Checksum | None = None) -> ImageSpec:
    return replace(image(Path("unused"), checksum=checksum), path=None, url=served.url)


def cache(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_download_is_cached_and_not_repeated(served: Served, tmp_path: Path) -> None:
    spec = remote(served, sha(DATA))
    assert locate(spec) is None
    found = resolve(spec, quiet)
    assert found.path.read_bytes() == DATA
    assert resolve(spec, quiet) == found == locate(spec)
    assert len(served.ranges) == 1
    assert len(cache(tmp_path)) == 1


def test_an_interrupted_download_goes_on_where_it_was(served: Served) -> None:
    served.break_after = [300_000, 200_000]
    assert resolve(remote(served, sha(DATA)), quiet).path.read_bytes() == DATA
    assert served.ranges == ["", f"bytes={4 * 65536}-", f"bytes={7 * 65536}-"]


def test_a_part_that_a_killed_run_left_is_continued(served: Served) -> None:
    spec = remote(served, sha(DATA))
    found = resolve(spec, quiet).path
    found.rename(found.with_name(found.name + ".part"))
    found.with_name(found.name + ".part").write_bytes(DATA[:1000])
    assert resolve(spec, quiet).path.read_bytes() == DATA
    assert served.ranges[-1] == "bytes=1000-"


def test_a_part_that_was_whole_needs_no_more_than_a_question(served: Served) -> None:
    spec = remote(served, sha(DATA))
    found = resolve(spec, quiet).path
    found.rename(found.with_name(found.name + ".part"))
    assert resolve(spec, quiet).path.read_bytes() == DATA


@pytest.mark.parametrize(
    ("before", "after", "body"),
    [('"1"', '"2"', DATA[::-1]), ("", "", DATA[::-1] + b"more"), ('W/"1"', 'W/"1"', DATA[::-1][:-70_000])],
    ids=["said by its ETag", "told by its size", "nothing said but its size"],
)
def test_a_file_that_changes_on_its_server_is_never_mixed(served: Served, before: str, after: str, body: bytes) -> None:
    """Without a checksum nothing else would tell that its halves are of two files."""
    served.etag, served.break_after, served.becomes = before, [300_000], [(body, after)]
    assert resolve(remote(served), quiet).path.read_bytes() == body


def test_a_part_that_was_of_another_file_costs_one_more_download(served: Served) -> None:
    """One that an earlier run left is shorter, and nothing tells what it is of before the checksum does."""
    spec = remote(served, sha(DATA))
    found = resolve(spec, quiet).path
    found.rename(found.with_name(found.name + ".part"))
    found.with_name(found.name + ".part").write_bytes(b"x" * 1000)
    said: list[str] = []
    assert resolve(spec, said.append).path.read_bytes() == DATA
    assert served.ranges[1:] == ["bytes=1000-", ""]
    assert "tiny.img: what an earlier run had of it is of another file, beginning anew" in said


def test_a_server_that_is_busy_is_asked_again(served: Served) -> None:
    served.busy = 2
    assert resolve(remote(served, sha(DATA)), quiet).path.read_bytes() == DATA
    served.busy = 20
    with pytest.raises(ProviderError, match="the server answers 503 Service Unavailable"):
        resolve(replace(remote(served), url=f"{served.url}&other"), quiet)
    assert served.busy == 20 - 1 - Preparation().retries


def test_a_server_that_promises_more_than_there_is_room_for_is_refused_at_once(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.length = 201 << 30
    with pytest.raises(ProviderError, match="larger than 200 GiB"):
        resolve(remote(served), quiet)
    served.length = None
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(ProviderError, match=r"cache/images has 1 MiB left, 1 MiB are needed") as caught:
        resolve(remote(served), quiet)
    assert "NESTPROOF_CACHE" in caught.value.hint
    assert (cache(tmp_path), len(served.ranges)) == ([], 2), "not tried again, and nothing left"


def test_a_disk_that_gets_full_is_emptied_again(served: Served, tmp_path: Path) -> None:
    spec = remote(served, sha(DATA))
    part = tmp_path / "cache" / "images" / f"{download._place(served.url, spec.checksum).name}.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(ProviderError) as caught:
        resolve(spec, quiet)
    assert str(caught.value).endswith(f"{part.parent}: No space left on device")
    assert "NESTPROOF_CACHE" in caught.value.hint
    assert not part.is_symlink(), "what fills the disk is removed"


def test_a_cached_file_that_was_damaged_is_fetched_again(served: Served) -> None:
    spec = remote(served, sha(DATA))
    found = resolve(spec, quiet).path
    found.write_bytes(DATA[:-1])
    assert locate(spec) is None
    assert resolve(spec, quiet).path.read_bytes() == DATA
    assert len(served.ranges) == 2


def test_who_waits_for_another_says_so(served: Served, tmp_path: Path) -> None:
    """Another process fetches it, or a dead one did: only a living one is waited for."""
    spec = remote(served, sha(DATA))
    lock = tmp_path / "cache" / "images" / f"{download._place(served.url, spec.checksum).name}.lock"
    lock.parent.mkdir(parents=True)
    holder = subprocess.Popen(["flock", "-o", str(lock), "sleep", "60"], start_new_session=True)
    said: list[str] = []

    def heard(line: str) -> None:
        said.append(line)
        if "which is being fetched already" in line:
            os.killpg(holder.pid, signal.SIGKILL)

    while subprocess.run(["flock", "-n", str(lock), "true"], check=False).returncode == 0:
        time.sleep(0.01)
    assert resolve(spec, heard).path.read_bytes() == DATA
    assert holder.wait() == -signal.SIGKILL
    assert said[0] == "waiting for tiny.img, which is being fetched already"


def test_a_part_of_another_file_is_thrown_away(served: Served) -> None:
    spec = remote(served, sha(DATA))
    found = resolve(spec, quiet).path
    found.unlink()
    found.with_name(found.name + ".part").write_bytes(b"x" * (len(DATA) + 5))
    assert resolve(spec, quiet).path.read_bytes() == DATA


def test_a_wrong_checksum_leaves_nothing(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="wrong checksum") as caught:
        resolve(remote(served, sha(b"other")), quiet)
    assert cache(tmp_path) == []
    assert str(caught.value).startswith("vm.yaml:20:3: image tiny: http://127.0.0.1:")
    assert "hidden" not in str(caught.value)


def test_a_server_that_says_no_is_one_line(served: Served, tmp_path: Path) -> None:
    served.status = 404
    with pytest.raises(ProviderError, match="the server answers 404 Not Found"):
        resolve(remote(served), quiet)
    assert cache(tmp_path) == []


def test_a_connection_that_breaks_without_end_is_given_up(served: Served) -> None:
    served.break_after = [10] * 20
    with pytest.raises(ProviderError, match="image tiny: http://127") as caught:
        resolve(remote(served), quiet)
    assert len(served.ranges) == 1 + Preparation().retries
    assert "\n" not in str(caught.value)


def test_no_server_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path))
    with pytest.raises(ProviderError, match="refused") as caught:
        resolve(replace(image(Path("unused")), path=None, url="http://127.0.0.1:1/x.img"), quiet)
    assert "\n" not in str(caught.value)


def test_several_at_once_download_once(served: Served) -> None:
    spec = remote(served, sha(DATA))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(resolve(spec, quiet).path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(served.ranges) == 1


def test_a_server_that_ignores_ranges_is_read_again_from_the_start(served: Served) -> None:
    served.ignores_range, served.break_after = True, [300_000]
    assert resolve(remote(served, sha(DATA)), quiet).path.read_bytes() == DATA
    assert served.ranges == ["", f"bytes={4 * 65536}-"]


def test_a_body_shorter_than_it_was_said_to_be_is_never_used(served: Served, tmp_path: Path) -> None:
    served.lies, served.ignores_range = [100] * 20, True
    with pytest.raises(ProviderError, match="image tiny: http://127"):
        resolve(remote(served), quiet)
    assert [name for name in cache(tmp_path) if not name.endswith(".part")] == []
    assert locate(remote(served)) is None
    served.lies = []
    assert resolve(remote(served), quiet).path.read_bytes() == DATA


def test_a_slow_server_is_waited_for_and_said(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "EVERY", 0.0)
    served.trickle, said = 0.02, []
    assert resolve(remote(served, sha(DATA)), said.append).path.read_bytes() == DATA
    assert "downloading tiny.img: 0 of 1 MiB" in said
    assert not [line for line in said if "hidden" in line]


ASKING = """
import sys
from msgspec.structs import replace
from pathlib import Path
from vm_factory import image
from provision.images import resolve
from provision.model import Checksum
spec = replace(image(Path("unused"), checksum=Checksum("sha256", sys.argv[2])), path=None, url=sys.argv[1])
print(resolve(spec, lambda _line: None).sha256)
"""


def test_several_processes_at_once_download_once(served: Served) -> None:
    served.trickle = 0.5
    digest = sha(DATA).digest
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ASKING, served.url, digest], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in started] == [digest] * 3
    assert len(served.ranges) == 1


def test_a_mirror_is_asked_instead_and_not_told_what_is_for_the_server(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = served.url.partition("?")[0].removesuffix("tiny.img")
    monkeypatch.setenv(MIRRORS, f"https://images.example/=http://127.0.0.1:1/ https://images.example/debian/={mirror}")
    spec = replace(
        remote(served, sha(DATA)),
        url="https://images.example/debian/tiny.img",
        request=HttpRequest({"X-Key": "hidden"}, token="hidden"),
    )
    said: list[str] = []
    assert resolve(spec, said.append).path.read_bytes() == DATA
    assert said[0] == f"tiny.img comes from the mirror {mirror}tiny.img"
    assert "hidden" not in str(served.headers)
    monkeypatch.delenv(MIRRORS)
    assert locate(spec) is not None, "the same file, wherever it came from"


@pytest.mark.parametrize("setting", ["https://a.example/", "a=b", "https://a/=ftp://b/"])
def test_a_mirror_of_another_form_is_one_line(served: Served, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(MIRRORS, setting)
    with pytest.raises(ProviderError, match=f"{MIRRORS} is FROM=TO"):
        resolve(remote(served), quiet)


@pytest.mark.parametrize(
    ("request_", "header"),
    [
        (HttpRequest(token="t0\n"), "Bearer t0"),
        (HttpRequest(username="ü", password="p"), "Basic w7w6cA=="),
        (HttpRequest({"Authorization": "Custom x"}), "Custom x"),
    ],
)
def test_a_download_logs_in(served: Served, request_: HttpRequest, header: str) -> None:
    served.break_after = [300_000]
    resolve(replace(remote(served, sha(DATA)), request=request_), quiet)
    assert [headers["Authorization"] for headers in served.headers] == [header] * 2, "also when it goes on"


def test_another_server_is_not_told_what_is_for_the_first(served: Served) -> None:
    served.redirect = served.url.replace("127.0.0.1", "localhost").replace("tiny", "elsewhere")
    secret = HttpRequest({"X-Key": "hidden1"}, token="hidden2")
    resolve(replace(remote(served, sha(DATA)), request=secret), quiet)
    first, second = (str(headers) for headers in served.headers)
    assert "hidden1" in first and "hidden2" in first
    assert "hidden1" not in second and "hidden2" not in second


@pytest.mark.parametrize("request_", [HttpRequest({"X": "hidden\nmore"}), HttpRequest(token="hid\nden")])
def test_what_no_header_can_say_is_refused_and_not_shown(served: Served, request_: HttpRequest) -> None:
    with pytest.raises(ProviderError, match="line break") as caught:
        resolve(replace(remote(served), request=request_), quiet)
    assert "hid" not in str(caught.value)


def test_what_is_to_come_is_known_before_it_comes(served: Served, tmp_path: Path) -> None:
    """Asked once for all VMs of the image, with the manifest's credentials, wherever the server sends us."""
    spec = replace(remote(served), request=HttpRequest(token="word"))
    need = coming(spec)
    assert need is not None and coming(spec) == need
    assert (need.now, need.place.name, served.asked) == (len(DATA), str(tmp_path / "cache"), 1)
    assert served.headers[0]["Authorization"] == "Bearer word"
    assert need.place.free > 0 and "NESTPROOF_CACHE" in need.place.hint
    served.redirect = served.url.replace("/images/", "/elsewhere/")
    moved = coming(replace(spec, url=f"{served.url}&moved"))
    assert moved is not None and moved.now == len(DATA)
    assert cache(tmp_path) == [], "nothing was fetched"


def test_what_a_server_does_not_tell_is_not_known(served: Served) -> None:
    served.status = 403
    assert coming(remote(served)) is None
    assert coming(replace(remote(served), url="http://127.0.0.1:1/nobody.img")) is None
    assert coming(image(Path("/local.img"))) is None


def test_a_url_without_a_name_is_not_shown_with_its_secrets(served: Served) -> None:
    spec = replace(
        remote(served, sha(DATA)), url=served.url.replace("images/tiny.img", "").replace("//", "//me:hidden@")
    )
    said: list[str] = []
    resolve(spec, said.append)
    assert said == [f"verifying {served.url.partition('/images')[0]}/"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://me:hid[den@server/x?token=hidden", "its URL is none: Invalid IPv6 URL"),
        ("http://me:hidden@server:99999/x?token=hidden", "its URL is none: Port out of range 0-65535"),
        ("http://me:hidden@/x?token=hidden", "its URL names no host"),
        ("ftp://me:hidden@server/x", "only http and https can be downloaded, not 'ftp'"),
        ("http://me:hidden@.../x?token=hidden", "http://.../x: no valid URL"),
    ],
)
def test_a_url_that_nobody_can_fetch_is_one_line_without_its_secrets(
    url: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path))
    with pytest.raises(ProviderError) as caught:
        resolve(replace(image(Path("unused")), path=None, url=url), quiet)
    assert str(caught.value) == f"vm.yaml:20:3: image tiny: {says}"
