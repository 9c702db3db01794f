"""CSV for spreadsheets: a line for each subject, RFC 4180, the same bytes for the same input.

A cell that a spreadsheet would take for a formula begins with an apostrophe: names come from machines that may lie.
"""

import csv
import io
from collections.abc import Iterator

from hostcheck.model import Link, Verdict
from reports.changes import by_anchor
from reports.comparison import Difference
from reports.matrix import Matrix
from reports.rows import Row
from reports.sanitize import MAX_NAME, sanitize

COLUMNS = (
    "subject", "kind", "host", "provider", "product", "outcome", "verdict", "runs guests", "guests nest", "feature",
    "emulated cpu", "broken link", "cause", "remedy", *(link.label for link in Link),
)  # fmt: skip
COMPARED = ("change", "verdict before", "new problems", "fixed")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def matrix_csv(matrix: Matrix) -> str:
    """The matrix as CSV; with a comparison also what changed, and the subjects that are gone."""
    out = io.StringIO()
    writer = csv.writer(out)
    compared = matrix.comparison
    writer.writerow([*COLUMNS, *(COMPARED if compared else ())])
    changes = by_anchor(compared)
    for row in matrix.rows:
        writer.writerow(map(_cell, [*_row(row), *_changed(changes.get(row.anchor))]))
    for gone in (d for d in (compared.differences if compared else ()) if not d.anchor):
        empty = [""] * (len(COLUMNS) - 2)
        writer.writerow(map(_cell, [gone.label, gone.kind, *empty, *_changed(gone)]))
    return out.getvalue()


def _row(row: Row) -> Iterator[str]:
    chain = row.chain
    yield from (row.label, chain.kind, sanitize(chain.host, MAX_NAME), chain.provider, chain.product)
    yield from (row.outcome, chain.verdict, chain.runs_guests.verdict, chain.guests_nest.verdict, chain.feature)
    yield "yes" if chain.emulated_cpu else "no"
    cause = row.causes[0] if row.causes else None
    yield row.broken.link.link.label if row.broken else ""
    yield cause.summary if cause else ""
    yield cause.remedies[0].title if cause and cause.remedies else ""
    yield from (cell.word for cell in row.cells)


def _changed(difference: Difference | None) -> Iterator[str]:
    if difference is not None:
        yield difference.change
        yield _verdict(difference.before)
        yield " ".join(difference.new)
        yield " ".join(difference.fixed)


def _verdict(verdict: Verdict | None) -> str:
    return verdict or ""


def _cell(text: str) -> str:
    safe = sanitize(text)
    return f"'{safe}" if safe.startswith(FORMULA) else safe
