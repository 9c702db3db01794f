"""The findings of lint as JSON; the schema, docs/lint.schema.json, is made from the types below."""

from typing import Literal

import msgspec

from commands.fields import FieldTable
from commands.findings import Findings
from provision.model import FieldAccount, Handling, Problem, Severity
from reports.jsonout import dump, schema_of
from reports.matrix import Provenance

SCHEMA: Literal["nestproof.lint/1"] = "nestproof.lint/1"


class Counts(msgspec.Struct, frozen=True):
    """How many problems there are of each severity; those that are waived count apart."""

    error: int
    warning: int
    note: int
    waived: int


class FoundProblem(msgspec.Struct, frozen=True):
    """One line of lint."""

    file: str
    """As it was named on the command line, or found in a directory; `<stdin>` for standard input."""
    line: int
    """From 1."""
    column: int
    """In characters, from 1."""
    severity: Severity
    rule: str
    """`nestproof explain RULE` says more."""
    path: str
    """Kind and dotted path of the field; empty where the problem is none of a field."""
    message: str
    waived: str
    """Why it is put up with, by whom and until when; empty: it is not."""


class FoundField(msgspec.Struct, frozen=True):
    """One field that is set, and what the provider makes of it."""

    file: str
    line: int
    column: int
    path: str
    value: str
    """For people: shortened, and hidden where it may be a secret."""
    handling: Handling
    how: str


class OnProvider(msgspec.Struct, frozen=True):
    """The fields as one type of provider takes them."""

    provider: str
    version: str
    """Empty: the newest that nestproof knows."""
    counts: dict[Handling, int]
    """A handling that is not here has no field."""
    fields: tuple[FoundField, ...]
    left_out: int
    """Documents that violate their schema: nothing can be said of their fields."""


class Document(msgspec.Struct, frozen=True):
    """What nestproof lint prints as JSON. Additive within one `schema`: readers ignore keys that they do not know."""

    schema: Literal["nestproof.lint/1"]
    provenance: Provenance
    files: tuple[str, ...]
    counts: Counts
    problems: tuple[FoundProblem, ...]
    providers: tuple[OnProvider, ...]
    """Of each --provider."""


def text(findings: Findings, provenance: Provenance) -> str:
    """All findings as a Document."""
    error, warning, note = (findings.count(severity) for severity in Severity)
    counts = Counts(error, warning, note, findings.waived)
    problems, tables = tuple(map(_problem, findings.problems)), tuple(map(_table, findings.tables))
    return dump(Document(SCHEMA, provenance, findings.files, counts, problems, tables))


def schema() -> str:
    """The JSON Schema (2020-12) of a Document."""
    return schema_of(Document, "urn:nestproof:lint:1")


def _problem(problem: Problem) -> FoundProblem:
    at = problem.origin
    return FoundProblem(
        at.file, at.line, at.column, problem.severity, problem.rule, problem.path, problem.message, problem.waived
    )


def _table(table: FieldTable) -> OnProvider:
    fields = tuple(map(_field, table.accounts))
    return OnProvider(table.provider, table.version, table.counts(), fields, table.left_out)


def _field(account: FieldAccount) -> FoundField:
    at = account.origin
    return FoundField(at.file, at.line, at.column, account.path, account.value, account.handling, account.how)
