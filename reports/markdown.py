"""Markdown for a ticket or a pull request: the verdict, one table, and what to do."""

import re

from reports.matrix import Matrix, Problem
from reports.sanitize import sanitize
from reports.text import SYMBOLS


def matrix_markdown(matrix: Matrix) -> str:
    """The matrix as GitHub-flavoured Markdown; nothing that a machine said is taken for markup."""
    lines = [f"**{_inert(matrix.sentence)}**", ""]
    if matrix.rows:
        lines += ["| subject | verdict | broken link | chain |", "|---|---|---|---|"]
    for row in matrix.rows:
        chain = "".join(SYMBOLS[cell.link.status] for cell in row.cells)
        broken = row.broken.link.link.label if row.broken else ""
        emulated = ", emulated CPU" if row.chain.emulated_cpu else ""
        lines.append(f"| {_inert(row.label)} | {row.chain.verdict}{emulated} | {broken} | {chain} |")
    for problem in matrix.problems:
        lines += ["", *_problem(problem)]
    return "\n".join([*lines, ""])


def _problem(problem: Problem) -> list[str]:
    title = f"{problem.link.label}: " if problem.link else ""
    lines = [f"### {title}{_inert(problem.cause)}", "", ", ".join(_inert(row.label) for row in problem.rows)]
    if problem.remedy is None:
        return [*lines, "", "No remedy is known for this."]
    lines += ["", f"{_inert(problem.remedy.title)} ({problem.remedy.where}):"]
    # Indented code needs no fence, so no text can end it.
    lines += ["", *(f"    {line}" for c in problem.remedy.commands for line in sanitize(c, newlines=True).split("\n"))]
    return [*lines, "", f"Then: {_inert(problem.remedy.then)}"] if problem.remedy.then else lines


def _inert(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~!&@])", r"\\\1", sanitize(text))
