"""A store as one file: JSON lines, a head, an entry a line, and their number at the end so that a cut is noticed.

For moving to another machine or from SQLite to PostgreSQL. Reports stand there byte for byte (base64).
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from hostcheck.model import Arrival
from hostcheck.report import MAX_BYTES
from reports.packing import PackError, packed, unpacked
from reports.store.entry import Entry, read_view
from reports.store.errors import StoreError

SCHEMA: Literal["nestproof.export/1"] = "nestproof.export/1"
MAX_LINE = 4 << 20
"""Bytes of one entry; a report has 64 KiB at most, a provider's view of a VM a few more."""
MAX_FILE = 1 << 40
"""Bytes of a whole export, which is read line by line."""


T = TypeVar("T")


class _Head(msgspec.Struct, frozen=True):
    schema: Literal["nestproof.export/1"]
    version: str


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry, its view not yet read: what a view is follows from the kind."""

    name: str
    kind: Literal["host", "vm"]
    received: float
    host: str = ""
    provider: str = ""
    report: bytes | None = None
    arrival: Arrival = Arrival.ARRIVED
    arrival_detail: str = ""
    view: msgspec.Raw = msgspec.Raw()


class _Tail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entries: int


def export(entries: Iterable[Entry], path: Path, version: str) -> int:
    """Write the entries; returns how many. Compressed where the name ends in .zst or .gz. Raises StoreError."""
    number = 0
    try:
        with packed(path) as file:
            file.write(msgspec.json.encode(_Head(SCHEMA, version)) + b"\n")
            for entry in entries:
                file.write(msgspec.json.encode(entry) + b"\n")
                number += 1
            file.write(msgspec.json.encode(_Tail(number)) + b"\n")
    except PackError as e:
        raise StoreError(str(e)) from e
    return number


def is_export(path: Path) -> bool:
    """The file begins as an export does."""
    try:
        with unpacked(path, MAX_FILE) as file:
            return file.read(200).startswith(b'{"schema":"nestproof.export/')
    except PackError:
        return False


def exported(path: Path) -> Iterator[Entry]:
    """The entries of an export, read as they are consumed. Raises StoreError, also at a missing end."""
    decoder = msgspec.json.Decoder(_Line)
    number = 0
    try:
        with unpacked(path, MAX_FILE) as file:
            _read(path, 1, file.readline(MAX_LINE), msgspec.json.Decoder(_Head))
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b"")):
                if line.startswith(b'{"entries":'):
                    if _read(path, number + 2, line, msgspec.json.Decoder(_Tail)).entries != number:
                        raise StoreError(f"{path}: {number} entries are there, its end speaks of others")
                    return
                yield _entry(path, number + 2, _read(path, number + 2, line, decoder))
    except PackError as e:
        raise StoreError(str(e)) from e
    raise StoreError(f"{path}: cut off after {number} entries; export it again")


def _read(path: Path, number: int, line: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise StoreError(f"{path}:{number}: not a line of a {SCHEMA} file: {e}") from e


def _entry(path: Path, number: int, line: _Line) -> Entry:
    if line.report is not None and len(line.report) > MAX_BYTES:
        raise StoreError(f"{path}:{number}: a report of {len(line.report)} bytes; at most {MAX_BYTES} are accepted")
    if not math.isfinite(line.received):
        raise StoreError(f"{path}:{number}: its time is not a number")
    try:
        view = read_view(line.kind, None if bytes(line.view) in (b"", b"null") else bytes(line.view))
    except ValueError as e:
        raise StoreError(f"{path}:{number}: its view cannot be read: {e}") from e
    given = {field: getattr(line, field) for field in line.__struct_fields__}
    return Entry(**given | {"view": view})
