"""One subject as every format shows it: its cells, its outcome, and why it does not work where it does not.

Pure. A row never decides what is true, only what of the chain is shown first.
"""

import re
import textwrap
from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import quote

import msgspec

from hostcheck.model import Answer, Chain, ChainLink, Finding, Link, Question, Remedy, Setting, Status, Verdict
from reports.sanitize import MAX_NAME, sanitize


class Outcome(StrEnum):
    """A verdict in one of the four words that people count."""

    WORKS = "works"
    DEGRADED = "works, degraded"
    BROKEN = "broken"
    UNKNOWN = "unknown"


WORKING = (Outcome.WORKS, Outcome.DEGRADED)


class Group(msgspec.Struct, frozen=True):
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


class Cell(msgspec.Struct, frozen=True):
    """One link on one subject, with the one or two words that stand in the table."""

    link: ChainLink
    word: str
    broken: bool
    """The first broken link of its chain: the cause, not a consequence."""


class Cause(msgspec.Struct, frozen=True):
    """One thing that has to be mended before a question has a good answer."""

    question: Question
    outcome: Outcome
    """Broken or unknown: what this cause makes of the question."""
    link: ChainLink | None
    """Where it stands in the chain; None where that is not known."""
    summary: str
    remedies: tuple[Remedy, ...]
    """Alternatives, the likeliest first."""


class Row(msgspec.Struct, frozen=True):
    """One subject with all that is said of it."""

    chain: Chain
    label: str
    """The subject's name, made safe and short."""
    anchor: str
    """Its place in a page, stable between runs; unique within a matrix."""
    sentence: str
    outcome: Outcome
    cells: tuple[Cell, ...]
    causes: tuple[Cause, ...]
    """Why it does not work or is not known, the cause of the asked question first; empty where it works."""

    @property
    def broken(self) -> Cell | None:
        return next((cell for cell in self.cells if cell.broken), None)

    @property
    def others(self) -> tuple[Finding, ...]:
        """The findings that no link of the chain shows."""
        hosts = GROUPS[0].links if self.chain.kind != "host" else ()  # those speak of the VM's host, not of the VM
        shown = {cell.link.check for cell in self.cells if cell.link.link not in hosts}
        return tuple(finding for finding in self.chain.findings if finding.check not in shown)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What the VM's manifest asks for; first what was found otherwise, then what nobody could read back."""
        return tuple(sorted(self.chain.settings, key=lambda each: (not each.differs, bool(each.found))))


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


def row_of(chain: Chain) -> Row:
    """One chain as it stands in a matrix."""
    label = sanitize(chain.subject, MAX_NAME) or "(no name)"
    sentence = chain.sentence.replace(chain.subject, label) if chain.subject else chain.sentence
    given = {link.link: link for link in chain.links}
    cells = tuple(_cell(given.get(link) or _missing(link), chain) for link in Link)
    outcome = outcome_of(chain.verdict)
    causes = () if outcome in WORKING else _causes(chain, outcome, cells)
    return Row(chain, label, quote(f"{chain.kind}/{label}", safe="/"), sanitize(sentence), outcome, cells, causes)


def _causes(chain: Chain, outcome: Outcome, cells: Sequence[Cell]) -> tuple[Cause, ...]:
    answers = {Question.RUNS_GUESTS: chain.runs_guests, Question.GUESTS_NEST: chain.guests_nest}
    asked = answers.pop(chain.question)
    broken = next((cell.link for cell in cells if cell.link.link == chain.broken), None)
    decided = _finding(chain, asked)
    remedies = (broken.remedies if broken else ()) or (decided.remedies if decided else ())
    first = Cause(chain.question, outcome, broken, broken.summary if broken else asked.reason, remedies)
    ((question, other),) = answers.items()
    # Of a VM only the one question is asked; what its guests could do follows from what broke above it.
    if chain.kind != "host" or outcome_of(other.verdict) is not Outcome.BROKEN or other.decided_by == asked.decided_by:
        return (first,)
    return first, _other(chain, question, other, cells)


def _other(chain: Chain, question: Question, answer: Answer, cells: Sequence[Cell]) -> Cause:
    finding = _finding(chain, answer)
    link = next((cell.link for cell in cells if cell.link.check and cell.link.check == answer.decided_by), None)
    remedies = finding.remedies if finding else link.remedies if link else ()
    return Cause(question, Outcome.BROKEN, link, answer.reason, remedies)


def _finding(chain: Chain, answer: Answer) -> Finding | None:
    return next((f for f in chain.findings if f.check == answer.decided_by), None)


def _missing(link: Link) -> ChainLink:
    return ChainLink(link, Status.UNKNOWN, "not looked at")


def _cell(link: ChainLink, chain: Chain) -> Cell:
    broken = link.link == chain.broken and outcome_of(chain.verdict) is Outcome.BROKEN  # else knowledge ends there
    return Cell(link, "broken" if broken else _word(link, chain.kind), broken)


def _word(link: ChainLink, kind: str) -> str:
    """Pass, warn, fail and unknown speak for themselves; a skip says why it does not apply."""
    if link.status is not Status.SKIP:
        return link.status.value
    if kind == "host" and link.link in VM_ONLY:
        return "VM only"
    why = re.split(r"[:;,(]", sanitize(link.summary))[0]
    return textwrap.shorten(why, 24, placeholder="…") or "does not apply"
