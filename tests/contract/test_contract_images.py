"""An image with a URL, of which this machine has no copy: another machine made the VM, or the cache was emptied."""

import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_contract_provider import Lab, apply, quiet, verbs
from vm_factory import image, tiny_image

from provision import fetching
from provision.model import Checksum, ImageSpec, Preparation
from provision.provider import ProviderError


@dataclass
class Mirror:
    """A web server with one image, and an image cache that can be taken away."""

    place: Path
    url: str
    monkeypatch: pytest.MonkeyPatch
    fetched: list[str]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, said: str) -> bytes:
        return tiny_image(self.place, said).read_bytes()

    def forget(self) -> None:
        """As on another machine."""
        self.monkeypatch.setenv("NESTPROOF_CACHE", str(self.place.parent / f"cache{next(self.numbers)}"))

    def image(self, data: bytes = b"", algorithm: str = "") -> ImageSpec:
        checksum = Checksum(algorithm, hashlib.new(algorithm, data).hexdigest()) if algorithm else None
        return replace(image(self.place, checksum=checksum), path=None, url=self.url)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    fetched: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            if self.command == "GET":  # how large it is may be asked at any time
                fetched.append(self.path)

    place = tmp_path / "served"
    place.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(place))) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        made = Mirror(place, f"http://127.0.0.1:{server.server_port}/tiny.img", monkeypatch, fetched)
        made.forget()
        yield made
        server.shutdown()
        serving.join()


@pytest.fixture(params=[pytest.param("embedded", marks=pytest.mark.libvirt), "pve9"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The providers that an image is downloaded for; vSphere imports it by itself, and knows it by its URL."""
    found: Lab = request.getfixturevalue(request.param)
    assert found.remains() == set()
    yield found
    found.provider.destroy("default", "tiny")
    assert found.remains() == set()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", ""])
def test_a_vm_is_kept_without_the_image_that_it_was_made_from(lab: Lab, mirror: Mirror, algorithm: str) -> None:
    vm = lab.vm(power_on=False, image=mirror.image(mirror.put("first"), algorithm))
    assert "download" in verbs(apply(lab, vm))
    before = lab.remains()
    mirror.forget()
    plan = lab.provider.plan(vm)
    assert (verbs(plan), plan.loses_disk) == (["keep"], False)
    lab.provider.apply(plan, quiet)
    assert lab.remains() == before
    assert len(mirror.fetched) == 1, "what is kept takes no download"


def test_a_setting_is_changed_without_the_image(lab: Lab, mirror: Mirror) -> None:
    vm = lab.vm(power_on=False, image=mirror.image(mirror.put("first"), "sha512"))
    apply(lab, vm)
    mirror.forget()
    plan = apply(lab, replace(vm, cpus=2))
    assert not plan.loses_disk
    assert len(plan.differences) == 1, plan.differences
    assert verbs(lab.provider.plan(replace(vm, cpus=2))) == ["keep"]
    assert len(mirror.fetched) == 1


def test_another_image_is_told_before_it_is_downloaded(lab: Lab, mirror: Mirror) -> None:
    vm = lab.vm(power_on=False, image=mirror.image(mirror.put("first"), "sha512"))
    apply(lab, vm)
    changed = replace(vm, image=mirror.image(mirror.put("second"), "sha512"))
    plan = lab.provider.plan(changed)
    assert plan.loses_disk
    assert {"download", "replace"} <= set(verbs(plan))
    assert [each.wanted for each in plan.differences] == ["not downloaded yet"]
    lab.provider.apply(plan, quiet)
    mirror.forget()
    assert verbs(lab.provider.plan(changed)) == ["keep"]


def test_a_checksum_that_is_added_later_costs_no_disk(lab: Lab, mirror: Mirror) -> None:
    data = mirror.put("first")
    vm = lab.vm(power_on=False, image=mirror.image())
    apply(lab, vm)
    mirror.forget()
    assert verbs(lab.provider.plan(replace(vm, image=mirror.image(data, "sha256")))) == ["keep"]


def test_without_a_checksum_a_url_is_one_image_whatever_the_server_has_by_now(lab: Lab, mirror: Mirror) -> None:
    mirror.put("first")
    vm = lab.vm(power_on=False, image=mirror.image())
    apply(lab, vm)
    mirror.put("second")
    mirror.forget()
    apply(lab, replace(vm, user_data="#cloud-config\n"))  # a new disk, of what is there today
    assert len(mirror.fetched) == 2
    assert verbs(lab.provider.plan(replace(vm, user_data="#cloud-config\n"))) == ["keep"]


def test_an_image_is_fetched_again_for_a_new_disk_and_never_for_a_vm_that_is_there(lab: Lab, mirror: Mirror) -> None:
    source = mirror.image(mirror.put("first"), "sha512")
    vm = lab.vm(power_on=False, image=replace(source, prepare=Preparation(force=True)))
    apply(lab, vm)
    assert verbs(apply(lab, vm)) == ["keep"]
    assert len(mirror.fetched) == 1
    fetching._fetched.clear()  # as in a run of its own
    plan = apply(lab, replace(vm, user_data="#cloud-config\n"))
    assert "download" in verbs(plan)
    assert len(mirror.fetched) == 2


def test_an_image_that_must_not_be_fetched_stops_a_plan(lab: Lab, mirror: Mirror) -> None:
    source = mirror.image(mirror.put("first"), "sha512")
    vm = lab.vm(power_on=False, image=replace(source, prepare=Preparation(on_missing="Fail")))
    with pytest.raises(
        ProviderError, match=r"^vm\.yaml:20:3: image tiny: it is not here, and prepare\.onMissing"
    ) as caught:
        lab.provider.plan(vm)
    assert caught.value.refused
    assert mirror.fetched == []
    apply(lab, replace(vm, image=source))
    mirror.forget()
    assert verbs(lab.provider.plan(vm)) == ["keep"], "a VM that is there needs no image"
