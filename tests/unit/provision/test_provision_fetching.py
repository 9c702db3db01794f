"""What spec.prepare of an image asks of fetching it: waiting, giving up, trying again, fetching anew. A real server."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from vm_factory import image, tiny_image

from hostcheck import clock
from provision import budget, fetching, images, transfer
from provision.images import check_import, locate, missing, resolve
from provision.manifests.preparing import seconds
from provision.model import ImageSpec, Preparation
from provision.provider import ProviderError


def quiet(_line: str) -> None:
    return


class Site(msgspec.Struct):
    """A web server of one directory."""

    place: Path
    url: str
    asked: list[str]

    def image(self, **prepare: Any) -> ImageSpec:
        spec = replace(image(self.place), path=None, url=f"{self.url}/tiny.img")
        return replace(spec, prepare=Preparation(**prepare))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Callable[[str, str], str]) -> Iterator[Site]:
    needs("qemu-img", "qemu-utils")
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "_fetched", set())
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

        def send_error(self, code: int, *_: object) -> None:
            asked.append(self.path)
            self.send_response_only(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    place = tmp_path / "served"
    place.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(place))) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield Site(place, f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        serving.join()


class Time:
    """A clock that only sleeping moves on; what is done in the meantime is done while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self.meanwhile: dict[int, Callable[[], object]] = {}
        monkeypatch.setattr(clock, "monotonic", lambda: self.now)
        monkeypatch.setattr(budget.time, "sleep", self.sleep)

    def sleep(self, nap: float) -> None:
        self.now += nap
        self.naps.append(nap)
        self.meanwhile.pop(len(self.naps), lambda: None)()


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_an_image_that_must_not_be_fetched_is_refused_unless_it_is_here(site: Site) -> None:
    tiny_image(site.place)
    spec = site.image(on_missing="Fail")
    with pytest.raises(ProviderError, match=r"it is not here, and prepare\.onMissing is Fail: http://127") as caught:
        check_import(spec, here=locate(spec) is not None)
    assert caught.value.refused
    with pytest.raises(ProviderError, match=r"prepare\.onMissing is Fail"):
        resolve(spec, quiet)
    assert site.asked == []
    resolve(site.image(), quiet)
    found = locate(spec)
    check_import(spec, here=found is not None)
    assert resolve(spec, quiet) == found


def test_an_image_that_is_not_published_yet_is_waited_for(site: Site, passing: Time) -> None:
    spec = site.image(on_missing="Wait", timeout=60.0)
    assert [str(step.detail) for step in missing(spec, None)] == [f"{site.url}/tiny.img, at most 1m"]
    passing.meanwhile[3] = lambda: tiny_image(site.place)
    said: list[str] = []
    assert resolve(spec, said.append).path.read_bytes() == (site.place / "tiny.img").read_bytes()
    assert said[:2] == [f"waiting for {site.url}/tiny.img: {left} left" for left in ("1m", "55s")]
    assert len(site.asked) == 4


def test_an_image_that_never_comes_is_given_up(site: Site, passing: Time) -> None:
    with pytest.raises(ProviderError) as caught:
        resolve(site.image(on_missing="Wait", timeout=12.0), quiet)
    assert "tiny.img: the server answers 404" in str(caught.value)
    assert str(caught.value).endswith("not here within 12s, as prepare.timeout has it")
    assert passing.naps == [5.0, 5.0, 2.0]
    with pytest.raises(ProviderError, match=r"answers 404 Not Found$"):
        resolve(site.image(), quiet)


def test_a_file_is_waited_for_until_nobody_writes_to_it_any_more(tmp_path: Path, passing: Time, site: Site) -> None:
    whole = tiny_image(site.place).read_bytes()
    path = tmp_path / "coming.img"
    spec = replace(image(path), prepare=Preparation(on_missing="Wait"))
    assert locate(spec) is None
    assert [step.action for step in missing(spec, None)] == ["wait for"]
    passing.meanwhile = {1: lambda: path.write_bytes(whole[:100]), 2: lambda: path.write_bytes(whole)}
    said: list[str] = []
    assert resolve(spec, said.append).path.read_bytes() == whole
    assert [line.partition(" to be whole")[1] != "" for line in said] == [False, True, True]
    assert locate(spec) is not None
    gone = replace(spec, path=tmp_path / "never.img")
    with pytest.raises(ProviderError, match=r"never\.img: no such file; not here within 30m"):
        resolve(gone, quiet)


def test_a_download_is_given_up_when_its_time_is_over(
    site: Site, passing: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (site.place / "tiny.img").open("wb") as file:
        file.truncate(4 << 20)
    spec = site.image(timeout=30.0)

    def say(line: str) -> None:
        if line.startswith("downloading"):
            passing.now += 20.0

    monkeypatch.setattr("provision.transfer.EVERY", 0.0)
    with pytest.raises(ProviderError, match=r"not here within 30s, as prepare\.timeout has it; \d MiB of it"):
        resolve(spec, say)


@pytest.mark.parametrize("retries", [0, 2])
def test_a_download_that_breaks_off_is_tried_as_often_as_was_said(
    site: Site, passing: Time, retries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_image(site.place)
    tried: list[int] = []

    def broken(*_: object) -> None:
        tried.append(1)
        raise transfer.Interrupted("cut")

    monkeypatch.setattr(transfer.Transfer, "_attempt", broken)
    with pytest.raises(ProviderError, match="cut"):
        resolve(site.image(retries=retries), quiet)
    assert len(tried) == 1 + retries
    assert passing.naps == [1.0, 2.0][:retries]


def test_force_fetches_again_once_in_a_run_and_replaces_it_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_image(site.place, "first")
    spec = site.image(force=True)
    first = resolve(spec, quiet)
    tiny_image(site.place, "second")
    assert resolve(spec, quiet) == first, "the same run: many VMs start from one image"
    assert missing(spec, first)[0].detail.endswith("tiny.img, again")
    monkeypatch.setattr(fetching, "_fetched", set())
    second = resolve(spec, quiet)
    assert second.sha256 != first.sha256
    (site.place / "tiny.img").unlink()
    monkeypatch.setattr(fetching, "_fetched", set())
    with pytest.raises(ProviderError, match="404"):
        resolve(spec, quiet)
    assert images.locate(spec) == second, "what was here stays until the new one is whole"


@pytest.mark.parametrize(("text", "found"), [("90s", 90.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("250ms", 0.25)])
def test_durations(text: str, found: float) -> None:
    assert seconds(text) == pytest.approx(found)


def test_what_a_manifest_says_of_preparing() -> None:
    from manifest_texts import CLASS, IMAGE, PROVIDER, VM, outcome

    prepare = (
        "{onMissing: Wait, timeout: 5m, retries: 7, force: true, "
        "storage: {libvirt: {preallocation: falloc, storagePool: fast}}}"
    )
    source = f"{{http: {{url: 'https://h/x.qcow2', timeout: 1m}}}}, prepare: {prepare}"
    text = IMAGE.replace("{libvirt: {path: disk.qcow2}}", source)
    vms, problems = outcome(PROVIDER, CLASS, text, VM)
    assert vms, problems
    assert vms[0].image.prepare == Preparation("Wait", 60.0, 7, True, "falloc")
    assert vms[0].image.storage == "fast"
    vms, _ = outcome(PROVIDER, CLASS, IMAGE, VM)
    assert vms[0].image.prepare == Preparation()
