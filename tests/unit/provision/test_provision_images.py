"""Which images are used: real files and qemu-img, and a real HTTP server of our own for the downloads."""

import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from vm_factory import image, tiny_image

from provision import download
from provision.images import locate, resolve
from provision.model import Checksum, ImageSpec
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


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download.time, "sleep", lambda _seconds: None)
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.ranges.append(wanted)
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
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.break_after:
                body = body[: state.break_after.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

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
    assert len(served.ranges) == download.ATTEMPTS
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
