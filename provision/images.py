"""From the image that a manifest names to a local file that was verified: found, or fetched into a cache."""

import hashlib
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from provision import qemu_img
from provision.model import DISK_FORMATS, Checksum, ImageSpec
from provision.provider import Progress, ProviderError, Step
from provision.urls import shown, unfetchable

ALGORITHMS = ("md5", "sha1", "sha256", "sha512")
PACKED = {".xz": b"\xfd7zXZ\0", ".gz": b"\x1f\x8b", ".bz2": b"BZh", ".zst": b"\x28\xb5\x2f\xfd"}
"""How images are published packed: the ending of the name, and the first bytes."""
WAIT, FAIL = "Wait", "Fail"
"""Values of prepare.onMissing."""
WAITING = 1800.0
"""Seconds that an image is waited for where the manifest does not say: VirtRigaud's default."""

_reading = threading.Lock()
"""Many VMs start from one image: the first thread reads it, the others wait for what it finds."""
_Same = tuple[int, ...]
"""What tells that a file is still the same: device, inode, size and times."""
_known: dict[_Same, dict[str, str]] = {}
"""Digests of files."""
_sizes: dict[tuple[_Same, str], int] = {}
"""Bytes that a guest sees of them, in a format."""


class LocalImage(msgspec.Struct, frozen=True):
    """A verified image file on this machine."""

    path: Path
    """Of the image itself: of a packed one, what it was unpacked to."""
    format: str
    """qcow2 or raw."""
    sha256: str
    """Of the image itself."""
    size: int
    """Bytes that a guest sees."""


def locate(image: ImageSpec) -> LocalImage | None:
    """The image if it is already here, verified; None when it has to be fetched, awaited or unpacked first.

    Raises ProviderError.
    """
    _check_spec(image)
    path = image.path
    if image.url:
        from provision.download import cached  # late: it takes longer to import than most images to find

        path = cached(image.url, image.checksum)
        if path is not None and not _sound(path, image.checksum):
            return None
    elif image.registry:
        from provision import registry_name

        place = registry_name.kept(image.registry)
        path = place if place.is_file() else None
    elif path is not None and image.prepare.on_missing == WAIT and not path.exists():
        return None
    return _verified(image, path, None) if path else None


def resolve(image: ImageSpec, progress: Progress) -> LocalImage:
    """The image, fetched and unpacked if need be, verified. Raises ProviderError; a wrong checksum leaves none."""
    _check_spec(image)
    path = image.path
    if _remote(image) or image.prepare.on_missing == WAIT:
        from provision.fetching import brought

        path = brought(image, progress)
    assert path is not None
    found = _verified(image, path, progress)
    assert found is not None
    return found


def missing(image: ImageSpec, found: LocalImage | None) -> tuple[Step, ...]:
    """The steps that bring an image here which a disk is to be made from."""
    remote = _remote(image)
    if found is not None and not (remote and image.prepare.force):
        return ()
    what = remote or str(image.path)
    if found is None and image.prepare.on_missing == WAIT and not (image.path and image.path.exists()):
        from provision.budget import duration  # late: few images are waited for

        return (Step("wait for", "image", f"{what}, at most {duration(image.prepare.timeout or WAITING)}"),)
    if not remote:
        return (Step("unpack", "image", what),)
    return (Step("download", "image", f"{what}, again" if found else what),)


def check_import(image: ImageSpec, *, here: bool) -> None:
    """Raises ProviderError, refused, for an image that is not here and, as its manifest says, must not be fetched."""
    if not here and _remote(image) and image.prepare.on_missing == FAIL:
        raise ProviderError(
            f"{image.origin}: image {image.name}: it is not here, and prepare.onMissing is Fail: {_remote(image)}",
            hint="have it fetched once by prepare.onMissing: Import",
            refused=True,
        )


def packed_digest(image: ImageSpec) -> str:
    """SHA-256 of the packed file of a local image; empty for any other. Raises OSError."""
    if image.path is None or not image.path.is_file() or not _packing(image.path, image.path.name):
        return ""
    return _digests(image.path, None)["sha256"]


def _remote(image: ImageSpec) -> str:
    """Where an image is fetched from, for people; empty for a local file."""
    return shown(image.url) if image.url else image.registry or ""


def _check_spec(image: ImageSpec) -> None:
    if image.format not in DISK_FORMATS:
        raise ProviderError(
            f"{image.origin}: image {image.name}: format {image.format} is not supported",
            hint="convert it: qemu-img convert -O qcow2 FILE FILE.qcow2",
        )
    if image.registry:
        from provision import registry_name

        try:
            registry_name.parse(image.registry)
        except ValueError as e:
            raise ProviderError(f"{image.origin}: image {image.name}: {e}") from e
    if image.url and (fault := unfetchable(image.url)):
        raise ProviderError(f"{image.origin}: image {image.name}: {fault}")
    if image.checksum and image.checksum.algorithm not in ALGORITHMS:
        raise ProviderError(
            f"{image.origin}: image {image.name}: checksum type {image.checksum.algorithm} is not supported"
        )


def _verified(image: ImageSpec, path: Path, progress: Progress | None) -> LocalImage | None:
    """The image in the file at `path`. A packed one is unpacked with `progress`; without, None where it is not yet."""
    at = f"{image.origin}: image {image.name}: {path}"
    try:
        if not path.is_file():
            raise ProviderError(f"{at}: {'not a file' if path.exists() else 'no such file'}")
        digests = _digests(path, image.checksum)
        if image.checksum and digests[image.checksum.algorithm] != image.checksum.digest:
            raise ProviderError(
                f"{at}: wrong checksum: {image.checksum.algorithm} is {digests[image.checksum.algorithm]}, "
                f"expected {image.checksum.digest}",
                refused=True,
            )
        inside = _unpacked(image, path, digests["sha256"], progress)
        if inside is None:
            return None
        size = _size(inside, image.format)
        return LocalImage(inside, image.format, _digests(inside, None)["sha256"], size)
    except OSError as e:
        raise ProviderError(f"{at}: {e.strerror}") from e
    except ValueError as e:
        raise ProviderError(f"{at}: cannot be used: {e}", refused=True) from e


def _sound(path: Path, checksum: Checksum | None) -> bool:
    """What is cached is still what was put there; one that cannot be read is told of by who reads it."""
    try:
        return checksum is None or _digests(path, checksum)[checksum.algorithm] == checksum.digest
    except OSError:
        return True


def _unpacked(image: ImageSpec, path: Path, digest: str, progress: Progress | None) -> Path | None:
    """`path` itself, or what it was unpacked to. Raises ValueError or OSError."""
    ending = _packing(path, urlsplit(image.url).path if image.url else path.name)
    if not ending:
        return path
    from provision import unpack  # late: it is seldom needed

    return unpack.unpacked(path, ending, digest, progress) if progress else unpack.kept(digest)


def _packing(path: Path, name: str) -> str:
    """The ending of a name, where name and file say the same: a raw disk may begin with any bytes. Raises OSError."""
    ending = Path(name).suffix.lower()
    if ending not in PACKED:
        return ""
    with path.open("rb") as file:
        return ending if file.read(len(PACKED[ending])) == PACKED[ending] else ""


def _digests(path: Path, checksum: Checksum | None) -> dict[str, str]:
    """SHA-256 and the checksum's own algorithm. A file that has not changed since is not read again in this process."""
    wanted = frozenset({"sha256"} | ({checksum.algorithm} if checksum else set()))
    with _reading:
        known = _known.setdefault(_same(path), {})
        if missing := wanted - known.keys():
            known.update(_read_digests(path, missing))
        return known


def _size(path: Path, form: str) -> int:
    """Bytes that a guest sees. A file that has not changed since is not looked at again in this process."""
    with _reading:
        key = (_same(path), form)
        if key not in _sizes:
            _sizes[key] = qemu_img.virtual_size(path, form)
        return _sizes[key]


def _same(path: Path) -> _Same:
    seen = path.stat()
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _read_digests(path: Path, wanted: frozenset[str]) -> dict[str, str]:
    """In one pass."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in wanted}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for each in hashes.values():
                each.update(block)
    return {name: each.hexdigest() for name, each in hashes.items()}
