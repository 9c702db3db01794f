"""Images from registries that are not to be trusted: a server of our own that sends whatever a test wants."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace
from vm_factory import image, tiny_image

from provision import budget, container_disk, fetching, registry_name
from provision.identity import identify
from provision.images import check_import, locate, missing, resolve
from provision.model import HttpRequest, ImageSpec, Preparation
from provision.provider import ProviderError
from provision.registry_name import parse

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SECRET = "s3cret"
TOKEN = "t0ken"


def quiet(_line: str) -> None:
    return


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(data), kind, target
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


@dataclass
class Registry:
    """Blobs and manifests by the path that they are asked for, and what came with each request."""

    host: str = ""
    pages: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Authorization."""
    challenge: str = ""
    accepted: str = ""
    """The Authorization that opens it; empty: it is open."""
    blobs_at: str = ""
    """Where requests for blobs are sent on to."""
    break_after: list[int] = field(default_factory=list)
    token: bytes = json.dumps({"token": TOKEN}).encode()

    def put(self, *layers: bytes, kind: str = LAYER, annotations: dict[str, str] | None = None, tag: str = "1") -> str:
        entries = [
            {"mediaType": kind, "digest": self.blob(data), "size": len(data), "annotations": annotations or {}}
            for data in layers
        ]  # fmt: skip
        return self.manifest({"schemaVersion": 2, "mediaType": MANIFEST, "layers": entries}, tag)

    def blob(self, data: bytes) -> str:
        self.pages[f"/v2/disks/tiny/blobs/{digest(data)}"] = (data, "application/octet-stream")
        return digest(data)

    def manifest(self, value: Any, tag: str) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        kind = value.get("mediaType", MANIFEST) if isinstance(value, dict) else MANIFEST
        for name in (tag, digest(data)):
            self.pages[f"/v2/disks/tiny/manifests/{name}"] = (data, kind)
        return digest(data)

    def image(self, *, request: HttpRequest | None = None, form: str = "raw", **prepare: Any) -> ImageSpec:
        spec = replace(image(Path("unused"), form=form), path=None, registry=f"{self.host}/disks/tiny:1")
        return replace(spec, request=request, prepare=Preparation(**prepare))

    def refused(self, **changes: Any) -> str:
        with pytest.raises(ProviderError) as caught:
            resolve(self.image(**changes), quiet)
        assert "\n" not in str(caught.value)
        for secret in (SECRET, TOKEN):
            assert secret not in str(caught.value) + repr(caught.value)
        return str(caught.value)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Registry

    def do_GET(self) -> None:
        state, path = self.state, urlsplit(self.path).path
        authorization = self.headers.get("Authorization", "")
        state.asked.append((self.path, authorization))
        if path == "/token":
            self.answer(200, state.token)
        elif state.accepted and authorization != state.accepted and path.startswith("/v2/"):
            self.answer(401, b"", ("WWW-Authenticate", state.challenge.replace("HOST", state.host)))
        elif state.blobs_at and "/blobs/" in path:
            self.answer(307, b"", ("Location", state.blobs_at + path))
        elif path in state.pages:
            self.page(*state.pages[path])
        else:
            self.answer(404, b"")

    def page(self, data: bytes, kind: str) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if self.state.break_after and "/blobs/" in self.path:
            body = body[: self.state.break_after.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def answer(self, code: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def serving() -> Iterator[Registry]:
    state = Registry()
    handler = type("Own", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.host = f"127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Callable[[str, str], str]) -> Iterator[Registry]:
    needs("qemu-img", "qemu-utils")
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(budget.time, "sleep", lambda _seconds: None)
    yield from serving()


@pytest.fixture
def elsewhere() -> Iterator[Registry]:
    yield from serving()


@pytest.fixture
def disk(tmp_path: Path) -> bytes:
    return tiny_image(tmp_path).read_bytes() + bytes(3 << 20) + b"end".ljust(512, b"\0")


def cache(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_container_disk_is_pulled_once_and_nothing_but_the_disk_is_kept(
    registry: Registry, disk: bytes, tmp_path: Path
) -> None:
    registry.put(tar(("etc/os-release", b"x"), ("./disk/debian.img", disk)))
    spec = registry.image()
    assert locate(spec) is None
    assert [step.detail for step in missing(spec, None)] == [f"{registry.host}/disks/tiny:1"]
    found = resolve(spec, quiet)
    assert found.path.read_bytes() == disk
    assert found.path.stat().st_blocks * 512 < len(disk), "what is empty in it takes no space"
    asked = len(registry.asked)
    assert resolve(spec, quiet) == found == locate(spec)
    assert (len(registry.asked), cache(tmp_path)) == (asked, [found.path.name])
    assert identify(spec, found).named == identify(spec, None).named != ""


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_layers_are_packed_and_the_uppermost_with_a_disk_counts(registry: Registry, disk: bytes, packed: str) -> None:
    from provision.unpack import zstd

    pack = gzip.compress if packed == "gzip" else zstd.compress
    layers = [tar(("disk/old.img", b"old")), tar(("disk/new.img", disk)), tar(("readme", b"x"))]
    registry.put(*map(pack, layers), kind=f"{LAYER}+{packed}")
    assert resolve(registry.image(), quiet).path.read_bytes() == disk


@pytest.mark.parametrize(
    ("kind", "annotations"),
    [("application/x-qemu-disk", {}), (LAYER, {"org.opencontainers.image.title": "debian.img"})],
)
def test_an_artifact_of_one_file_is_that_file(
    registry: Registry, disk: bytes, kind: str, annotations: dict[str, str]
) -> None:
    registry.put(disk, kind=kind, annotations=annotations)
    assert resolve(registry.image(), quiet).path.read_bytes() == disk


def test_the_entry_of_a_list_for_this_architecture_is_taken(registry: Registry, disk: bytes) -> None:
    other, own = registry.put(tar(("disk/a", b"arm")), tag="arm"), registry.put(tar(("disk/a", disk)), tag="amd")
    entries = [
        {"digest": digest, "platform": {"os": "linux", "architecture": name}}
        for digest, name in ((other, "arm64"), (own, "amd64"))
    ]
    registry.manifest({"mediaType": INDEX, "manifests": entries}, "1")
    assert resolve(registry.image(), quiet).path.read_bytes() == disk
    registry.manifest({"mediaType": INDEX, "manifests": entries[:1]}, "1")
    assert "it is not there for linux/amd64, only for linux/arm64" in registry.refused(force=True)
    registry.manifest({"mediaType": INDEX, "manifests": [{**entries[1], "digest": registry.manifest(
        {"mediaType": INDEX, "manifests": []}, "loop")}]}, "1")  # fmt: skip
    assert "its manifest names no layers" in registry.refused(force=True)


def test_a_pull_that_breaks_off_is_gone_on_with(registry: Registry, disk: bytes) -> None:
    registry.put(tar(("disk/a", disk)))
    registry.break_after = [1 << 20, 1 << 19]
    assert resolve(registry.image(), quiet).path.read_bytes() == disk
    registry.break_after = [1 << 16] * 2
    fetching._fetched.clear()
    assert "more expected" in registry.refused(force=True, retries=1)


# --------------------------------------------------------------------------------------------------------- logging in

BASIC = f"Basic {b64encode(f'puller:{SECRET}'.encode()).decode()}"
LOGIN = HttpRequest(username="puller", password=SECRET)


def test_a_token_is_fetched_where_the_registry_says(registry: Registry, disk: bytes) -> None:
    registry.put(tar(("disk/a", disk)))
    registry.accepted = f"Bearer {TOKEN}"
    registry.challenge = 'Bearer realm="http://HOST/token?x=1",service="own",scope="repository:other:push"'
    resolve(registry.image(request=LOGIN), quiet)
    first, token, *rest = registry.asked
    assert first[1] == "", "nothing is shown before it is asked for"
    assert token[1] == BASIC
    query = parse_qs(urlsplit(token[0]).query)
    assert query == {"x": ["1"], "service": ["own"], "scope": ["repository:disks/tiny:pull"]}
    assert {authorization for _, authorization in rest} == {f"Bearer {TOKEN}"}


def test_anybody_may_get_a_token_too(registry: Registry, disk: bytes) -> None:
    registry.put(tar(("disk/a", disk)))
    registry.accepted, registry.challenge = f"Bearer {TOKEN}", 'Bearer realm="http://HOST/token",service="own"'
    resolve(registry.image(), quiet)
    assert registry.asked[1][1] == ""


def test_a_password_is_sent_where_the_registry_asks_for_one(registry: Registry, disk: bytes) -> None:
    registry.put(tar(("disk/a", disk)))
    registry.accepted, registry.challenge = BASIC, 'Basic realm="own"'
    resolve(registry.image(request=LOGIN), quiet)
    assert registry.asked[1][1] == BASIC
    wrong = registry.refused(request=HttpRequest(username="x", password="y"), force=True)
    assert "refuses the pull with these credentials (401" in wrong
    fetching._fetched.clear()
    assert "without credentials: name a Secret by pullSecretRef" in registry.refused(force=True)


@pytest.mark.parametrize(
    ("challenge", "token", "says"),
    [
        ('Bearer realm="http://tokens.example/t"', b"", "as its server of tokens, which is not https"),
        ('Negotiate abc="x"', b"", "a login of a kind that is not known: Negotiate"),
        ('Bearer service="x"', b"", "a login of a kind that is not known: Bearer"),
        ('Bearer realm="http://HOST/token"', b"no json", "gives no token"),
        ('Bearer realm="http://HOST/token"', b"{}", "gives no token"),
        ('Bearer realm="http://HOST/token"', b"x" * (3 << 20), "sends more than 1 MiB"),
        ('Bearer realm="http://HOST/token"', b'{"token": "wrong\\nX: y"}', "line break or control character"),
    ],
)
def test_a_login_that_is_not_one_gets_no_password(registry: Registry, challenge: str, token: bytes, says: str) -> None:
    registry.accepted, registry.challenge, registry.token = "never", challenge, token
    assert says in registry.refused(request=LOGIN)
    to_others = [path for path, authorization in registry.asked if authorization and "token" not in path]
    assert to_others == []


def test_a_redirection_to_another_host_takes_no_login_along(
    registry: Registry, elsewhere: Registry, disk: bytes
) -> None:
    registry.put(tar(("disk/a", disk)))
    elsewhere.pages = registry.pages
    registry.blobs_at = f"http://localhost:{elsewhere.host.partition(':')[2]}"
    registry.accepted, registry.challenge = BASIC, "Basic"
    assert resolve(registry.image(request=LOGIN), quiet).path.read_bytes() == disk
    assert [authorization for _, authorization in elsewhere.asked] == [""]


def test_a_mirror_is_not_shown_the_login(
    registry: Registry, elsewhere: Registry, disk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere.put(tar(("disk/a", disk)))
    monkeypatch.setenv("NESTPROOF_IMAGE_MIRRORS", f"http://{registry.host}/=http://{elsewhere.host}/")
    said: list[str] = []
    resolve(registry.image(request=LOGIN), said.append)
    assert said[0] == f"{registry.host}/disks/tiny:1 comes from the mirror http://{elsewhere.host}/v2/disks/tiny"
    assert registry.asked == []
    elsewhere.accepted, elsewhere.challenge = "never", 'Basic realm="give me"'
    fetching._fetched.clear()
    assert "refuses the pull" in registry.refused(request=LOGIN, force=True)
    assert {authorization for _, authorization in elsewhere.asked} == {""}


# ------------------------------------------------------------------------------------------------------ what is hostile


def test_a_layer_without_its_digest_leaves_nothing(registry: Registry, disk: bytes, tmp_path: Path) -> None:
    registry.put(tar(("disk/a", disk)))
    blob = next(path for path in registry.pages if "/blobs/" in path)
    registry.pages[blob] = (tar(("disk/a", b"evil")), "x")
    assert "wrong checksum: sha256 is" in registry.refused()
    assert cache(tmp_path) == []


def test_a_manifest_without_its_digest_is_refused(registry: Registry) -> None:
    own = registry.put(tar(("disk/a", b"x")), tag="amd")
    entry = {"digest": own, "platform": {"os": "linux", "architecture": "amd64"}}
    registry.manifest({"mediaType": INDEX, "manifests": [entry]}, "1")
    registry.pages[f"/v2/disks/tiny/manifests/{own}"] = (b'{"layers": []}', MANIFEST)
    assert "does not have that digest" in registry.refused()


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (b"<html>", "its manifest cannot be read"),
        (b"[" * 100_000, "its manifest cannot be read"),
        (b" " * (5 << 20), "sends more than 4 MiB where a page is expected"),
        (b'{"layers": [{"digest": "sha256:../../../../etc/passwd", "mediaType": "x"}]}', "cannot be read"),
        (b'{"layers": [{"digest": "md5:00", "mediaType": "x"}]}', "its manifest cannot be read"),
        (b'{"layers": []}', "its manifest names no layers"),
        (b'{"fsLayers": [{"blobSum": "sha256:00"}]}', "its manifest names no layers"),
    ],
)
def test_a_manifest_that_is_none_is_refused(registry: Registry, manifest: bytes, says: str) -> None:
    registry.manifest(manifest, "1")
    assert says in registry.refused()


HARMLESS = tar(("disk/a", b"x" * 2048))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (tar(("etc/disk/a", b"x")), "none of its layers has a file below disk/"),
        (tar(("disk/deeper/a", b"x")), "none of its layers has a file below disk/"),
        (tar(("disk/../../../tmp/evil", b"x")), "none of its layers has a file below disk/"),
        (tar(("disk/a", b"x"), ("/disk/b", b"y")), "more than one file below disk/: a and b"),
        (tar(("disk/a", b""), kind=tarfile.SYMTYPE, target="/etc/shadow"), "disk/a in the layer is no plain file"),
        (tar(("disk/a", b""), kind=tarfile.LNKTYPE, target="etc/shadow"), "disk/a in the layer is no plain file"),
        (tar(("disk/a", b""), kind=tarfile.CHRTYPE), "disk/a in the layer is no plain file"),
        (tar(("disk/a", b"x" * 5000), kind=tarfile.GNUTYPE_SPARSE), "not one that container images have"),
        (tar(("h", b"9" * (2 << 20)), kind=tarfile.XHDTYPE), "not one that container images have"),
        (tar(("h", b"9" * (2 << 20)), kind=tarfile.GNUTYPE_LONGNAME), "not one that container images have"),
        (HARMLESS[:1500], "the layer with the disk is damaged"),
        (b"no tar at all" * 200, "the layer with the disk is damaged"),
    ],
)  # fmt: skip
def test_a_layer_that_is_not_what_it_should_be_leaves_nothing(
    registry: Registry, layer: bytes, says: str, tmp_path: Path
) -> None:
    registry.put(layer)
    assert says in registry.refused()
    assert cache(tmp_path) == []
    assert not Path("/tmp/evil").exists()


def test_a_bomb_is_not_unpacked_without_end(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_disk, "LARGEST", 1 << 20)
    registry.put(gzip.compress(tar(("disk/a", bytes(8 << 20)))), kind=f"{LAYER}+gzip")
    assert "unpacks to more than" in registry.refused()
    registry.put(gzip.compress(tar(("other", bytes(8 << 20)))), kind=f"{LAYER}+gzip")
    assert "unpacks to more than" in registry.refused()


def test_a_gzip_that_is_none_is_said(registry: Registry) -> None:
    registry.put(HARMLESS, kind=f"{LAYER}+gzip")
    assert "the layer with the disk is damaged" in registry.refused()


def test_a_disk_of_another_format_is_not_guessed_at(registry: Registry, disk: bytes) -> None:
    registry.put(tar(("disk/a", disk)))
    assert "cannot be used: " in registry.refused(form="qcow2")


# --------------------------------------------------------------------------------------------- what prepare asks for


def test_an_image_that_is_not_pushed_yet(registry: Registry, disk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the registry has no such image" in registry.refused()
    naps: list[float] = []

    def sleep(nap: float) -> None:
        naps.append(nap)
        if len(naps) == 2:
            registry.put(tar(("disk/a", disk)))

    monkeypatch.setattr(budget.time, "sleep", sleep)
    assert resolve(registry.image(on_missing="Wait"), quiet).path.read_bytes() == disk
    with pytest.raises(ProviderError, match=r"prepare\.onMissing is Fail: .*/disks/tiny:1$"):
        check_import(registry.image(on_missing="Fail"), here=False)


def test_what_a_tag_stands_for_by_now_is_asked_by_force(registry: Registry, disk: bytes) -> None:
    registry.put(tar(("disk/a", b"old".ljust(512, b"\0"))))
    before = resolve(registry.image(), quiet)
    registry.put(tar(("disk/a", disk)))
    assert resolve(registry.image(), quiet) == before
    assert resolve(registry.image(force=True), quiet).path.read_bytes() == disk


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("debian:12", "https://registry-1.docker.io/v2/library/debian"),
        ("kubevirt/cirros:v1", "https://registry-1.docker.io/v2/kubevirt/cirros"),
        ("quay.io/containerdisks/fedora:39", "https://quay.io/v2/containerdisks/fedora"),
        ("localhost:5000/a:1", "http://localhost:5000/v2/a"),
        ("127.0.0.1/a/b:1", "http://127.0.0.1/v2/a/b"),
        ("127.0.0.1.example/a:1", "https://127.0.0.1.example/v2/a"),
    ],
)
def test_names_of_images(name: str, url: str) -> None:
    assert parse(name).url == url


NAMELESS = ("a", "q.io/UPPER:1", "q.io/../a:1", "q.io/a//b:1", "q.io/:1", "q.io:5/a", "q.io/a/../b:1")


@pytest.mark.parametrize("name", NAMELESS)
def test_names_that_are_none(name: str, registry: Registry) -> None:
    with pytest.raises(ValueError, match=r"name"):
        registry_name.parse(name)
    with pytest.raises(ProviderError, match=r"^vm\.yaml:20:3: image tiny: "):
        locate(replace(registry.image(), registry=name))
