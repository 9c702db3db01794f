"""VMs from images in a real container registry (Debian's docker-registry): with a login, by TLS, kept without it."""

import gzip
import io
import subprocess
import tarfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from registry_server import PASSWORD, USER, Registry, start
from test_contract_provider import Lab, apply, verbs
from vm_factory import image, tiny_image

from provision.images import resolve
from provision.model import HttpRequest, ImageSpec
from provision.provider import ProviderError

LOGIN = HttpRequest(username=USER, password=PASSWORD)


def container_disk(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("disk", "disk/tiny.img"):
            member = tarfile.TarInfo(name)
            member.type, member.size = (tarfile.DIRTYPE, 0) if name == "disk" else (tarfile.REGTYPE, len(data))
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(out.getvalue())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str, str], str]) -> Iterator[Registry]:
    needs("docker-registry", "docker-registry")
    place = tmp_path_factory.mktemp("registry")
    with start(place, login=True) as running:
        running.push("disks/tiny", "1", container_disk(tiny_image(place).read_bytes()))
        running.push("disks/plain", "1", tiny_image(place, "plain").read_bytes(), kind="application/x-raw-disk")
        yield running


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Empties the cache, as another machine has it."""
    numbers = iter(range(9))

    def forget() -> None:
        monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / f"cache{next(numbers)}"))

    forget()
    return forget


@pytest.fixture(params=[pytest.param("embedded", marks=pytest.mark.libvirt), "pve9"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    found: Lab = request.getfixturevalue(request.param)
    assert found.remains() == set()
    yield found
    found.provider.destroy("default", "tiny")
    assert found.remains() == set()


def pulled(name: str, login: HttpRequest | None = LOGIN) -> ImageSpec:
    return replace(image(Path("unused")), path=None, registry=name, request=login)


def quiet(_line: str) -> None:
    return


@pytest.mark.parametrize("repository", ["disks/tiny", "disks/plain"], ids=["container-disk", "artifact"])
def test_a_vm_from_a_registry(lab: Lab, registry: Registry, cache: Callable[[], None], repository: str) -> None:
    vm = lab.vm(power_on=False, image=pulled(f"{registry.host}/{repository}:1"))
    plan = apply(lab, vm)
    assert [step.detail for step in plan.steps if step.what == "image"] == [f"{registry.host}/{repository}:1"]
    cache()
    kept = lab.provider.plan(vm)
    assert (verbs(kept), kept.loses_disk) == (["keep"], False), "nothing is pulled for a VM that is there"
    other = lab.provider.plan(replace(vm, image=pulled(f"{registry.host}/disks/other:1")))
    assert other.loses_disk


@pytest.mark.parametrize(
    ("name", "login", "says"),
    [
        ("disks/tiny:1", None, "refuses the pull without credentials: name a Secret by pullSecretRef (401"),
        ("disks/tiny:1", HttpRequest(username=USER, password="wrong"), "refuses the pull with these credentials (401"),
        ("disks/tiny:2", LOGIN, "the registry has no such image"),
        ("disks/nosuch:1", LOGIN, "the registry has no such image"),
    ],
)
def test_what_a_real_registry_refuses(
    registry: Registry, cache: Callable[[], None], name: str, login: HttpRequest | None, says: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        resolve(pulled(f"{registry.host}/{name}", login), quiet)
    assert says in str(caught.value)
    assert b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in repr(caught.value)


def test_by_tls_only_who_is_trusted(
    tmp_path: Path, cache: Callable[[], None], needs: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry of another name than this machine's is asked by https only; here a mirror stands for it."""
    needs("docker-registry", "docker-registry")
    needs("openssl", "openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:TRUE"]
    subprocess.run([*new, *made, *names], check=True, capture_output=True)
    (tmp_path / "r").mkdir()
    with start(tmp_path / "r", certificate=(certificate, certificate, key)) as running:
        running.push("disks/tiny", "1", container_disk(tiny_image(tmp_path).read_bytes()))
        monkeypatch.setenv("NESTPROOF_IMAGE_MIRRORS", f"https://registry.example/={running.url}/")
        spec = pulled("registry.example/disks/tiny:1", None)
        with pytest.raises(ProviderError, match="certificate verify failed"):
            resolve(spec, quiet)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert resolve(spec, quiet).path.read_bytes() == (tmp_path / "tiny.img").read_bytes()
