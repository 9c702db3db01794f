"""The topology as drawings: how many got how far, and for each host the way of each of its VMs. Coordinates only."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.levels import Branch, Level, Stage, Way, branches, stages
from reports.rows import Row

MOST_HOSTS = 40
"""Hosts that are drawn; of more, those that lose most VMs."""
MOST_VMS = 24
"""VMs of one host that are drawn; of more, those that are lost first."""
LINE = 24
"""Pixels from one VM to the next."""
TRUNK = 250
"""Where the host's own dot stands."""
STEP = 112
"""Pixels from one level to the next."""
WIDE = 980
BAR = (250, 560)
"""Where the bars of the stages begin, and how long a full one is."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A level that was reached, or the one where the way ends."""

    x: int
    kind: str
    """`reached`, `lost`, `dark` (not known) or `ahead`."""


@dataclass(frozen=True, slots=True)
class Track:
    """One VM's way, from left to right."""

    row: Row
    y: int
    dots: tuple[Dot, ...]
    end: int
    """Where the line that is sure ends."""
    says: str


@dataclass(frozen=True, slots=True)
class Tree:
    """One host with the tracks of its VMs."""

    name: str
    host: Row | None
    tracks: tuple[Track, ...]
    height: int
    trunk: int
    """How far down the line from the host goes."""
    hidden: int
    """VMs that are not drawn."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage as parts of a bar, each `(kind, x, width, count)`."""

    stage: Stage
    y: int
    parts: tuple[tuple[str, float, float, int], ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """Both drawings."""

    bars: tuple[Bar, ...]
    what: str
    """`VMs` or `hosts`: what the bars count."""
    trees: tuple[Tree, ...]
    hidden: int
    """Hosts that are not drawn."""
    columns: tuple[tuple[Level, int], ...]


def topology(rows: Sequence[Row]) -> Topology:
    """The drawings of these rows."""
    found = [branch for branch in branches(rows) if branch.vms or branch.host]
    shown = found if len(found) <= MOST_HOSTS else sorted(found, key=lambda branch: -branch.lost)[:MOST_HOSTS]
    return Topology(
        bars=_bars(stages(rows)),
        what="VMs" if any(row.chain.kind == "vm" for row in rows) else "hosts",
        trees=tuple(_tree(branch) for branch in shown),
        hidden=len(found) - len(shown),
        columns=tuple((level, _x(level)) for level in Level),
    )


def _bars(found: Sequence[Stage]) -> tuple[Bar, ...]:
    start, width = BAR
    whole = max(found[0].arrived, 1)
    bars = []
    for number, stage in enumerate(found):
        through = stage.arrived - stage.lost - stage.unknown
        x, parts = float(start), []
        for kind, count in (("reached", through), ("lost", stage.lost), ("dark", stage.unknown)):
            if count:
                part = max(round(count / whole * width, 1), 3.0)  # a few of many thousands are still to be seen
                parts.append((kind, round(x, 1), part, count))
                x += part
        bars.append(Bar(stage, number * 34, tuple(parts)))
    return tuple(bars)


def _x(level: Level) -> int:
    return TRUNK + list(Level).index(level) * STEP


def _tree(branch: Branch) -> Tree:
    ways = branch.vms
    if len(ways) > MOST_VMS:
        ways = tuple(sorted(ways, key=lambda way: way.lost is None))[:MOST_VMS]
    tracks = tuple(_track(way, 20 + (number + 1) * LINE) for number, way in enumerate(ways))
    last = tracks[-1].y if tracks else 20
    return Tree(
        branch.name, branch.host, tracks, last + 14, last if tracks else 0, len(branch.vms) - len(ways)
    )  # fmt: skip


def _track(way: Way, y: int) -> Track:
    dots, end = [], TRUNK
    passed = True
    for level in Level:
        if level is way.lost:
            dots.append(Dot(_x(level), "lost" if way.broken else "dark"))
            passed, end = False, _x(level)
        elif passed:
            dots.append(Dot(_x(level), "reached"))
            end = _x(level)
        else:
            dots.append(Dot(_x(level), "ahead"))
    return Track(way.row, y, tuple(dots), end, _says(way.row))


def _says(row: Row) -> str:
    verdict = row.chain.verdict.value.replace("_", " ")
    return f"{verdict} · {row.broken.link.link.label}" if row.broken else verdict
