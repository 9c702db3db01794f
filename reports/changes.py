"""What changed since another run, as lines for people. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from hostcheck.model import Status
from reports.comparison import Change, Comparison, Difference
from reports.sanitize import sanitize

SIGN = {
    Change.BROKE: Status.FAIL,
    Change.LOST: Status.UNKNOWN,
    Change.FIXED: Status.PASS,
    Change.STILL: Status.FAIL,
    Change.SAME: Status.PASS,
    Change.APPEARED: Status.SKIP,
    Change.GONE: Status.SKIP,
}


def worth_saying(comparison: Comparison) -> Iterator[Difference]:
    """Everything but the subjects about which nothing changed and that work."""
    return (d for d in comparison.differences if d.change is not Change.SAME or d.new or d.fixed)


def by_anchor(comparison: Comparison | None) -> dict[str, Difference]:
    """What became of each row of the matrix, by its anchor; empty without a comparison."""
    return {d.anchor: d for d in comparison.differences if d.anchor} if comparison else {}


def headline(comparison: Comparison) -> str:
    """The sentence with the time of the run before."""
    then = datetime.fromtimestamp(comparison.time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"Since {then}: {comparison.sentence}"


def told(difference: Difference) -> str:
    """One subject: `kvm07: new problem, PROVEN before, MISCONFIGURED now; fails now: nested.parameter`."""
    verdicts = [f"{difference.before} before"] * bool(difference.before) + [f"{difference.now} now"] * bool(
        difference.now
    )
    if difference.before == difference.now:
        verdicts = [str(difference.now)]
    parts = [", ".join([f"{difference.label}: {difference.change}", *verdicts])]
    parts += [f"fails now: {_keys(difference.new)}"] * bool(difference.new)
    parts += [f"mended: {_keys(difference.fixed)}"] * bool(difference.fixed)
    return "; ".join(parts)


def _keys(keys: tuple[str, ...]) -> str:
    return ", ".join(map(sanitize, keys))
