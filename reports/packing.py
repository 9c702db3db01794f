"""Compressed files: packed by their ending, unpacked by what they begin with and never further than a limit.

zstd is Python's own from 3.14 on; before that it is its backport with the same names.
"""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
WINDOW = 27
"""log2 of the most memory that a zstd file may make its reader use: 128 MiB, what the zstd tool allows too."""
DAMAGED = (zstd.ZstdError, zlib.error, gzip.BadGzipFile, EOFError)


class PackError(Exception):
    """The file cannot be packed or unpacked; the message is one line that names it."""


@contextmanager
def packed(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes are in `path` when all went well, and nowhere when not; only the user may read it.

    Compressed by the ending: .zst, .gz, else not. The same bytes give the same file. Raises PackError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with ExitStack() as files:
            file = files.enter_context(os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"))
            files.callback(beside.unlink, missing_ok=True)
            with _compressed(file, path.suffix) as stream:
                yield stream
            file.flush()
            os.fsync(file.fileno())
            beside.replace(path)
    except OSError as e:
        raise PackError(f"cannot write {path}: {e.strerror}") from e


@contextmanager
def unpacked(path: Path, limit: int) -> Iterator[BinaryIO]:
    """The unpacked bytes of `path`, whatever it is packed with. Raises PackError: damaged, or longer than `limit`."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            with _plain(file, start) as stream, io.BufferedReader(_Limited(path, stream, limit)) as reader:
                yield cast("BinaryIO", reader)
    except OSError as e:
        raise PackError(f"cannot read {path}: {e.strerror or e}") from e


def _compressed(file: BinaryIO, ending: str) -> AbstractContextManager[BinaryIO]:
    if ending == ".zst":
        return cast("BinaryIO", zstd.ZstdFile(file, "wb", level=9))
    if ending in (".gz", ".tgz"):
        return cast("BinaryIO", gzip.GzipFile("", "wb", 9, file, mtime=0))
    return nullcontext(file)


def _plain(file: BinaryIO, start: bytes) -> AbstractContextManager[BinaryIO]:
    if start == ZSTD:
        options = {zstd.DecompressionParameter.window_log_max.value: WINDOW}
        return cast("BinaryIO", zstd.ZstdFile(file, "rb", options=options))
    if start[:2] == GZIP:
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    return nullcontext(file)


class _Limited(io.RawIOBase):
    """Reads on until the limit; a bomb goes off nowhere."""

    def __init__(self, path: Path, stream: BinaryIO, limit: int) -> None:
        self._path, self._stream, self._limit, self._left = path, stream, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        try:
            data = self._stream.read(min(len(buffer), self._left + 1))
        except DAMAGED as e:
            raise PackError(f"{self._path} is damaged or cut off: {e}") from e
        self._left -= len(data)
        if self._left < 0:
            raise PackError(f"{self._path} holds more than {self._limit >> 20} MiB, which is the most that is read")
        buffer[: len(data)] = data
        return len(data)
