"""Disk images as they are often published: packed by xz, gzip, bzip2 or zstd. Unpacked once, into the cache."""

import bz2
import gzip
import lzma
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from hostcheck import clock
from hostcheck.paths import cache_dir
from provision.cache import EVERY, LARGEST, locked
from provision.provider import Progress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1 << 20
DAMAGED = (lzma.LZMAError, zlib.error, gzip.BadGzipFile, zstd.ZstdError, EOFError)


def kept(digest: str) -> Path | None:
    """What a packed file of this SHA-256 was unpacked to, if it still is in the cache."""
    path = _place(digest)
    return path if path.is_file() else None


def unpacked(path: Path, ending: str, digest: str, progress: Progress) -> Path:
    """The image in the packed file at `path`; none is kept half unpacked. Raises ValueError, one line, or OSError."""
    place = _place(digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place, lambda: progress(f"waiting for {path.name}, which is being unpacked already")):
        if not place.is_file():
            part = place.with_name(place.name + ".part")
            try:
                _unpack(path, ending, part, progress)
                part.replace(place)
            finally:
                part.unlink(missing_ok=True)
    return place


def _unpack(path: Path, ending: str, part: Path, progress: Progress) -> None:
    """Blocks of nothing but zeros become holes: a raw image is mostly empty."""
    told = clock.monotonic()
    zeros = bytes(BLOCK)
    with path.open("rb") as packed, opened(packed, ending) as source, part.open("wb") as file:
        while block := _read(source, ending):
            if block == zeros[: len(block)]:
                file.seek(len(block), 1)
            else:
                file.write(block)
            if file.tell() > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST >> 30} GiB")
            if clock.monotonic() - told >= EVERY:
                told = clock.monotonic()
                progress(f"unpacking the image: {file.tell() >> 20} MiB")
        file.truncate()


def opened(packed: BinaryIO, ending: str) -> BinaryIO:
    """What is in a file that is packed as its ending says."""
    match ending:
        case ".xz":
            return cast("BinaryIO", lzma.LZMAFile(packed))
        case ".gz":
            return cast("BinaryIO", gzip.GzipFile(fileobj=packed))
        case ".bz2":
            return cast("BinaryIO", bz2.BZ2File(packed))
    return cast("BinaryIO", zstd.ZstdFile(packed))


def _read(source: BinaryIO, ending: str) -> bytes:
    try:
        return source.read(BLOCK)
    except DAMAGED as e:
        raise ValueError(f"the {ending} file is damaged: {e}") from e
    except OSError as e:
        if e.errno is not None:
            raise
        raise ValueError(f"the {ending} file is damaged: {e}") from e  # bzip2's own


def _place(digest: str) -> Path:
    return cache_dir() / "images" / f"unpacked-{digest[:24]}"
