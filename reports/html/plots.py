"""The plots of what exits cost, as coordinates: peers on a common scale, and overhead against the document's claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from reports.performance import CLAIM, Peers, Point
from reports.support import microseconds

LEFT, WIDE, LINE = 330, 610, 46
"""Where the scale begins, how long it is, and pixels from one CPU to the next."""
MOST = 24
"""CPUs that are drawn."""
MOST_DOTS = 60
"""More machines than this are drawn as a bar from the 5th to the 95th percentile, the outliers as dots."""
RATES = (1e3, 1e6)
"""Exits in a second: the ends of the scale of overhead."""
MOST_LINES = 6
HIGH, DEEP = 0.4, 190
"""The largest share that is drawn, and its height in pixels."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One machine on the scale."""

    x: float
    y: float
    kind: str
    """`exit` or `inner`."""
    slow: bool
    point: Point
    says: str


@dataclass(frozen=True, slots=True)
class Span:
    """Many machines on the scale: the middle nine tenths."""

    x: float
    width: float
    y: float
    kind: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One CPU: its machines and their medians `(x, y, kind)`."""

    peers: Peers
    y: int
    marks: tuple[Mark, ...]
    spans: tuple[Span, ...]
    medians: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """The overhead of one CPU by its exits in a second."""

    number: int
    peers: Peers
    path: str
    disc: tuple[float, float]
    """Where its number stands: on the line, lower on each, so that they do not cover one another."""


@dataclass(frozen=True, slots=True)
class Plots:
    """Everything that is drawn, with the ticks of both scales as `(x or y, text)`."""

    strips: tuple[Strip, ...]
    ticks: tuple[tuple[float, str], ...]
    scale: tuple[float, float]
    """The powers of ten between which everything lies."""
    lines: tuple[Line, ...]
    rates: tuple[tuple[float, str], ...]
    shares: tuple[tuple[float, str], ...]
    claim: tuple[float, float]
    """From the top: where the band of the claim begins, and its height."""
    hidden: int
    """CPUs that are not drawn."""


def plots(peers: Sequence[Peers]) -> Plots:
    """The drawings of these CPUs, in their order."""
    shown = tuple(peers[:MOST])
    low, high = _decades(shown)
    strips = tuple(_strip(each, number * LINE, low, high) for number, each in enumerate(shown))
    ticks = [(_log(10.0**e, low, high), microseconds(10.0**e)) for e in range(round(low), round(high) + 1)]
    lines = [_line(number, each) for number, each in enumerate([p for p in shown if p.added][:MOST_LINES], 1)]
    return Plots(
        strips=strips,
        ticks=tuple((x, text.replace(".0 ", " ").replace(".00 ", " ")) for x, text in ticks),
        scale=(low, high),
        lines=tuple(lines),
        rates=tuple((_rate(10.0**e), f"{10**e:,}".replace(",", " ")) for e in range(3, 7)),
        shares=tuple((_share(s), f"{s:.0%}") for s in (0.0, 0.1, 0.2, 0.3, 0.4)),
        claim=(_share(CLAIM[1]), round(_share(CLAIM[0]) - _share(CLAIM[1]), 1)),
        hidden=len(peers) - len(shown),
    )


def _decades(peers: Sequence[Peers]) -> tuple[float, float]:
    """The powers of ten between which everything lies."""
    values = [t.median for p in peers for point in p.points for t in (point.exit, point.inner) if t] or [1e3]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _log(value: float, low: float, high: float) -> float:
    return round(LEFT + (math.log10(value) - low) / (high - low) * WIDE, 1)


def _strip(peers: Peers, top: int, low: float, high: float) -> Strip:
    slow = {id(point) for point, _ in peers.outliers}
    marks: list[Mark] = []
    spans: list[Span] = []
    medians = []
    for kind, y, usual in (("exit", top + 15.0, peers.exit), ("inner", top + 31.0, peers.inner)):
        found = [(p, t) for p in peers.points if (t := p.exit if kind == "exit" else p.inner)]
        many = len(found) > MOST_DOTS
        if many:
            cuts = quantiles((t.median for _, t in found), n=20)
            x, end = _log(cuts[0], low, high), _log(cuts[-1], low, high)
            spans.append(Span(x, round(max(end - x, 2), 1), y, kind))
        for number, (point, timing) in enumerate(found):
            if many and id(point) not in slow:
                continue
            away = (number * 7 % 5 - 2) * 1.6  # machines with the same cost stand beside each other, not on each other
            says = f"{point.row.label}: {microseconds(timing.median)}"
            marks.append(Mark(_log(timing.median, low, high), round(y + away, 1), kind, id(point) in slow, point, says))
        if usual:
            medians.append((_log(usual, low, high), y, kind))
    marks.sort(key=lambda mark: mark.slow)  # the slow ones on top
    return Strip(peers, top, tuple(marks[: 4 * MOST_DOTS]), tuple(spans), tuple(medians))


def _rate(rate: float) -> float:
    low, high = map(math.log10, RATES)
    return round(60 + (math.log10(rate) - low) / (high - low) * 600, 1)


def _share(share: float) -> float:
    return round(12 + (1 - share / HIGH) * DEEP, 1)


def _line(number: int, peers: Peers) -> Line:
    assert peers.added
    low, high = map(math.log10, RATES)
    points = []
    for step in range(121):
        rate = 10 ** (low + (high - low) * step / 120)
        share = rate * peers.added / 1e9
        if share > HIGH:
            last = HIGH * 1e9 / peers.added
            points.append((_rate(min(max(last, RATES[0]), RATES[1])), _share(HIGH)))
            break
        points.append((_rate(rate), _share(share)))
    high_up = HIGH * (1.05 - number * 0.11)
    rate = min(max(high_up * 1e9 / peers.added, RATES[0]), RATES[1])
    disc = (_rate(rate), _share(min(rate * peers.added / 1e9, HIGH)))
    return Line(number, peers, "M" + "L".join(f"{x} {y}" for x, y in points), disc)
