"""What was not looked at, and why: the other half of every verdict. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hostcheck.model import Status
from reports.observations import CHECKS
from reports.rows import VM_ONLY, Row


@dataclass(frozen=True, slots=True)
class Gap:
    """One reason for not knowing, with all that it hides and everyone whom it concerns."""

    reason: str
    checks: tuple[str, ...]
    """Ids of the checks that could not be answered, each once."""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How complete a matrix is."""

    asked: int
    """Questions that apply: everything but skips."""
    answered: int
    gaps: tuple[Gap, ...]
    """The widest first."""
    without_report: tuple[Row, ...]
    """Subjects that gave no report of their own: only others spoke of them, or nobody."""
    not_measured: int
    """Subjects with a report in which no exit costs were measured."""
    oldest: Row | None
    newest: Row | None

    @property
    def percent(self) -> int:
        """Of the questions that were answered; 100 only when all were."""
        return self.answered * 100 // self.asked if self.asked else 0


def coverage(rows: Sequence[Row]) -> Coverage:
    """What these rows do not say."""
    hidden: dict[str, dict[str, None]] = {}
    whose: dict[str, dict[str, Row]] = {}
    asked = answered = 0
    for row in rows:
        for check, status, reason in _said(row):
            if status is Status.SKIP:
                continue
            asked += 1
            if status is not Status.UNKNOWN:
                answered += 1
                continue
            hidden.setdefault(reason, {})[check] = None
            whose.setdefault(reason, {})[row.anchor] = row
    gaps = [Gap(reason, tuple(hidden[reason]), tuple(whose[reason].values())) for reason in hidden]
    reported = [row for row in rows if row.chain.machine]
    by_age = sorted((row for row in reported if row.chain.machine and row.chain.machine.looked > 0), key=_looked)
    return Coverage(
        asked=asked,
        answered=answered,
        gaps=tuple(sorted(gaps, key=lambda gap: (-len(gap.rows), -len(gap.checks)))),
        without_report=tuple(row for row in rows if not row.chain.machine),
        not_measured=sum(row.chain.machine is not None and row.chain.machine.exit is None for row in reported),
        oldest=by_age[0] if by_age else None,
        newest=by_age[-1] if by_age else None,
    )


def _said(row: Row) -> Iterator[tuple[str, Status, str]]:
    """Check, status and summary of everything: what `observations` says, without what only formats need."""
    for cell in row.cells:
        if row.chain.kind != "host" or cell.link.link not in VM_ONLY:
            yield cell.link.check or CHECKS[cell.link.link], cell.link.status, cell.link.summary
    for finding in row.others:
        yield finding.check, finding.status, finding.headline


def _looked(row: Row) -> float:
    return row.chain.machine.looked if row.chain.machine else 0.0
