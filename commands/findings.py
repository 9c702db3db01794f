"""What `nestproof lint` found, and the forms that it is printed in.

Printed here and not in reports/, which must not know what manifests are made of; what every SARIF log, JUnit document
and JSON document of nestproof has in common comes from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

import msgspec

from provision.model import FieldAccount, Problem, Severity

if TYPE_CHECKING:
    from commands.fields import FieldTable
    from reports.matrix import Provenance

FORMS = {
    "text": "commands.findings:text",
    "json": "commands.findings_json:text",
    "junit": "commands.findings_junit:text",
    "sarif": "commands.findings_sarif:text",
}
"""Name -> `module:function`, a pure function from Findings and their Provenance to a text."""

STDIN = "<stdin>"
"""The file that an Origin names for standard input."""

P = TypeVar("P", Problem, FieldAccount)


class Findings(msgspec.Struct, frozen=True):
    """All that lint has to say."""

    files: tuple[str, ...]
    """All that was read or could not be, as Origins name them."""
    problems: tuple[Problem, ...]
    tables: tuple[FieldTable, ...] = ()
    """Of the providers that were asked about."""

    def count(self, severity: Severity) -> int:
        """Those that are not waived."""
        return sum(problem.severity is severity and not problem.waived for problem in self.problems)

    @property
    def waived(self) -> int:
        return sum(bool(problem.waived) for problem in self.problems)


def render(form: str, findings: Findings, provenance: Provenance) -> str:
    """The findings in a form of FORMS."""
    module, function = FORMS[form].split(":")
    return str(getattr(import_module(module), function)(findings, provenance))


def text(findings: Findings, _: Provenance | None = None) -> str:
    """A line for each problem, and a table for each provider; empty when there is nothing to say."""
    from commands.fields import table_text

    parts = [str(problem) for problem in findings.problems] + [table_text(table) for table in findings.tables]
    return "".join(f"{part}\n" for part in parts)


def numbered(found: Iterable[P], name: Callable[[P], str]) -> Iterator[tuple[P, str]]:
    """Each with a name of its own that does not change when lines move: the second that is called X is `X #2`."""
    seen = Counter[str]()
    for each in found:
        base = name(each)
        seen[base] += 1
        yield each, base if seen[base] == 1 else f"{base} #{seen[base]}"
