"""What the page's script reads: the matrix as two blocks of JSON, compressed where they are large.

The first has what the table shows and is read when the page is opened. The second has what is behind it (findings,
evidence, remedies), is several times as large, and is read when somebody first asks for it.

Machines of a fleet say the same things, so everything that is said is kept once and named by its number. All text is
sanitised here; the script puts it into the page as text alone.
"""

import base64
import gzip
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from markupsafe import Markup

from hostcheck.checks import catalogue
from hostcheck.model import (
    ChainLink,
    Evidence,
    Finding,
    Link,
    Machine,
    Remedy,
    Setting,
    Status,
    Timing,
    Verdict,
)
from reports.comparison import Change, Comparison
from reports.html.words import EXPECTED
from reports.levels import Level, way_of
from reports.matrix import Matrix
from reports.observations import CHECKS
from reports.pen import SYMBOLS
from reports.performance import FEW, Peers, credible
from reports.rows import GROUPS, Outcome, Row, outcome_of
from reports.sanitize import MAX_NAME, sanitize

T = TypeVar("T", bound=Hashable)
PLAIN_BYTES = 256 * 1024
"""A block up to this size stays readable JSON."""
NAME = "\x01"
"""Stands for the subject's own name in its sentence; no sanitised text has it."""
STATUSES, OUTCOMES, CHANGES, LINKS = list(Status), list(Outcome), list(Change), list(Link)
LEVELS = list(Level)


@dataclass(slots=True)
class Pool:
    """Things that are said more than once, each kept once."""

    write: Callable[[Any], Any]
    items: list[Any] = field(default_factory=list)
    numbers: dict[Any, int] = field(default_factory=dict)

    def number(self, thing: Hashable) -> int:
        found = self.numbers.get(thing)
        if found is None:
            found = self.numbers[thing] = len(self.items)
            self.items.append(self.write(thing))
        return found


class Block:
    """Collects the rows of one page."""

    def __init__(self) -> None:
        self.strings = Pool(sanitize)
        self.texts: Pool = Pool(sanitize)
        self.evidence: Pool = Pool(self._evidence)
        self.remedies: Pool = Pool(_remedy)
        self.links: Pool = Pool(self._link)
        self.findings: Pool = Pool(self._finding)
        self.answers: Pool = Pool(lambda a: [a[0].value, OUTCOMES.index(outcome_of(a[0])), sanitize(a[1])])
        self.profiles: Pool = Pool(lambda profile: profile)
        self.bases: Pool = Pool(lambda base: base)
        self.settings: Pool = Pool(self._setting)
        self.asked: Pool = Pool(lambda numbers: numbers)
        self.base_of: dict[tuple[str, ...], tuple[int, ...]] = {}
        self.checks: set[str] = set()

    def row(self, row: Row, change: int, peers: int) -> list[Any]:
        chain, lost = row.chain, way_of(row).lost
        plain = f"{chain.kind}/{row.label}"
        broken = next((number for number, cell in enumerate(row.cells) if cell.broken), -1)
        profile = (
            tuple(self.links.number(cell.link) for cell in row.cells),
            tuple(self.strings.number(cell.word) for cell in row.cells),
            broken,
        )
        return [
            row.label,
            0 if row.anchor == plain else row.anchor,
            int(chain.kind != "host"),
            self.strings.number(sanitize(chain.host, MAX_NAME)),
            self.strings.number(chain.provider),
            self.strings.number(chain.product),
            OUTCOMES.index(row.outcome),
            self.strings.number(chain.verdict.value),
            self._sentence(row),
            self.answers.number((chain.runs_guests.verdict, chain.runs_guests.reason)),
            self.answers.number((chain.guests_nest.verdict, chain.guests_nest.reason)),
            self.profiles.number(profile),
            self._machine(chain.machine),
            int(chain.emulated_cpu),
            change,
            LEVELS.index(lost) if lost else len(LEVELS),
            peers,
        ]

    def others(self, row: Row) -> list[int]:
        """The number of a list of findings that was met before, then where this row's differ: position, finding."""
        found = row.others
        numbers = tuple(self.findings.number(finding) for finding in found)
        base = self.base_of.setdefault(tuple(finding.check for finding in found), numbers)
        differing = (
            n for at, (one, two) in enumerate(zip(numbers, base, strict=True)) if one != two for n in (at, one)
        )
        return [self.bases.number(base), *differing]

    def asks(self, row: Row) -> int:
        """The number of a list of settings; the VMs of one manifest have the same."""
        return self.asked.number(tuple(self.settings.number(setting) for setting in row.settings))

    def _sentence(self, row: Row) -> int:
        said = row.sentence.replace(row.label, NAME)
        found = self.strings.numbers.get(said)
        if found is None:
            found = self.strings.numbers[said] = len(self.strings.items)
            self.strings.items.append(NAME.join(sanitize(part) for part in said.split(NAME)))
        return found

    def _link(self, link: ChainLink) -> list[Any]:
        check = link.check or CHECKS[link.link]
        self.checks.add(check)
        return [STATUSES.index(link.status), sanitize(link.summary), sanitize(check), *self._behind(link)]

    def _finding(self, finding: Finding) -> list[Any]:
        self.checks.add(finding.check)
        text = [self.texts.number(t) for t in (finding.headline, finding.check, finding.follows)]
        return [STATUSES.index(finding.status), *text, *self._behind(finding)]

    def _behind(self, said: ChainLink | Finding) -> tuple[list[int], list[int]]:
        return (
            [self.evidence.number(item) for item in said.evidence],
            [self.remedies.number(remedy) for remedy in said.remedies],
        )

    def _evidence(self, item: Evidence) -> list[Any]:
        return [self.texts.number(item.source), sanitize(item.text, newlines=True)]

    def _setting(self, setting: Setting) -> list[Any]:
        text = [self.texts.number(each) for each in (setting.path, setting.asked, setting.found, setting.source)]
        return [*text, int(setting.differs)]

    def _machine(self, machine: Machine | None) -> list[Any] | int:
        if machine is None:
            return 0
        text = [self.strings.number(t) for t in (machine.cpu, machine.kernel, machine.system, machine.under)]
        flags = (machine.virtual, machine.uefi, machine.secure_boot, machine.tpm, machine.iommu, machine.nested_paging)
        figures = [machine.cpus, machine.memory, round(machine.looked)]
        return [*text, *figures, [_flag(flag) for flag in flags], _timing(machine.exit), _timing(machine.inner_exit)]


def page_data(matrix: Matrix, peers: Sequence[Peers]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everything that the script shows, as plain JSON values: what the table shows, and what is behind it."""
    block = Block()
    changes = _changes(matrix.comparison)
    measured = {point.row.anchor: number for number, each in enumerate(peers) for point in each.points}
    rows = [block.row(row, changes.get(row.anchor, -1), measured.get(row.anchor, -1)) for row in matrix.rows]
    others = [block.others(row) for row in matrix.rows]
    asks = [block.asks(row) for row in matrix.rows]
    places = {row.anchor: number for number, row in enumerate(matrix.rows)}
    problems = [
        [LINKS.index(p.link) if p.link else -1, sanitize(p.cause), [places[row.anchor] for row in p.rows]]
        for p in matrix.problems
    ]
    known = {check.id: [check.question, check.why, check.judged] for check in catalogue() if check.id in block.checks}
    behind = {
        "expected": [EXPECTED[link] for link in LINKS],
        "checks": known,
        "texts": block.texts.items,
        "evidence": block.evidence.items,
        "remedies": block.remedies.items,
        "findings": block.findings.items,
        "bases": block.bases.items,
        "others": others,
        "settings": block.settings.items,
        "asked": block.asked.items,
        "asks": asks,
    }
    shown = {
        "sentence": sanitize(matrix.sentence),
        "version": sanitize(matrix.provenance.version),
        "made": round(matrix.provenance.time),
        "statuses": STATUSES,
        "symbols": [SYMBOLS[status] for status in STATUSES],
        "outcomes": OUTCOMES,
        "changes": CHANGES,
        "verdicts": list(Verdict),
        "links": LINKS,
        "labels": [link.label for link in LINKS],
        "groups": [[group.title, len(group.links)] for group in GROUPS],
        "strings": block.strings.items,
        "said": block.links.items,
        "answers": block.answers.items,
        "profiles": block.profiles.items,
        "problems": problems,
        "levels": [[level, level.words] for level in LEVELS],
        "peers": [[each.exit or 0, each.inner or 0, int(len(each.points) >= FEW)] for each in peers],
        "rows": rows,
    }
    return shown, behind


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A script element that is data: its type and its content."""

    type: str
    content: Markup


def data_blocks(matrix: Matrix, peers: Sequence[Peers]) -> tuple[DataBlock, DataBlock]:
    """What the table shows, and what is behind it; the same matrix gives the same bytes."""
    shown, behind = page_data(matrix, peers)
    return _block(shown), _block(behind)


def _block(value: dict[str, Any]) -> DataBlock:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if len(text) <= PLAIN_BYTES:
        for char in "<>&\u2028\u2029":  # nothing in it can end the element, whatever a machine said
            text = text.replace(char, f"\\u{ord(char):04x}")
        return DataBlock("application/json", Markup(text))  # noqa: S704 - no markup is left in it
    packed = gzip.compress(text.encode(), compresslevel=6, mtime=0)
    return DataBlock("application/octet-stream", Markup(base64.b64encode(packed).decode()))  # noqa: S704 - base64


def _changes(comparison: Comparison | None) -> dict[str, int]:
    found = comparison.differences if comparison else ()
    return {difference.anchor: CHANGES.index(difference.change) for difference in found if difference.anchor}


def _remedy(remedy: Remedy) -> list[Any]:
    return [
        sanitize(remedy.title),
        remedy.where,
        [sanitize(command, newlines=True) for command in remedy.commands],
        sanitize(remedy.then),
        sanitize(remedy.proved_in),
        remedy.needs,
        sanitize(remedy.risk),
        sanitize(remedy.applies),
    ]


def _flag(flag: bool | None) -> int:
    return -1 if flag is None else int(flag)


def _timing(timing: Timing | None) -> list[int] | int:
    timing = credible(timing)
    return [round(timing.median), round(timing.least), round(timing.most)] if timing else 0
