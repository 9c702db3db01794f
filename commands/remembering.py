"""Judgements that were made before, so that a matrix of thousands does not judge every report anew.

A cache and nothing more: the key is the report, the name, the policy and the text of the rules themselves, so what is
remembered is what would be judged now. It may be deleted at any time, and where it cannot be used all is judged.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

import hostcheck
from hostcheck.judge import judge
from hostcheck.model import Finding, Judgement
from hostcheck.paths import cache_dir
from hostcheck.policy import Policy
from hostcheck.report import decode

FILE = "judgements.sqlite3"
MAX_ROWS = 200_000
"""Judgements that are remembered, about 10 KiB each; beyond that all are forgotten."""
TABLE = "CREATE TABLE IF NOT EXISTS judged (key BLOB PRIMARY KEY, rules BLOB NOT NULL, judgement BLOB NOT NULL)"
_decoder = msgspec.msgpack.Decoder(Judgement)


class Memory:
    """Judges reports, or remembers. What is new is written when it closes."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._rules = _digest(rules(), _policy_key(policy))
        self._new: dict[bytes, bytes] = {}
        self._same: dict[Finding, Finding] = {}
        self._file: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        path = cache_dir() / FILE
        with _unusable_is_none(self):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=1, isolation_level=None)
            path.chmod(0o600)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=OFF")  # what the power takes is judged again
            self._file.execute(TABLE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _unusable_is_none(self):
            if self._file is not None and self._new:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.execute("DELETE FROM judged WHERE rules != ?", (self._rules,))
                if self._file.execute("SELECT count(*) FROM judged").fetchone()[0] > MAX_ROWS:
                    self._file.execute("DELETE FROM judged")
                rows = ((key, self._rules, judged) for key, judged in self._new.items())
                self._file.executemany("INSERT OR REPLACE INTO judged VALUES (?, ?, ?)", rows)
                self._file.execute("COMMIT")
        if self._file is not None:
            self._file.close()

    def judge(self, report: bytes, name: str) -> Judgement:
        """What the rules say of a report. Raises ReportError when it is none."""
        key = _digest(self._rules, name.encode("utf-8", "backslashreplace"), report)
        judgement = self._remembered(key)
        if judgement is None:
            judgement = judge(decode(report), name, self._policy)
            if self._file is not None:
                self._new[key] = msgspec.msgpack.encode(judgement)
        return self._shared(judgement)

    def forget(self) -> None:
        """Go on without the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _remembered(self, key: bytes) -> Judgement | None:
        with _unusable_is_none(self):
            if self._file is not None:
                row = self._file.execute("SELECT judgement FROM judged WHERE key = ?", (key,)).fetchone()
                return _decoder.decode(row[0]) if row else None
        return None

    def _shared(self, judgement: Judgement) -> Judgement:
        """The same with findings that are equal held once: of a fleet's findings most are."""
        findings = tuple(self._same.setdefault(finding, finding) for finding in judgement.findings)
        return msgspec.structs.replace(judgement, findings=findings)


@cache
def rules() -> bytes:
    """What the rules are, by their text."""
    texts = (path.read_bytes() for path in sorted(Path(hostcheck.__path__[0]).rglob("*.py")))
    return _digest(*texts)


@contextmanager
def _unusable_is_none(memory: Memory) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.MsgspecError):
        memory.forget()


def _policy_key(policy: Policy) -> bytes:
    """All of a policy that bears on a judgement: not the day, but which waivers hold on it."""
    return msgspec.json.encode((policy.thresholds, policy.source, policy.waivers, policy.expired, policy.today is None))


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()
