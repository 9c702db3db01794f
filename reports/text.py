"""The terminal's form: the answer first, then the broken link, its evidence, and the command that mends it.

Pure: colour, width and character set are the caller's to find out. Commands are never wrapped, so that they can be
copied.
"""

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hostcheck.model import Answer, Chain, Evidence, Finding, Remedy, Status
from reports.matrix import GROUPS, VM_ONLY, WORKING, Cell, Matrix, Outcome, Problem, Row, outcome_of, row_of
from reports.sanitize import sanitize

EMULATED = "The CPU is emulated in software: what ran really ran, but its speed says nothing about real hardware."
NOT_TRIED = "not yet run in a test that turned the verdict"
MAX_NAMED = 6
"""Subjects that are named under one problem; the others are counted."""
EVIDENCE_LINES = 6
"""Lines of one piece of evidence that are shown without `verbose`."""


class Ink(StrEnum):
    """SGR parameters; the eight colours that every terminal and every theme has."""

    GOOD = "32"
    WARN = "33"
    BAD = "31"
    UNKNOWN = "35"
    FAINT = "2"
    STRONG = "1"


STATUS_INK = {
    Status.PASS: Ink.GOOD,
    Status.WARN: Ink.WARN,
    Status.FAIL: Ink.BAD,
    Status.SKIP: Ink.FAINT,
    Status.UNKNOWN: Ink.UNKNOWN,
}
SYMBOLS = {Status.PASS: "✔", Status.WARN: "!", Status.FAIL: "✖", Status.SKIP: "–", Status.UNKNOWN: "?"}
ASCII_SYMBOLS = {Status.PASS: "+", Status.WARN: "!", Status.FAIL: "x", Status.SKIP: "-", Status.UNKNOWN: "?"}
OUTCOME_STATUS = {
    Outcome.WORKS: Status.PASS,
    Outcome.DEGRADED: Status.WARN,
    Outcome.BROKEN: Status.FAIL,
    Outcome.UNKNOWN: Status.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class _Pen:
    """How to write on this terminal."""

    color: bool
    width: int
    ascii: bool

    def ink(self, text: str, *inks: Ink) -> str:
        return f"\x1b[{';'.join(inks)}m{text}\x1b[0m" if self.color and text else text

    def plain(self, status: Status) -> str:
        return (ASCII_SYMBOLS if self.ascii else SYMBOLS)[status]

    def symbol(self, status: Status) -> str:
        return self.ink(self.plain(status), STATUS_INK[status])

    def outcome(self, outcome: Outcome) -> str:
        return self.symbol(OUTCOME_STATUS[outcome])

    def wrap(self, text: str, indent: int, first: str | None = None) -> list[str]:
        """Prose in lines of the terminal's width; words that are longer (paths, hashes) stay whole."""
        room = max(self.width - indent, 20)
        lines = textwrap.wrap(sanitize(text), room, break_long_words=False, break_on_hyphens=False) or [""]
        return [(first if first is not None and not n else " " * indent) + line for n, line in enumerate(lines)]

    def headline(self, sentence: str, outcome: Outcome) -> list[str]:
        first, *others = self.wrap(sentence, 2)
        lines = [f"{self.outcome(outcome)} {self.ink(first.strip(), Ink.STRONG)}"]
        return lines + [f"  {self.ink(other.strip(), Ink.STRONG)}" for other in others]

    def page(self, lines: Sequence[str]) -> str:
        text = "\n".join(line.rstrip() for line in lines) + "\n"
        if not self.ascii:
            return text
        return text.replace("…", "...").replace("—", "-").encode("ascii", "replace").decode("ascii")


def check_text(
    chain: Chain, *, color: bool = False, verbose: bool = False, width: int = 80, ascii: bool = False
) -> str:
    """What an expert reads in five seconds about one machine; `verbose` adds every link and every other finding."""
    pen = _Pen(color, width, ascii)
    row = row_of(chain)
    lines = [*pen.headline(row.sentence, row.outcome), ""]
    lines += _answer(pen, "runs guests", chain.runs_guests)
    same = chain.guests_nest == chain.runs_guests and outcome_of(chain.guests_nest.verdict) not in WORKING
    lines += _answer(pen, "guests nest", chain.guests_nest, "for the same reason" if same else "")
    if chain.emulated_cpu:
        lines += ["", *pen.wrap(EMULATED, 2)]
    lines += ["", *_links(pen, row, verbose)]
    lines += _cause(pen, row, verbose)
    if verbose:
        lines += _others(pen, row)
    return pen.page(lines)


def matrix_text(matrix: Matrix, *, color: bool = False, width: int = 80, ascii: bool = False) -> str:
    """One line for each subject, then every problem once with its remedy."""
    pen = _Pen(color, width, ascii)
    lines = pen.headline(matrix.sentence, matrix.outcome)
    counts = "; ".join(f"{count.outcome}: {count.who}" for count in matrix.counts)
    lines += [pen.ink(f"  {counts}", Ink.FAINT), ""] if matrix.rows else []
    names = [_name(row) for row in matrix.rows]
    room = min(max(map(_columns, names), default=0), 40)
    for row, name in zip(matrix.rows, names, strict=True):
        broken = next((cell.link.link.label for cell in row.cells if cell.broken), "")
        groups = " ".join("".join(pen.symbol(cell.link.status) for cell in cells) for cells in _grouped(row))
        verdict = f"{row.chain.verdict.replace('_', ' ')}{f', at: {broken}' if broken else ''}"
        lines.append(f"{pen.outcome(row.outcome)} {_pad(name, room)}  {groups}  {verdict}")
    if matrix.rows:
        lines += ["", *pen.wrap(_legend(), 2)]
    if matrix.emulated:
        lines += ["", *pen.wrap(f"{_named(matrix.emulated)}: {EMULATED}", 2)]
    for problem in matrix.problems:
        lines += ["", *_problem(pen, problem)]
    return pen.page(lines)


def _answer(pen: _Pen, question: str, answer: Answer, instead: str = "") -> list[str]:
    status = OUTCOME_STATUS[outcome_of(answer.verdict)]
    verdict = answer.verdict.replace("_", " ")
    head = f"  {question}  {pen.symbol(status)} {pen.ink(f'{verdict:<16}', Ink.STRONG)}  "
    return pen.wrap(instead or answer.reason, 35, head)


def _links(pen: _Pen, row: Row, verbose: bool) -> Iterator[str]:
    for title, cells in _asked(row):
        if verbose:
            for cell in cells:
                head = f"  {pen.symbol(cell.link.status)} {pen.ink(f'{cell.link.link.label:<18}', Ink.STRONG)}  "
                yield from pen.wrap(cell.link.summary, 24, head)
                yield from _evidence(pen, cell.link.evidence, 24, verbose)
        elif all(cell.link.status is Status.SKIP for cell in cells):
            yield from pen.wrap(f"{pen.plain(Status.SKIP)} {cells[0].link.summary}", 15, f"  {title:<11}  ")
        else:
            yield from _in_a_row(pen, title, cells)


def _asked(row: Row) -> Iterator[tuple[str, Sequence[Cell]]]:
    """The links by level; a host has one level and none of the links of a VM."""
    if row.chain.kind == "host":
        yield GROUPS[0].title, [cell for cell in row.cells if cell.link.link not in VM_ONLY]
    else:
        yield from zip((group.title for group in GROUPS), _grouped(row), strict=True)


def _in_a_row(pen: _Pen, title: str, cells: Sequence[Cell]) -> Iterator[str]:
    line, room = f"  {title:<11}", pen.width - 13
    for cell in cells:
        needs = len(cell.link.link.label) + 4
        if needs > room:
            yield line
            line, room = " " * 13, pen.width - 13
        line += f"  {pen.symbol(cell.link.status)} {cell.link.link.label}"
        room -= needs
    yield line


def _cause(pen: _Pen, row: Row, verbose: bool) -> Iterator[str]:
    if row.broken is not None:
        link = row.broken.link
        yield from ("", f"{pen.symbol(Status.FAIL)} {pen.ink(f'Broken: {link.link.label}', Ink.STRONG)}")
        if link.summary not in row.sentence:
            yield from pen.wrap(link.summary, 2)
        if not verbose:
            yield from _evidence(pen, link.evidence, 4, verbose)
    shown = row.remedies if verbose else row.remedies[:1]
    for remedy in shown:
        yield ""
        yield from _remedy(pen, remedy)
    if row.outcome is Outcome.BROKEN and not row.remedies:
        yield from ("", "  No remedy is known for this.")
    elif len(row.remedies) > len(shown):
        yield from ("", f"  {len(row.remedies) - 1} more with --verbose")


def _evidence(pen: _Pen, evidence: Sequence[Evidence], indent: int, verbose: bool) -> Iterator[str]:
    space = " " * indent
    for item in evidence:
        text = sanitize(item.text, newlines=True).split("\n")
        shown = text if verbose else text[:EVIDENCE_LINES]
        source = sanitize(item.source)
        if len(text) == 1:
            yield f"{space}{pen.ink(source + ':', Ink.FAINT)} {text[0]}"
            continue
        yield f"{space}{pen.ink(source + ':', Ink.FAINT)}"
        yield from (f"{space}  {line}" for line in shown)
        if len(text) > len(shown):
            yield f"{space}  {pen.ink(f'… {len(text) - len(shown)} more lines', Ink.FAINT)}"


def _remedy(pen: _Pen, remedy: Remedy) -> Iterator[str]:
    yield from pen.wrap(f"To mend it ({remedy.where}): {remedy.title}", 2)
    for command in remedy.commands:
        for line in sanitize(command, newlines=True).split("\n"):
            yield "    " + pen.ink(line, Ink.STRONG)
    if remedy.then:
        yield from pen.wrap(f"Then: {remedy.then}", 2)
    if remedy.commands:
        proven = f"Proven: run in {sanitize(remedy.proved_in)}" if remedy.proved_in else f"Not proven: {NOT_TRIED}"
        yield pen.ink(f"  {proven}", Ink.FAINT)


def _others(pen: _Pen, row: Row) -> Iterator[str]:
    if row.others:
        yield ""
        yield pen.ink("Also looked at", Ink.STRONG)
    for finding in row.others:
        yield from _finding(pen, finding)


def _finding(pen: _Pen, finding: Finding) -> Iterator[str]:
    follows = f" (follows from {finding.follows})" if finding.follows else ""
    yield from pen.wrap(f"{finding.check}: {finding.summary}{follows}", 4, f"  {pen.symbol(finding.status)} ")
    yield from _evidence(pen, finding.evidence, 6, True)


def _problem(pen: _Pen, problem: Problem) -> Iterator[str]:
    title = f"{problem.link.label}: " if problem.link else ""
    status = OUTCOME_STATUS[problem.rows[0].outcome]
    yield from pen.wrap(f"{title}{problem.cause}", 2, f"{pen.symbol(status)} ")
    yield from pen.wrap(_named(problem.rows), 2)
    if problem.remedy is None:
        yield "  No remedy is known for this."
    else:
        yield from _remedy(pen, problem.remedy)


def _named(rows: Sequence[Row]) -> str:
    names = ", ".join(row.label for row in rows[:MAX_NAMED])
    return f"{names} and {len(rows) - MAX_NAMED} more" if len(rows) > MAX_NAMED else names


def _legend() -> str:
    columns = "; ".join(f"{group.title}: {', '.join(link.label for link in group.links)}" for group in GROUPS)
    return f"Links from left to right. {columns}"


def _grouped(row: Row) -> Iterator[Sequence[Cell]]:
    start = 0
    for group in GROUPS:
        yield row.cells[start : start + len(group.links)]
        start += len(group.links)


def _name(row: Row) -> str:
    return f"  {row.label}" if row.chain.host else row.label


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * max(width - _columns(text), 0)
