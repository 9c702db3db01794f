"""Reading a report: bytes from anywhere in, typed facts out, or one clear reason why not.

A report from a guest is hostile input: its size is capped before it is parsed, its types are checked, and a fact
whose value has the wrong shape becomes an `error` fact instead of an exception.
"""

from enum import StrEnum
from typing import Any

import msgspec

SCHEMA = "nestproof.report/1"
MAX_BYTES = 64 * 1024


class ReportError(ValueError):
    """The bytes are not a report; the message says what is wrong with them."""


class FactStatus(StrEnum):
    """How looking went (docs/report.md)."""

    OK = "ok"
    ABSENT = "absent"
    DENIED = "denied"
    ERROR = "error"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"


class RawFact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact as it came: the value is not checked yet."""

    status: FactStatus
    source: str = ""
    ms: float = 0.0
    value: Any = None
    error: str = ""
    raw: str = ""


class Subject(msgspec.Struct, frozen=True):
    """Which machine the report speaks of."""

    hostname: str = ""
    machine_id: str | None = None
    boot_id: str | None = None
    dmi_uuid: str | None = None
    vm: str | None = None


class Agent(msgspec.Struct, frozen=True):
    """Which agent wrote it."""

    version: str = ""
    python: str = ""


class Report(msgspec.Struct, frozen=True):
    """All the facts of one machine at one time."""

    schema: str
    subject: Subject
    started: float
    facts: dict[str, RawFact]
    duration_ms: float = 0.0
    agent: Agent = Agent()


_decoder = msgspec.json.Decoder(Report)
_encoder = msgspec.json.Encoder(order="sorted")


def decode(data: bytes) -> Report:
    """A report from JSON bytes. Raises ReportError."""
    if len(data) > MAX_BYTES:
        raise ReportError(f"report is {len(data)} bytes long; at most {MAX_BYTES} are accepted")
    try:
        report = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ReportError(f"not a {SCHEMA} report: {e}") from e
    if report.schema != SCHEMA:
        raise ReportError(f"schema is {report.schema[:60]!r}; this version reads {SCHEMA}")
    return report


def encode(report: Report) -> bytes:
    """The report as JSON bytes, keys sorted."""
    return _encoder.encode(report)
