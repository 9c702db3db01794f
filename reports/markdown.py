"""Markdown for a ticket or a pull request: the verdict, one table, and what to do."""

import re
from collections.abc import Iterator

from hostcheck.model import Remedy
from reports.changes import headline, told, worth_saying
from reports.matrix import Matrix, Problem
from reports.pen import SYMBOLS
from reports.sanitize import sanitize


def matrix_markdown(matrix: Matrix) -> str:
    """The matrix as GitHub-flavoured Markdown; nothing that a machine said is taken for markup."""
    lines = [f"**{_inert(matrix.sentence)}**", "", *_changes(matrix)]
    if matrix.rows:
        lines += ["| subject | verdict | broken link | chain |", "|---|---|---|---|"]
    for row in matrix.rows:
        chain = "".join(SYMBOLS[cell.link.status] for cell in row.cells)
        broken = row.broken.link.link.label if row.broken else ""
        emulated = ", emulated CPU" if row.chain.emulated_cpu else ""
        lines.append(f"| {_inert(row.label)} | {row.chain.verdict}{emulated} | {broken} | {chain} |")
    paragraphs = ["\n".join(lines).rstrip("\n"), *(text for problem in matrix.problems for text in _problem(problem))]
    return "\n\n".join(paragraphs) + "\n"


def _changes(matrix: Matrix) -> Iterator[str]:
    if matrix.comparison is not None:
        yield from (f"{_inert(headline(matrix.comparison))}", "")
        changes = [f"- {_inert(told(difference))}" for difference in worth_saying(matrix.comparison)]
        yield from [*changes, ""] if changes else ()


def _problem(problem: Problem) -> Iterator[str]:
    """Its paragraphs."""
    title = f"{problem.link.label}: " if problem.link else ""
    yield f"### {title}{_inert(problem.cause)}"
    yield ", ".join(_inert(row.label) for row in problem.rows)
    if not problem.remedies:
        yield "No remedy is known for this."
    for number, remedy in enumerate(problem.remedies):
        yield from _remedy("Or instead" if number else "To mend it", remedy)


def _remedy(intent: str, remedy: Remedy) -> Iterator[str]:
    steps = ", these steps in order" if len(remedy.commands) > 1 else ""
    yield f"{intent} ({remedy.where}{steps}): {_inert(remedy.title)}"
    if remedy.commands:  # indented code needs no fence, so no text can end it
        lines = [line for command in remedy.commands for line in sanitize(command, newlines=True).split("\n")]
        yield "\n".join(f"    {line}" for line in lines)
    if remedy.then:
        yield f"Then: {_inert(remedy.then)}"


def _inert(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~!&@])", r"\\\1", sanitize(text))
