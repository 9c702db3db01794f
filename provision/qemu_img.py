"""qemu-img, the one tool that reads and makes disk images; what it reads may come from anywhere and is not trusted."""

import os
import subprocess
from pathlib import Path

import msgspec

from provision.provider import ProviderError

QCOW2_MAGIC = b"QFI\xfb"
SECTOR = 512
"""What a raw image is rounded up to, as QEMU shows it to a guest."""
COPYING = 3600.0
"""Seconds for what may write a whole disk."""


class _Specific(msgspec.Struct):
    data: dict[str, object] = {}


class _Info(msgspec.Struct):
    format: str
    virtual_size: int = msgspec.field(name="virtual-size")
    backing: str | None = msgspec.field(name="backing-filename", default=None)
    encrypted: bool = False
    specific: _Specific = msgspec.field(name="format-specific", default_factory=_Specific)


def virtual_size(path: Path, form: str) -> int:
    """Bytes that a guest sees of an image of the declared format. Raises ValueError when it must not be used.

    The format is never guessed: a guest can write a qcow2 header into a raw disk and so name any file of the host as
    its backing file (CVE-2008-2004, CVE-2024-32498). For the same reason an image that names other files is refused.
    """
    if form == "raw":
        with path.open("rb") as file:
            if file.read(4) == QCOW2_MAGIC:
                raise ValueError("its format is said to be raw, but it is a qcow2 image")
            size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise ValueError("it is empty")
        return -(-size // SECTOR) * SECTOR
    try:
        info = msgspec.json.decode(_run("info", "--output=json", "-f", form, str(path)), type=_Info)
    except msgspec.MsgspecError as e:
        raise ValueError(f"qemu-img says something unexpected of it: {e}") from e
    if info.backing is not None:
        raise ValueError("it has a backing file; flatten it with qemu-img convert")
    if info.specific.data.get("data-file"):
        raise ValueError("it keeps its data in another file; flatten it with qemu-img convert")
    if info.encrypted:
        raise ValueError("it is encrypted")
    if info.virtual_size <= 0:
        raise ValueError("it is empty")
    return info.virtual_size


def create_overlay(path: Path, backing: str, backing_format: str, gib: int) -> None:
    """A qcow2 of `gib` GiB at `path` over `backing`, which is relative to it. Raises ValueError."""
    _run("create", "-q", "-f", "qcow2", "-b", backing, "-F", backing_format, str(path), f"{gib}G", timeout=60)


def create_copy(path: Path, source: Path, source_format: str, gib: int, preallocation: str) -> None:
    """A qcow2 of `gib` GiB at `path` with what `source` holds, its space taken at once: `preallocation` is `falloc`,
    or `full` for zeros that are written. Raises ValueError."""
    how = f"preallocation={preallocation}"
    _run("convert", "-q", "-f", source_format, "-O", "qcow2", "-o", how, str(source), str(path), timeout=COPYING)
    grow(path, gib, preallocation)


def flatten(path: Path, source: Path, source_format: str) -> None:
    """A raw file at `path` with what a guest sees of `source`; what is empty stays a hole. Raises ValueError."""
    _run("convert", "-q", "-f", source_format, "-O", "raw", str(source), str(path), timeout=COPYING)


def create_empty(path: Path, gib: int, preallocation: str = "off") -> None:
    """An empty qcow2 of `gib` GiB. Raises ValueError."""
    _run("create", "-q", "-f", "qcow2", "-o", f"preallocation={preallocation}", str(path), f"{gib}G", timeout=COPYING)


def grow(path: Path, gib: int, preallocation: str = "off") -> None:
    """Make the qcow2 at `path` `gib` GiB large. Raises ValueError."""
    if preallocation != "off":
        info = msgspec.json.decode(_run("info", "--output=json", "-f", "qcow2", str(path)), type=_Info)
        if info.virtual_size == gib << 30:  # what takes its space cannot be resized to the size that it has
            return
    how = f"--preallocation={preallocation}"
    _run("resize", "-q", "-f", "qcow2", how, str(path), f"{gib}G", timeout=COPYING)


def _run(*arguments: str, timeout: float = 30) -> bytes:
    try:
        done = subprocess.run(
            ["qemu-img", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
            check=False,
        )
    except FileNotFoundError as e:
        raise ProviderError("qemu-img is not installed", hint="apt-get install qemu-utils") from e
    except subprocess.TimeoutExpired as e:
        raise ValueError(f"qemu-img {arguments[0]} took longer than {timeout:g} s") from e
    if done.returncode:
        text = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("qemu-img: ")
        raise ValueError(text[:300] or f"qemu-img {arguments[0]} ended with {done.returncode}")
    return done.stdout
