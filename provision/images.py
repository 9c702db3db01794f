"""From the image that a manifest names to a local file that was verified: found, or fetched into a cache."""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from provision import qemu_img
from provision.model import Checksum, ImageSpec
from provision.provider import Progress, ProviderError

FORMATS = ("qcow2", "raw")
ALGORITHMS = ("md5", "sha1", "sha256", "sha512")

_reading = threading.Lock()
"""Many VMs start from one image: the first thread reads it, the others wait for what it finds."""
_known: dict[tuple[int, ...], dict[str, str]] = {}
"""Digests of files by what tells that a file is still the same: device, inode, size and times."""


@dataclass(frozen=True, slots=True)
class LocalImage:
    """A verified image file on this machine."""

    path: Path
    format: str
    """qcow2 or raw."""
    sha256: str
    size: int
    """Bytes that a guest sees."""


def locate(image: ImageSpec) -> LocalImage | None:
    """The image if it is already here, verified; None when it has to be downloaded first. Raises ProviderError."""
    _check_spec(image)
    if image.url:
        from provision.download import cached  # late: it takes longer to import than most images to find

        file = cached(image.url, image.checksum)
        return _verified(image, file) if file else None
    assert image.path is not None
    return _verified(image, image.path)


def resolve(image: ImageSpec, progress: Progress) -> LocalImage:
    """The image, downloaded if need be, verified. Raises ProviderError; a wrong checksum leaves nothing behind."""
    _check_spec(image)
    if image.url is None:
        assert image.path is not None
        return _verified(image, image.path)
    from provision.download import fetch

    try:
        return _verified(image, fetch(image.url, image.checksum, progress, image.request))
    except (ValueError, OSError) as e:
        raise ProviderError(f"{image.origin}: image {image.name}: {e}") from e


def _check_spec(image: ImageSpec) -> None:
    if image.format not in FORMATS:
        raise ProviderError(
            f"{image.origin}: image {image.name}: format {image.format} is not supported",
            hint="convert it: qemu-img convert -O qcow2 FILE FILE.qcow2",
        )
    if image.checksum and image.checksum.algorithm not in ALGORITHMS:
        raise ProviderError(
            f"{image.origin}: image {image.name}: checksum type {image.checksum.algorithm} is not supported"
        )


def _verified(image: ImageSpec, path: Path) -> LocalImage:
    at = f"{image.origin}: image {image.name}: {path}"
    try:
        if not path.is_file():
            raise ProviderError(f"{at}: {'not a file' if path.exists() else 'no such file'}")
        digests = _digests(path, image.checksum)
        size = qemu_img.virtual_size(path, image.format)
    except OSError as e:
        raise ProviderError(f"{at}: {e.strerror}") from e
    except ValueError as e:
        raise ProviderError(f"{at}: cannot be used: {e}", refused=True) from e
    if image.checksum and digests[image.checksum.algorithm] != image.checksum.digest:
        raise ProviderError(
            f"{at}: wrong checksum: {image.checksum.algorithm} is {digests[image.checksum.algorithm]}, "
            f"expected {image.checksum.digest}",
            refused=True,
        )
    return LocalImage(path, image.format, digests["sha256"], size)


def _digests(path: Path, checksum: Checksum | None) -> dict[str, str]:
    """SHA-256 and the checksum's own algorithm. A file that has not changed since is not read again in this process."""
    wanted = frozenset({"sha256"} | ({checksum.algorithm} if checksum else set()))
    seen = path.stat()
    key = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    with _reading:
        known = _known.setdefault(key, {})
        if missing := wanted - known.keys():
            known.update(_read_digests(path, missing))
        return known


def _read_digests(path: Path, wanted: frozenset[str]) -> dict[str, str]:
    """In one pass."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in wanted}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for each in hashes.values():
                each.update(block)
    return {name: each.hexdigest() for name, each in hashes.items()}
