"""Images that are published packed: unpacked once, into the cache, and known by the file that was published."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_provision_images import Served, cache, quiet, remote, served, sha
from vm_factory import image, tiny_image

from provision import unpack
from provision.identity import identify
from provision.images import PACKED, locate, missing, resolve
from provision.provider import ProviderError, Step

__all__ = ["served"]  # a fixture
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress, ".zst": unpack.zstd.compress
}  # fmt: skip
DISK = b"boot" + bytes(3 << 20) + b"data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))


def packed(directory: Path, ending: str, data: bytes = DISK) -> Path:
    path = directory / f"disk.img{ending}"
    path.write_bytes(PACK[ending](data))
    return path


def test_every_packing_is_tried_here() -> None:
    assert PACK.keys() == PACKED.keys()


@pytest.mark.parametrize("ending", PACKED)
def test_a_packed_file_is_unpacked_once(tmp_path: Path, ending: str) -> None:
    path = packed(tmp_path, ending)
    spec = image(path, checksum=sha(path.read_bytes(), "sha512"))
    assert locate(spec) is None
    assert missing(spec, None) == (Step("unpack", "image", str(path)),)
    assert cache(tmp_path) == [], "a plan writes nothing"
    found = resolve(spec, quiet)
    assert found.path.read_bytes() == DISK
    assert (found.size, found.sha256) == (-(-len(DISK) // 512) * 512, hashlib.sha256(DISK).hexdigest())
    assert found.path.stat().st_blocks * 512 < len(DISK) // 2, "zeros take no space"
    assert locate(spec) == found
    assert missing(spec, found) == ()


def test_a_download_is_checked_as_published_and_then_unpacked(served: Served, tmp_path: Path) -> None:
    served.body = lzma.compress(DISK)
    spec = replace(remote(served, sha(served.body)), url=served.url.replace("tiny.img", "tiny.img.xz"))
    assert missing(spec, locate(spec)) == (Step("download", "image", str(spec.url).partition("?")[0]),)
    assert resolve(spec, quiet).path.read_bytes() == DISK
    assert len(cache(tmp_path)) == 2
    wrong = replace(spec, checksum=sha(b"other"))
    with pytest.raises(ProviderError, match="wrong checksum"):
        resolve(wrong, quiet)
    assert len(cache(tmp_path)) == 2


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("harm", [lambda data: data[:-20], lambda data: data[:40] + b"\xff" * 20 + data[60:]])
def test_a_damaged_file_is_one_line_and_leaves_nothing(
    tmp_path: Path, ending: str, harm: Callable[[bytes], bytes]
) -> None:
    path = packed(tmp_path, ending)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(ProviderError, match=rf"cannot be used: the {ending} file is damaged: .") as caught:
        resolve(image(path), quiet)
    assert "\n" not in str(caught.value)
    assert cache(tmp_path) == []


def test_an_image_that_only_begins_so_is_used_as_it_is(tmp_path: Path) -> None:
    """A raw disk may begin with any bytes, and a name may promise what the file is not."""
    raw = tmp_path / "disk.img"
    raw.write_bytes(PACK[".gz"](DISK))
    assert resolve(image(raw), quiet).path == raw
    plain = tiny_image(tmp_path).rename(tmp_path / "tiny.img.gz")
    assert resolve(image(plain), quiet).path == plain


def test_what_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LARGEST", 1 << 20)
    with pytest.raises(ProviderError, match="unpacks to more than"):
        resolve(image(packed(tmp_path, ".xz")), quiet)
    assert cache(tmp_path) == []


def test_a_vm_is_known_by_the_packed_file_though_nothing_is_unpacked_any_more(tmp_path: Path) -> None:
    spec = image(packed(tmp_path, ".xz"))
    found = resolve(spec, quiet)
    recorded = identify(spec, found)
    found.path.unlink()
    assert identify(spec, locate(spec)).seen_from(recorded) is recorded
    packed(tmp_path, ".xz", b"another" + DISK)
    assert identify(spec, locate(spec)).seen_from(recorded) is not recorded
