"""Reads manifest files: files, directories and standard input into text, each failure one Problem at its place."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from provision.manifests.text import shown
from provision.model import Origin, Problem, Severity

SIZE_LIMIT = 1 << 20
"""Bytes of one file. A larger one is a disk image or a mistake, and a YAML parser would take minutes over it."""

SUFFIXES = (".yaml", ".yml")


class Source(msgspec.Struct, frozen=True):
    """The text of one file: its name as the user gave it, and the directory that relative paths in it start from."""

    name: str
    directory: Path
    text: str


def read(paths: Iterable[str | Path], stdin: BinaryIO) -> Iterator[Source | Problem]:
    """Read every path once, in order: a file, a directory (its *.yaml and *.yml, not deeper), `-` is standard input."""
    seen: set[object] = set()
    for path in map(str, paths):
        if path == "-":
            if "-" not in seen:
                seen.add("-")
                yield _decode("<stdin>", Path.cwd(), stdin.read(SIZE_LIMIT + 1))
            continue
        for found in _expand(Path(path)):
            if isinstance(found, Problem):
                yield found
                continue
            identity = _identity(found)
            if identity not in seen:
                seen.add(identity)
                yield _read_file(found)


def _identity(path: Path) -> object:
    """The same for two names of one file; a name that cannot be followed is itself, and fails when it is opened."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return path


def _expand(path: Path) -> Iterator[Path | Problem]:
    """One file as it is; a directory as its manifests in the order of their names."""
    try:
        if not path.is_dir():
            yield path
            return
        files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
    except (OSError, ValueError) as error:
        yield _unreadable(str(path), error)
        return
    if not files:
        yield problem(str(path), "the directory holds no *.yaml or *.yml file")
    yield from files


def _read_file(path: Path) -> Source | Problem:
    name = str(path)
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                return problem(name, "is not a file; name a manifest file, a directory or - for standard input")
            content = stream.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        return _unreadable(name, error)
    # `<(sops -d vms.yaml)`: a pipe of the shell's lies nowhere that a user would know of
    return _decode(name, Path.cwd() if stat.S_ISFIFO(mode) else path.absolute().parent, content)


def _decode(name: str, directory: Path, content: bytes) -> Source | Problem:
    if len(content) > SIZE_LIMIT:
        return problem(name, f"is larger than {SIZE_LIMIT >> 20} MiB, the most that a manifest may have; split it")
    try:
        return Source(shown(name, 4096), directory, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        return problem(name, "is not UTF-8 text here; save the file as UTF-8", line, column)


def _unreadable(name: str, error: OSError | ValueError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return problem(name, "no such file or directory")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return problem(name, f"cannot be read: {reason}")


def problem(name: str, message: str, line: int = 1, column: int = 1) -> Problem:
    """An error of the file itself."""
    return Problem(Origin(shown(name, 4096), line, column), Severity.ERROR, "", message, "file")
