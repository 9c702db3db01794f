"""What leaving a guest costs, machine beside machine of the same CPU; and the claim of 10 to 20 %, against that.

Figures of an emulated CPU mean nothing and are left out. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hostcheck.model import Timing
from reports.rows import Row

CLAIM = (0.10, 0.20)
"""Overhead that VirtRigaud's document calls typical of vSphere; no other claim of a figure is made."""
CLAIM_SOURCE = "VirtRigaud, Nested Virtualization Support, Limitations: Performance overhead of 10-20% typical"
OUTLIER = 1.5
"""Times the median of its peers: a machine that is so slow is named."""
FEW = 4
"""Fewer peers than this have no median that says something about one of them."""


@dataclass(frozen=True, slots=True)
class Point:
    """One machine that was measured. Times in nanoseconds."""

    row: Row
    exit: Timing | None
    inner: Timing | None


@dataclass(frozen=True, slots=True)
class Peers:
    """Machines with the same CPU in the same place: all on bare metal, or all under the same hypervisor."""

    cpu: str
    where: str
    """`bare metal`, `under` a hypervisor, or with a KVM that works without vmx and svm."""
    points: tuple[Point, ...]
    exit: float | None
    """Median of the machines' medians, in nanoseconds; None where none was measured."""
    inner: float | None

    @property
    def title(self) -> str:
        return f"{self.cpu}, {self.where}"

    @property
    def added(self) -> float | None:
        """Nanoseconds that one exit costs more in a nested guest; None where that was not measured."""
        if self.exit is None or self.inner is None or self.inner <= self.exit:
            return None
        return self.inner - self.exit

    def rate(self, overhead: float) -> float | None:
        """Exits in a second at which nesting costs this share of a CPU."""
        return overhead * 1e9 / self.added if self.added else None

    @property
    def outliers(self) -> tuple[tuple[Point, float], ...]:
        """Points that are much slower than their peers, with how many times; the slowest first."""
        if len(self.points) < FEW:
            return ()
        found = [(point, factor) for point in self.points if (factor := self._factor(point)) >= OUTLIER]
        return tuple(sorted(found, key=lambda each: -each[1]))

    def _factor(self, point: Point) -> float:
        pairs = ((point.exit, self.exit), (point.inner, self.inner))
        return max((timing.median / usual for timing, usual in pairs if timing and usual), default=0.0)


@dataclass(frozen=True, slots=True)
class Performance:
    """All that was measured."""

    peers: tuple[Peers, ...]
    """The most machines first."""
    emulated: int
    """Subjects that were measured on an emulated CPU: left out."""
    unmeasured: int
    """Subjects with no figure."""


def performance(rows: Iterable[Row]) -> Performance:
    """The measured machines among these rows, by CPU."""
    groups: defaultdict[tuple[str, str], list[Point]] = defaultdict(list)
    emulated = unmeasured = 0
    for row in rows:
        machine = row.chain.machine
        if machine is None or not (credible(machine.exit) or credible(machine.inner_exit)):
            unmeasured += 1
        elif row.chain.emulated_cpu:
            emulated += 1
        else:
            where = f"under {machine.under}" if machine.under else "bare metal"
            if not row.chain.feature:
                where = "with KVM in software"  # kvm_pvm: its exits are of another kind
            key = (machine.cpu or "a CPU without a name", where)
            groups[key].append(Point(row, credible(machine.exit), credible(machine.inner_exit)))
    peers = [_peers(cpu, where, points) for (cpu, where), points in groups.items()]
    return Performance(tuple(sorted(peers, key=lambda p: (-len(p.points), p.title))), emulated, unmeasured)


def credible(timing: Timing | None) -> Timing | None:
    """A time that a report may well claim is not always one that can be: a nanosecond or more, and below a second."""
    return timing if timing is not None and 1 <= timing.median < 1e9 else None


def _peers(cpu: str, where: str, points: Sequence[Point]) -> Peers:
    exits = [point.exit.median for point in points if point.exit]
    inner = [point.inner.median for point in points if point.inner]
    return Peers(
        cpu, where, tuple(points), median(exits) if exits else None, median(inner) if inner else None
    )  # fmt: skip
