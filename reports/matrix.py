"""Lays chains out as one matrix: subjects by links, counted, ordered, and with what there is to do.

Pure: the same chains give the same matrix. Every format prints this one model and decides nothing itself.
"""

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote

from hostcheck.model import Chain, ChainLink, Finding, Link, Remedy, Status, Verdict
from reports.sanitize import MAX_NAME, sanitize


class Outcome(StrEnum):
    """A verdict in one of the four words that people count."""

    WORKS = "works"
    DEGRADED = "works, degraded"
    BROKEN = "broken"
    UNKNOWN = "unknown"


WORKING = (Outcome.WORKS, Outcome.DEGRADED)


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring columns that are asked on the same level."""

    title: str
    links: tuple[Link, ...]


GROUPS = (
    Group("Host (L0)", (Link.CPU, Link.FIRMWARE, Link.MODULE, Link.NESTED_PARAMETER, Link.OFFERED)),
    Group("VM", (Link.VM_ASKS, Link.VM_GOT)),
    Group("Guest (L1)", (Link.GUEST_CPU, Link.GUEST_MODULE, Link.DEVICE, Link.ACCESS, Link.GUEST_RAN)),
)
VM_ONLY = frozenset({Link.VM_ASKS, Link.VM_GOT, Link.GUEST_CPU, Link.GUEST_MODULE})
"""Links that no host has."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a matrix comes from."""

    version: str
    """Of nestproof."""
    command: str
    """The command line, with secrets already removed."""
    time: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One link on one subject, with the one or two words that stand in the table."""

    link: ChainLink
    word: str
    broken: bool
    """The first broken link of its chain: the cause, not a consequence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One subject with all that is said of it."""

    chain: Chain
    label: str
    """The subject's name, made safe and short."""
    anchor: str
    """Its place in a page, stable between runs; unique within a matrix."""
    sentence: str
    outcome: Outcome
    cells: tuple[Cell, ...]
    cause: str
    """Why it does not work or is not known; empty where it works."""
    remedies: tuple[Remedy, ...]
    """What mends the cause, the best first."""

    @property
    def broken(self) -> Cell | None:
        return next((cell for cell in self.cells if cell.broken), None)

    @property
    def others(self) -> tuple[Finding, ...]:
        """The findings that no link of the chain shows."""
        shown = {cell.link.check for cell in self.cells}
        return tuple(finding for finding in self.chain.findings if finding.check not in shown)


@dataclass(frozen=True, slots=True)
class Count:
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


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause with the one thing to do about it, and everyone who has it."""

    link: Link | None
    """The first broken link; None where it is not known which."""
    cause: str
    remedy: Remedy | None
    """The first remedy; None where nothing is known that helps."""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
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


def build(chains: Iterable[Chain], provenance: Provenance) -> Matrix:
    """The matrix of these chains: every host followed by its VMs, then the VMs of hosts that were not looked at."""
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
    )


def outcome_of(verdict: Verdict) -> Outcome:
    """CAPABLE counts as unknown: all prerequisites are there, and nothing ran."""
    match verdict:
        case Verdict.PROVEN:
            return Outcome.WORKS
        case Verdict.DEGRADED:
            return Outcome.DEGRADED
        case Verdict.CAPABLE | Verdict.UNKNOWN:
            return Outcome.UNKNOWN
        case _:
            return Outcome.BROKEN


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


def row_of(chain: Chain) -> Row:
    """One chain as it stands in a matrix."""
    label = sanitize(chain.subject, MAX_NAME) or "(no name)"
    sentence = chain.sentence.replace(chain.subject, label) if chain.subject else chain.sentence
    given = {link.link: link for link in chain.links}
    cells = tuple(_cell(given.get(link) or _missing(link), chain) for link in Link)
    outcome = outcome_of(chain.verdict)
    cause, remedies = ("", ()) if outcome in WORKING else _cause(chain, cells)
    return Row(chain, label, quote(label, safe="/"), sanitize(sentence), outcome, cells, cause, remedies)


def _cause(chain: Chain, cells: Sequence[Cell]) -> tuple[str, tuple[Remedy, ...]]:
    answer = chain.guests_nest if chain.kind == "host" else chain.runs_guests
    decided = next((f.remedies for f in chain.findings if f.check == answer.decided_by), ())
    broken = next((cell.link for cell in cells if cell.broken), None)
    return (broken.summary, broken.remedies or decided) if broken else (answer.reason, decided)


def _rows(chains: Iterable[Chain]) -> tuple[Row, ...]:
    rows: dict[str, Row] = {}
    for chain in chains:
        row = row_of(chain)
        anchor, number = row.anchor, 2
        while anchor in rows:
            anchor, number = f"{row.anchor}~{number}", number + 1
        rows[anchor] = replace(row, anchor=anchor)
    return tuple(rows.values())


def _missing(link: Link) -> ChainLink:
    return ChainLink(link, Status.UNKNOWN, "not looked at")


def _cell(link: ChainLink, chain: Chain) -> Cell:
    broken = link.link == chain.broken
    return Cell(link, "broken" if broken else _word(link, chain.kind), broken)


def _word(link: ChainLink, kind: str) -> str:
    """Pass, warn, fail and unknown speak for themselves; a skip says why it does not apply."""
    if link.status is not Status.SKIP:
        return link.status.value
    if kind == "host" and link.link in VM_ONLY:
        return "VM only"
    why = re.split(r"[:;,(]", sanitize(link.summary))[0]
    return textwrap.shorten(why, 24, placeholder="…") or "does not apply"


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
    found: dict[tuple[Link | None, str, Remedy | None], list[Row]] = {}
    for row in rows:
        if row.outcome not in WORKING:
            link = row.broken.link.link if row.broken else None
            found.setdefault((link, row.cause, row.remedies[0] if row.remedies else None), []).append(row)
    problems = [Problem(*key, rows=tuple(who)) for key, who in found.items()]
    return tuple(sorted(problems, key=lambda p: (p.rows[0].outcome is Outcome.UNKNOWN, -len(p.rows))))


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
