"""What a word on the command line stands for: a name that is kept, a time, or a file that holds reports."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from commands.failures import Failure
from commands.filenames import is_file_name
from commands.judging import chains
from hostcheck.clock import now
from hostcheck.model import Chain
from hostcheck.policy import Policy
from hostcheck.report import ReportError, decode
from reports.bundle import BundleError
from reports.bundle.file import is_bundle, read
from reports.jsonout import Document
from reports.sanitize import sanitize
from reports.store import Entry, Store, StoreError
from reports.store.transfer import exported, is_export

AGO = re.compile(r"([0-9]{1,6})(min|h|d|w)")
SECONDS = {"min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
MAX_MATRIX = 1 << 30
"""Bytes of a file with JSON that are read."""
MATRIX = b'"schema": "nestproof.matrix/1"'
FORMS = "a name that is kept, a time (2026-11-25, 2026-11-25T18:00, 3d, 12h, now), NAME@TIME, or a file"


@dataclass(frozen=True, slots=True)
class Known:
    """What a word stands for, judged by today's rules."""

    chains: tuple[Chain, ...]
    time: float
    """When this was known, Unix time."""
    name: str = ""
    """The subject, where the word names one."""
    about: str = ""
    """Where it comes from, for people; empty where that is plain."""


def known(word: str, store: Store, policy: Policy) -> Known:
    """What `word` stands for. Raises Failure, with names that come near."""
    if Path(word).is_file():
        return of_file(Path(word), policy)
    names = store.names()
    if word in names:
        return _of_name(word, None, store, policy)
    name, at, time = word.rpartition("@")
    if at and name in names:
        return _of_name(name, _time(time), store, policy)
    moment = time_of(word)
    if moment is not None:
        return Known(tuple(chains(store.latest(moment), policy)), moment)
    if is_file_name(word):
        raise Failure(f"{word}: no such file")
    near = difflib.get_close_matches(word, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"give {FORMS}; `nestproof matrix` lists the names"
    raise Failure(f"nothing is known of {word!r}", hint=hint)


def of_file(path: Path, policy: Policy) -> Known:
    """What a file holds: a bundle, an export of a store, one report, or a matrix in JSON, whose chains stay as they
    were judged. Raises Failure.
    """
    if not is_bundle(path) and not is_export(path):
        data = _read(path)
        if MATRIX in data:
            return _of_matrix(path, data)
    found = newest(entries_in(path))
    about = _about(path) if is_bundle(path) else ""
    return Known(tuple(chains(found, policy)), max((e.received for e in found), default=0.0), about=about)


def entries_in(path: Path) -> list[Entry]:
    """The entries of a bundle, of an export, or of one report. Raises Failure."""
    try:
        if is_bundle(path):
            return read(path).entries()
        if is_export(path):
            return list(exported(path))
    except (BundleError, StoreError) as e:
        raise Failure(str(e)) from e
    data = _read(path)
    try:
        report = decode(data)
    except ReportError as e:
        raise Failure(f"{path}: {e}", hint="give a bundle, an export, a report, or what --format json printed") from e
    name = report.subject.vm or report.subject.hostname or path.stem
    return [Entry(name, "host", report.started, report=data)]


def _about(path: Path) -> str:
    """Where a bundle comes from, for people."""
    bundle = read(path)
    made = datetime.fromtimestamp(bundle.made, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    parts = [f"{path}: made {made} by nestproof {sanitize(bundle.version, 40)}", f"{len(bundle.files)} files"]
    parts += ["names replaced"] * bundle.redacted + [f"{len(bundle.left_out)} left out"] * bool(bundle.left_out)
    return ", ".join(parts)


def newest(entries: Iterable[Entry]) -> list[Entry]:
    """The newest entry of every subject, hosts first, as a store would give them."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key = (entry.kind, entry.name)
        if key not in found or entry.received >= found[key].received:
            found[key] = entry
    return [found[key] for key in sorted(found)]


def time_of(word: str) -> float | None:
    """A time as Unix time: `now`, how long ago, or ISO 8601 (UTC where it names no zone); None for anything else."""
    if word == "now":
        return now()
    if ago := AGO.fullmatch(word):
        return now() - int(ago[1]) * SECONDS[ago[2]]
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def of_subject(name: str, store: Store, before: float | None = None) -> list[Entry]:
    """The newest entry of a subject (of those not after `before`), after that of the host that it then was on."""
    for entry in store.history(name):
        if before is None or entry.received <= before:
            on = (e for e in store.history(entry.host) if e.kind == "host" and e.received <= entry.received)
            host = next(on, None) if entry.kind == "vm" and entry.host else None
            return [host, entry] if host else [entry]
    return []


def _of_name(name: str, before: float | None, store: Store, policy: Policy) -> Known:
    entries = of_subject(name, store, before)
    if not entries:
        raise Failure(f"nothing was known of {name!r} then")
    kind = entries[-1].kind
    judged = tuple(chain for chain in chains(entries, policy) if (chain.kind, chain.subject) == (kind, name))
    if not judged:
        raise Failure(f"{name} was destroyed", hint=f"`nestproof show {name}@TIME` tells what it was before")
    return Known(judged, entries[-1].received, name)


def _of_matrix(path: Path, data: bytes) -> Known:
    try:
        document = msgspec.json.decode(data, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise Failure(f"{path}: not a matrix that this version reads: {e}") from e
    return Known(document.chains, document.provenance.time)


def _time(word: str) -> float:
    moment = time_of(word)
    if moment is None:
        raise Failure(f"{word!r} is no time", hint="such as 2026-11-25, 2026-11-25T18:00, 3d, 12h, now")
    return moment


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MATRIX + 1)
    except OSError as e:
        raise Failure(f"cannot read {path}: {e.strerror}") from e
    if len(data) > MAX_MATRIX:
        raise Failure(f"{path}: more than {MAX_MATRIX >> 20} MiB, which is the most that is read")
    return data
