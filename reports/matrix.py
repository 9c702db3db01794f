"""Lays chains out as one matrix: subjects by links, counted, ordered, and with what there is to do.

Pure: the same chains give the same matrix. Every format prints this one model and decides nothing itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from hostcheck.model import Chain, Link, Remedy
from reports.comparison import Comparison, differences
from reports.comparison import sentence as compared
from reports.rows import WORKING, Outcome, Row, row_of


class Provenance(msgspec.Struct, frozen=True):
    """Where a matrix comes from."""

    version: str
    """Of nestproof."""
    command: str
    """The command line, with secrets already removed."""
    time: float
    """Unix time in seconds."""


class Count(msgspec.Struct, frozen=True):
    """How many subjects came to one outcome."""

    outcome: Outcome
    hosts: int
    vms: int

    @property
    def total(self) -> int:
        return self.hosts + self.vms

    @property
    def who(self) -> str:
        """For people: `1 host, 3 VMs`."""
        parts = [_plural(self.hosts, "host")] * bool(self.hosts) + [_plural(self.vms, "VM")] * bool(self.vms)
        return ", ".join(parts) or "none"


class Problem(msgspec.Struct, frozen=True):
    """One cause with what there is to do about it, and everyone who has it."""

    outcome: Outcome
    """Broken or unknown."""
    link: Link | None
    """Where the chain is broken; None where it is not known which link."""
    cause: str
    remedies: tuple[Remedy, ...]
    """Alternatives, the likeliest first; empty where nothing is known that helps."""
    rows: tuple[Row, ...]


class Matrix(msgspec.Struct, frozen=True):
    """All that a format prints."""

    sentence: str
    outcome: Outcome
    """Of the VMs where there are any, else of the hosts: the worst of them."""
    counts: tuple[Count, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    emulated: tuple[Row, ...]
    """The rows whose CPU is emulated in software."""
    provenance: Provenance
    comparison: Comparison | None = None
    """With another run, where one was given."""
    before: tuple[Row, ...] = ()
    """The rows of that run."""


def build(chains: Iterable[Chain], provenance: Provenance, before: Matrix | None = None) -> Matrix:
    """The matrix of these chains: every host followed by its VMs, then the VMs of hosts that were not looked at.

    With `before`, the matrix of another run, it also says what changed since.
    """
    rows = _rows(_ordered(list(chains)))
    judged = [row for row in rows if row.chain.kind == "vm"] or rows
    return Matrix(
        sentence=_sentence(judged),
        outcome=_worst(judged),
        counts=tuple(_count(outcome, rows) for outcome in Outcome),
        rows=rows,
        problems=_problems(rows),
        emulated=tuple(row for row in rows if row.chain.emulated_cpu),
        provenance=provenance,
        comparison=_comparison(before, rows) if before else None,
        before=before.rows if before else (),
    )


def _comparison(before: Matrix, rows: Sequence[Row]) -> Comparison:
    found = differences(before.rows, rows)
    then = before.provenance
    return Comparison(compared(found), then.version, then.command, then.time, found)


def _ordered(chains: list[Chain]) -> list[Chain]:
    hosts = sorted((c for c in chains if c.kind == "host"), key=_by_name)
    vms: defaultdict[str, list[Chain]] = defaultdict(list)
    known = {host.subject for host in hosts}
    for chain in sorted((c for c in chains if c.kind != "host"), key=_by_name):
        vms[chain.host if chain.host in known else ""].append(chain)
    ordered: list[Chain] = []
    for host in hosts:
        ordered += [host, *vms.pop(host.subject, [])]
    return ordered + vms[""]


def _by_name(chain: Chain) -> list[tuple[int, int, str]]:
    """Names with numbers in the order that people expect: kvm2 before kvm10."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]", chain.subject[:1024])
    return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts]


def _rows(chains: Iterable[Chain]) -> tuple[Row, ...]:
    rows: dict[str, Row] = {}
    for chain in chains:
        row = row_of(chain)
        anchor, number = row.anchor, 2
        while anchor in rows:
            anchor, number = f"{row.anchor}~{number}", number + 1
        rows[anchor] = msgspec.structs.replace(row, anchor=anchor)
    return tuple(rows.values())


def _worst(rows: Sequence[Row]) -> Outcome:
    present = {row.outcome for row in rows}
    order = (Outcome.BROKEN, Outcome.UNKNOWN, Outcome.DEGRADED, Outcome.WORKS)
    return next((outcome for outcome in order if outcome in present), Outcome.UNKNOWN)


def _count(outcome: Outcome, rows: Sequence[Row]) -> Count:
    kinds = [row.chain.kind for row in rows if row.outcome is outcome]
    hosts = kinds.count("host")
    return Count(outcome, hosts, len(kinds) - hosts)


def _sentence(rows: Sequence[Row]) -> str:
    if not rows:
        return "Nothing was checked yet"
    works = [row for row in rows if row.outcome in WORKING]
    one = len(rows) == 1
    vms = rows[0].chain.kind == "vm"
    if one and not (vms and works):
        return rows[0].sentence
    ran = f"ran {'its own guest' if one else 'their own guests'}" if vms else "can run VMs that run VMs"
    what = f"{len(works)} of {len(rows)} {'VMs' if vms else 'hosts'} {ran}"
    return what + _others(rows) + _emulated(works, one)


def _others(rows: Sequence[Row]) -> str:
    broken = sum(row.outcome is Outcome.BROKEN for row in rows)
    unknown = sum(row.outcome is Outcome.UNKNOWN for row in rows)
    parts = [f"{broken} cannot"] * bool(broken) + [f"{unknown} not known"] * bool(unknown)
    return f"; {', '.join(parts)}" if parts else ""


def _emulated(works: Sequence[Row], one: bool) -> str:
    emulated = sum(row.chain.emulated_cpu for row in works)
    if not emulated:
        return ""
    if one:
        return "; its CPU is emulated"
    return "; their CPUs are emulated" if emulated == len(works) else f"; {emulated} of them on an emulated CPU"


def _problems(rows: Sequence[Row]) -> tuple[Problem, ...]:
    """What is broken first, then what is not known; the most frequent first, then in the order of the rows."""
    found: dict[tuple[Outcome, Link | None, str, tuple[Remedy, ...]], list[Row]] = {}
    for row in rows:
        for cause in row.causes:
            link = cause.link.link if cause.link else None
            found.setdefault((cause.outcome, link, cause.summary, cause.remedies), []).append(row)
    problems = [Problem(*key, rows=tuple(who)) for key, who in found.items()]
    return tuple(sorted(problems, key=lambda p: (p.outcome is Outcome.UNKNOWN, -len(p.rows))))


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
