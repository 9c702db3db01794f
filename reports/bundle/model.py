"""What a bundle holds, and the limits that are kept by who writes it and enforced on who sends it."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from hostcheck.model import Arrival
from hostcheck.report import MAX_BYTES
from reports.store.entry import Entry, read_view

SCHEMA: Literal["nestproof.bundle/1"] = "nestproof.bundle/1"
TOP = "nestproof-bundle/"
MANIFEST = "manifest.json"
PAGE = "index.html"
MAX_FILE = 16 << 20
MAX_TOTAL = 256 << 20
MAX_FILES = 20_000
MAX_NAME = 240
NAME = re.compile(r"[^\x00-\x1f\x7f\\]+")
"""Of a file: nothing that a terminal or another system would take for more than a name."""


class BundleError(Exception):
    """The bundle cannot be made or read; the message is one line that names the file and says why."""


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a store, its report and view as files of the bundle."""

    name: str
    kind: Literal["host", "vm"]
    received: float
    host: str = ""
    provider: str = ""
    arrival: Arrival = Arrival.ARRIVED
    arrival_detail: str = ""
    report: str = ""
    """Name of the file; empty where there is no report."""
    view: str = ""
    """Name of the file; empty where no provider spoke of it."""


class File(msgspec.Struct, frozen=True):
    """One file of the bundle."""

    name: str
    size: int
    sha256: str


class LeftOut(msgspec.Struct, frozen=True):
    """Something that should be in the bundle and is not."""

    name: str
    why: str


class Manifest(msgspec.Struct, frozen=True):
    """The first file of a bundle. Additive within one `schema`: readers ignore keys that they do not know."""

    schema: Literal["nestproof.bundle/1"]
    version: str
    """Of the nestproof that made it."""
    command: str
    made: float
    """Unix time in seconds."""
    redacted: bool
    subjects: tuple[Subject, ...]
    files: tuple[File, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(slots=True)
class Bundle:
    """A bundle in memory. `add` keeps the limits."""

    version: str
    command: str
    made: float
    redacted: bool = False
    subjects: list[Subject] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """By their names, without the manifest and the page, which are made of them."""
    left_out: list[LeftOut] = field(default_factory=list)
    _size: int = 0

    def add(self, name: str, data: bytes) -> None:
        """Take a file in; one that is too much is named among what was left out."""
        if fault := name_fault(name):
            self.left_out.append(LeftOut(name[:MAX_NAME].encode("ascii", "backslashreplace").decode(), fault))
        elif len(data) > MAX_FILE:
            self.left_out.append(LeftOut(name, f"{len(data)} bytes, more than {MAX_FILE >> 20} MiB"))
        elif len(self.files) + 2 >= MAX_FILES or self._size + len(data) > MAX_TOTAL - MAX_FILE:
            self.left_out.append(LeftOut(name, "the bundle is full"))
        else:
            self._size += len(data)
            self.files[name] = data

    def add_entry(self, entry: Entry) -> str:
        """Take in what a store keeps of a subject; returns the folder for what else belongs to it."""
        folder = f"subjects/{len(self.subjects) + 1:05}"
        report = view = ""
        if entry.report is not None:
            self.add(report := f"{folder}/report.json", entry.report)
        if entry.view is not None:
            self.add(view := f"{folder}/view.json", msgspec.json.encode(entry.view))
        said = (entry.arrival, entry.arrival_detail)
        kind: Literal["host", "vm"] = "host" if entry.kind == "host" else "vm"
        given = (report if report in self.files else "", view if view in self.files else "")
        self.subjects.append(Subject(entry.name, kind, entry.received, entry.host, entry.provider, *said, *given))
        return folder

    def manifest(self, page: bytes) -> Manifest:
        """The manifest of the bundle with its page, if it has one."""
        files = tuple(file_of(name, data) for name, data in sorted(self._with(page).items()))
        about = (self.version, self.command, self.made, self.redacted)
        return Manifest(SCHEMA, *about, tuple(self.subjects), files, tuple(self.left_out))

    def _with(self, page: bytes) -> dict[str, bytes]:
        return self.files | ({PAGE: page} if page else {})

    def entries(self) -> list[Entry]:
        """What a store would keep of the subjects: hosts before VMs, each by name. Raises BundleError."""
        return sorted(map(self._entry, self.subjects), key=lambda e: (e.kind, e.name, e.received))

    def _entry(self, subject: Subject) -> Entry:
        report = self._named(subject.report) if subject.report else None
        if report is not None and len(report) > MAX_BYTES:
            raise BundleError(f"{subject.report}: a report of {len(report)} bytes; at most {MAX_BYTES} are accepted")
        try:
            view = read_view(subject.kind, self._named(subject.view) if subject.view else None)
        except (ValueError, RecursionError) as e:
            raise BundleError(f"{subject.view}: not a view: {e}") from e
        where = (subject.name, subject.kind, subject.received, subject.host, subject.provider)
        return Entry(*where, report, subject.arrival, subject.arrival_detail, view)

    def _named(self, name: str) -> bytes:
        if name not in self.files:
            raise BundleError(f"{name[:MAX_NAME]!r} is named in the manifest and not there")
        return self.files[name]


def file_of(name: str, data: bytes) -> File:
    return File(name, len(data), hashlib.sha256(data).hexdigest())


def name_fault(name: str) -> str:
    """Why a file may not be called so; "" when it may."""
    if not 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME:
        return f"its name is empty or longer than {MAX_NAME} bytes"
    if not NAME.fullmatch(name) or any("\ud800" <= char <= "\udfff" for char in name):
        return "its name has characters that no file of a bundle has"
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        return "its name leads out of the bundle"
    return ""
