"""The disk in a layer of a container image: the one file below `disk/` in a tar archive, as KubeVirt has it.

The archive is hostile input. Only one regular file of it is read, into a place of ours; no name of it becomes a path.
"""

import posixpath
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

from hostcheck import clock
from provision.cache import EVERY, LARGEST
from provision.provider import Progress
from provision.unpack import DAMAGED, opened

DIRECTORY = "disk"
LONGEST_HEADER = 1 << 20
HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
BLOCK = 1 << 20
ENDINGS = {"gzip": ".gz", "zstd": ".zst"}


def is_layer(media_type: str) -> bool:
    """A layer of this media type is a tar archive."""
    return media_type.endswith((".tar", ".tar+gzip", ".tar.gzip", ".tar+zstd"))


def extract(layer: Path, media_type: str, path: Path, progress: Progress) -> bool:
    """Write the disk in a layer to `path`, whole or not at all; False: there is none. Raises ValueError, OSError."""
    ending = next((ending for word, ending in ENDINGS.items() if media_type.endswith(word)), "")
    part = path.with_name(path.name + ".part")
    try:
        with layer.open("rb") as packed:
            source = opened(packed, ending) if ending else packed
            name = _extract(cast("BinaryIO", _Bounded(source)), part, progress)
        if name:
            part.replace(path)
        return bool(name)
    except (tarfile.TarError, *DAMAGED) as e:
        raise ValueError(f"the layer with the disk is damaged: {e}") from e
    finally:
        part.unlink(missing_ok=True)


def _extract(source: BinaryIO, part: Path, progress: Progress) -> str:
    found = ""
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_Member) as archive:
        for member in archive:
            directory, name = posixpath.split(posixpath.normpath(member.name.lstrip("/")))
            if directory != DIRECTORY or name.startswith(".wh."):
                continue
            if not member.isreg():
                raise ValueError(f"disk/{name[:80]} in the layer is no plain file")
            if found:
                raise ValueError(f"the layer has more than one file below disk/: {found[:80]} and {name[:80]}")
            found = name
            inside = archive.extractfile(member)
            assert inside is not None
            _copy(cast("BinaryIO", inside), part, progress)
    return found


def _copy(source: BinaryIO, part: Path, progress: Progress) -> None:
    """Blocks of nothing but zeros become holes."""
    told, zeros = clock.monotonic(), bytes(BLOCK)
    with part.open("wb") as file:
        while block := source.read(BLOCK):
            if block == zeros[: len(block)]:
                file.seek(len(block), 1)
            else:
                file.write(block)
            if clock.monotonic() - told >= EVERY:
                told = clock.monotonic()
                progress(f"taking the disk out of its layer: {file.tell() >> 20} MiB")
        file.truncate()


class _Member(tarfile.TarInfo):
    """A member whose headers cannot make the reader take memory without end."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_SPARSE or (self.type in HEADERS and self.size > LONGEST_HEADER):
            raise tarfile.ReadError("a header in it is not one that container images have")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise tarfile.ReadError("a header in it is not one that container images have")


class _Bounded:
    """A source that is not read for ever: a few bytes unpack to as many as somebody likes."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = LARGEST

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"the layer unpacks to more than {LARGEST >> 30} GiB")
        return data
