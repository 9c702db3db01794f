"""How far each subject got on its way down: the host, the VM, the guest, the guest's own guest. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hostcheck.model import Link, Status
from reports.rows import GROUPS, WORKING, Outcome, Row


class Level(StrEnum):
    """Where a subject can be lost, from the machine at the bottom to the guest that has to run at the top."""

    L0 = "L0"
    VM = "VM"
    L1 = "L1"
    L2 = "L2"

    @property
    def words(self) -> str:
        """For people."""
        return WORDS[self]


WORDS = {
    Level.L0: "the host offers it",
    Level.VM: "the VM asks for it and gets it",
    Level.L1: "the guest is ready",
    Level.L2: "a guest ran in it",
}
LEVEL_OF = (
    dict.fromkeys(GROUPS[0].links, Level.L0)
    | dict.fromkeys(GROUPS[1].links, Level.VM)
    | dict.fromkeys(GROUPS[2].links, Level.L1)
    | {Link.GUEST_RAN: Level.L2}
)


@dataclass(frozen=True, slots=True)
class Way:
    """How far one subject got."""

    row: Row
    reached: Level | None
    """The last level that holds, all before it included; None where not even the host's is known to hold."""
    lost: Level | None
    """Where it is broken, or where knowledge ends; None where it works."""

    @property
    def broken(self) -> bool:
        return self.row.outcome is Outcome.BROKEN


@dataclass(frozen=True, slots=True)
class Stage:
    """One level with what became of all VMs there."""

    level: Level
    arrived: int
    lost: int
    """Broken here."""
    unknown: int
    """Nothing is known from here on."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A host with its VMs; `host` is None for VMs whose host was not looked at."""

    name: str
    host: Row | None
    vms: tuple[Way, ...]

    @property
    def lost(self) -> int:
        return sum(way.lost is not None for way in self.vms)


def way_of(row: Row) -> Way:
    """How far this subject got."""
    if row.outcome in WORKING:
        return Way(row, Level.L2, None)
    lost = LEVEL_OF[row.broken.link.link] if row.broken else _dark(row)
    levels = list(Level)
    before = levels.index(lost)
    return Way(row, levels[before - 1] if before else None, lost)


def _dark(row: Row) -> Level:
    """Where knowledge ends: the level of the first link after the last one that holds."""
    held = [number for number, cell in enumerate(row.cells) if _holds(cell.link.status)]
    after = (held[-1] + 1) if held else 0
    return LEVEL_OF[row.cells[min(after, len(row.cells) - 1)].link.link]


def _holds(status: Status) -> bool:
    return status in (Status.PASS, Status.WARN)


def stages(rows: Iterable[Row]) -> tuple[Stage, ...]:
    """What became of the VMs, or of the hosts where there are none, level by level."""
    rows = tuple(rows)
    ways = [way_of(row) for row in rows if row.chain.kind == "vm"] or [way_of(row) for row in rows]
    left, result = len(ways), []
    for level in Level:
        here = [way for way in ways if way.lost is level]
        broken = sum(way.broken for way in here)
        result.append(Stage(level, left, broken, len(here) - broken))
        left -= len(here)
    return tuple(result)


def branches(rows: Sequence[Row]) -> tuple[Branch, ...]:
    """Every host with its VMs, in the order of the rows; VMs of hosts that are no rows under the host's name."""
    hosts = {row.chain.subject: row for row in rows if row.chain.kind == "host"}
    vms: dict[str, list[Way]] = {name: [] for name in hosts}
    for row in rows:
        if row.chain.kind != "host":
            vms.setdefault(row.chain.host, []).append(way_of(row))
    return tuple(Branch(name, hosts.get(name), tuple(ways)) for name, ways in vms.items())
