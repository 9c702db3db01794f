"""The terminal's form: the answer first, then the broken link, its evidence, and the command that mends it.

Pure: colour, width and character set are the caller's to find out. Commands are never wrapped, so that they can be
copied.
"""

import unicodedata
from collections.abc import Iterator, Sequence

from hostcheck.model import Answer, Chain, Evidence, Finding, Question, Remedy, Status
from reports.changes import SIGN, headline, told, worth_saying
from reports.matrix import Matrix, Problem
from reports.pen import OUTCOME_STATUS, Ink, Pen
from reports.rows import GROUPS, VM_ONLY, WORKING, Cause, Cell, Outcome, Row, outcome_of, row_of
from reports.sanitize import sanitize

EMULATED = "The CPU is emulated in software: what ran really ran, but its speed says nothing about real hardware."
NOT_TRIED = "not yet run in a test that turned the verdict"
SO = {Question.RUNS_GUESTS: "so it runs no guests", Question.GUESTS_NEST: "so its guests do not nest"}
"""What follows from a cause, said where two questions have different ones."""
MAX_NAMED = 6
"""Subjects that are named under one problem; the others are counted."""
EVIDENCE_LINES = 6
"""Lines of one piece of evidence that are shown without `verbose`."""


def check_text(
    chain: Chain, *, color: bool = False, verbose: bool = False, width: int = 80, ascii: bool = False
) -> str:
    """What an expert reads in five seconds about one machine; `verbose` adds every link and every other finding."""
    pen = Pen(color, width, ascii)
    row = row_of(chain)
    lines = [*pen.headline(row.sentence, row.outcome), ""]
    lines += _answer(pen, "runs guests", chain.runs_guests)
    same = chain.guests_nest == chain.runs_guests and outcome_of(chain.guests_nest.verdict) not in WORKING
    lines += _answer(pen, "guests nest", chain.guests_nest, "for the same reason" if same else "")
    if chain.emulated_cpu:
        lines += ["", *pen.wrap(EMULATED, 2)]
    lines += ["", *_links(pen, row, verbose)]
    for cause in row.causes:
        lines += _cause(pen, row, cause, verbose)
    if verbose:
        lines += _others(pen, row)
    return pen.page(lines)


def matrix_text(matrix: Matrix, *, color: bool = False, width: int = 80, ascii: bool = False) -> str:
    """One line for each subject, then every problem once with its remedy."""
    pen = Pen(color, width, ascii)
    lines = pen.headline(matrix.sentence, matrix.outcome)
    lines += _changes(pen, matrix)
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


def _changes(pen: Pen, matrix: Matrix) -> Iterator[str]:
    """What changed since another run, before all that is."""
    if matrix.comparison is not None:
        yield from ("", *pen.wrap(headline(matrix.comparison), 2))
        for difference in worth_saying(matrix.comparison):
            yield from pen.wrap(told(difference), 6, f"  {pen.symbol(SIGN[difference.change])} ")
        yield ""


def _answer(pen: Pen, question: str, answer: Answer, instead: str = "") -> list[str]:
    status = OUTCOME_STATUS[outcome_of(answer.verdict)]
    verdict = answer.verdict.replace("_", " ")
    head = f"  {question}  {pen.symbol(status)} {pen.ink(f'{verdict:<16}', Ink.STRONG)}  "
    return pen.wrap(instead or answer.reason, 35, head)


def _links(pen: Pen, row: Row, verbose: bool) -> Iterator[str]:
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


def _in_a_row(pen: Pen, title: str, cells: Sequence[Cell]) -> Iterator[str]:
    line, room = f"  {title:<11}", pen.width - 13
    for cell in cells:
        needs = len(cell.link.link.label) + 4
        if needs > room:
            yield line
            line, room = " " * 13, pen.width - 13
        line += f"  {pen.symbol(cell.link.status)} {cell.link.link.label}"
        room -= needs
    yield line


def _cause(pen: Pen, row: Row, cause: Cause, verbose: bool) -> Iterator[str]:
    so = f", {SO[cause.question]}" if len(row.causes) > 1 else ""
    if cause.link is not None:
        state = "Broken" if cause.outcome is Outcome.BROKEN else "Not known"
        yield from ("", f"{pen.outcome(cause.outcome)} {pen.ink(f'{state}: {cause.link.link.label}{so}', Ink.STRONG)}")
        if cause.summary not in row.sentence:
            yield from pen.wrap(cause.summary, 2)
        if not verbose:
            yield from _evidence(pen, cause.link.evidence, 4, verbose)
    elif so:
        yield from ("", *pen.wrap(f"{cause.summary}{so}", 2, f"{pen.outcome(cause.outcome)} "))
    if cause.remedies:
        yield ""
        yield from _remedies(pen, cause.remedies, verbose)
    elif cause.outcome is Outcome.BROKEN:
        yield from ("", "  No remedy is known for this.")


def _evidence(pen: Pen, evidence: Sequence[Evidence], indent: int, verbose: bool) -> Iterator[str]:
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


def _remedies(pen: Pen, remedies: Sequence[Remedy], verbose: bool) -> Iterator[str]:
    """The likeliest in full; the alternatives in full too with `verbose`, else without what follows."""
    for number, remedy in enumerate(remedies):
        if number:
            yield ""
        yield from _commands(pen, "Or instead" if number else "To mend it", remedy)
        if verbose or not number:
            yield from _follows(pen, remedy)


def _commands(pen: Pen, intent: str, remedy: Remedy) -> Iterator[str]:
    steps = ", these steps in order" if len(remedy.commands) > 1 else ""
    yield from pen.wrap(f"{intent} ({remedy.where}{steps}): {remedy.title}", 2)
    for command in remedy.commands:
        for line in sanitize(command, newlines=True).split("\n"):
            yield "    " + pen.ink(line, Ink.STRONG)


def _follows(pen: Pen, remedy: Remedy) -> Iterator[str]:
    if remedy.then:
        yield from pen.wrap(f"Then: {remedy.then}", 2)
    if remedy.commands:
        proven = f"Proven: run in {sanitize(remedy.proved_in)}" if remedy.proved_in else f"Not proven: {NOT_TRIED}"
        yield pen.ink(f"  {proven}", Ink.FAINT)


def _others(pen: Pen, row: Row) -> Iterator[str]:
    if row.others:
        yield ""
        yield pen.ink("Also looked at", Ink.STRONG)
    for finding in row.others:
        yield from _finding(pen, finding)


def _finding(pen: Pen, finding: Finding) -> Iterator[str]:
    follows = f" (follows from {finding.follows})" if finding.follows else ""
    yield from pen.wrap(f"{finding.check}: {finding.headline}{follows}", 4, f"  {pen.symbol(finding.status)} ")
    yield from _evidence(pen, finding.evidence, 6, True)


def _problem(pen: Pen, problem: Problem) -> Iterator[str]:
    title = f"{problem.link.label}: " if problem.link else ""
    yield from pen.wrap(f"{title}{problem.cause}", 2, f"{pen.outcome(problem.outcome)} ")
    yield from pen.wrap(_named(problem.rows), 2)
    if problem.remedies:
        yield from _remedies(pen, problem.remedies, False)
    else:
        yield "  No remedy is known for this."


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
