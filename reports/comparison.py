"""What changed between two runs: new problems, fixed ones, those that are still there, and machines come and gone.

A problem keeps its identity by its subject and the key of its observation, whatever the wording. Pure.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from hostcheck.model import Status, Verdict
from reports.observations import observations
from reports.rows import WORKING, Outcome, Row

Identity = tuple[str, str]
"""Kind and name of a subject."""


class Change(StrEnum):
    """What became of one subject since the run before."""

    BROKE = "new problem"
    FIXED = "fixed"
    STILL = "still"
    """It did not work, and does not."""
    SAME = "as before"
    """It worked, and works."""
    LOST = "no longer known"
    """It was known, and now nobody could look."""
    APPEARED = "new machine"
    GONE = "not looked at"
    """It is in the run before only."""


class Difference(msgspec.Struct, frozen=True):
    """One subject, before and now."""

    change: Change
    kind: str
    label: str
    anchor: str
    """Its place in the page of this run; empty when it is gone."""
    before: Verdict | None
    """None for a machine that is new."""
    now: Verdict | None
    """None for one that is gone."""
    new: tuple[str, ...]
    """Keys of the observations that fail now and did not."""
    fixed: tuple[str, ...]
    """Keys of those that failed and now hold. One that could not be looked at is neither fixed nor failing."""


class Comparison(msgspec.Struct, frozen=True):
    """Two runs, subject by subject: first what got worse."""

    sentence: str
    version: str
    command: str
    time: float
    """Of the run before, as in its Provenance."""
    differences: tuple[Difference, ...]

    def of(self, change: Change) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.change is change)


def differences(before: Iterable[Row], now: Iterable[Row]) -> tuple[Difference, ...]:
    """Every subject of both runs: in the order of Change, then of this run's rows, then of the one before."""
    old = {_identity(row): row for row in before}
    new = {_identity(row): row for row in now}
    found = [_difference(old.get(identity), row) for identity, row in new.items()]
    found += [_difference(row, None) for identity, row in old.items() if identity not in new]
    order = list(Change)
    return tuple(sorted(found, key=lambda difference: order.index(difference.change)))


def sentence(found: Iterable[Difference]) -> str:
    """For people: `2 new problems, 1 fixed, 3 still`; says so when nothing changed."""
    counts = dict.fromkeys(Change, 0)
    for difference in found:
        counts[difference.change] += 1
    parts = [f"{counts[change]} {_plural(change, counts[change])}" for change in Change if counts[change]]
    changed = [change for change in Change if counts[change] and change not in (Change.SAME, Change.STILL)]
    return ", ".join(parts) if changed else "nothing changed" + (f" ({', '.join(parts)})" if parts else "")


def _plural(change: Change, number: int) -> str:
    return f"{change}s" if number != 1 and change in (Change.BROKE, Change.APPEARED) else str(change)


def _identity(row: Row) -> Identity:
    return row.chain.kind, row.chain.subject


def _difference(before: Row | None, now: Row | None) -> Difference:
    shown = now or before
    assert shown is not None
    failed, _ = _by_status(before)
    fails, holds = _by_status(now)
    return Difference(
        change=_change(before, now),
        kind=shown.chain.kind,
        label=shown.label,
        anchor=now.anchor if now else "",
        before=before.chain.verdict if before else None,
        now=now.chain.verdict if now else None,
        new=tuple(key for key in fails if before is not None and key not in failed),
        fixed=tuple(key for key in failed if key in holds),
    )


def _by_status(row: Row | None) -> tuple[dict[str, None], frozenset[str]]:
    """The keys that fail, in order, and those that hold."""
    seen = list(observations(row)) if row else []
    failing = dict.fromkeys(o.key for o in seen if o.status is Status.FAIL)
    return failing, frozenset(o.key for o in seen if o.status in (Status.PASS, Status.WARN))


def _change(before: Row | None, now: Row | None) -> Change:
    if before is None:
        return Change.APPEARED
    if now is None:
        return Change.GONE
    if now.outcome in WORKING:
        return Change.SAME if before.outcome in WORKING else Change.FIXED
    if now.outcome is Outcome.UNKNOWN:
        return Change.STILL if before.outcome is Outcome.UNKNOWN else Change.LOST
    return Change.STILL if before.outcome is Outcome.BROKEN else Change.BROKE
