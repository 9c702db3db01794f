"""The findings of lint as JUnit XML: a suite for each file, and one for each provider that was asked about.

An error is a failure. A warning or a note passes and says itself in the case's output, one that is waived is skipped
with the reason; so a CI system counts what makes lint fail. Of a provider every field is a case that passes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from commands.fields import FieldTable
from commands.findings import Findings, numbered
from provision.model import Handling, Problem, Severity
from reports.junit import document, timestamp
from reports.matrix import Provenance
from reports.sanitize import sanitize

NOTHING = "nothing to say"
"""The case of a file without findings: readers take a suite without cases for one that did not run."""


def text(findings: Findings, provenance: Provenance) -> str:
    """One JUnit document."""
    made = timestamp(provenance)
    files = {file: [problem for problem in findings.problems if problem.origin.file == file] for file in findings.files}
    suites = [_of_file(file, problems, made) for file, problems in files.items()]
    return document(suites + [_of_provider(table, made) for table in findings.tables])


def _of_file(file: str, problems: Sequence[Problem], made: str) -> ET.Element:
    cases = [
        _problem(file, problem, name) for problem, name in numbered(problems, lambda p: f"{p.rule} {p.path}".strip())
    ]
    counts = Counter("waived" if problem.waived else problem.severity.value for problem in problems)
    return _suite(file, cases or [_case(file, NOTHING)], counts, made)


def _of_provider(table: FieldTable, made: str) -> ET.Element:
    name = f"on {table.name}"
    cases = []
    for account, called in numbered(table.accounts, lambda a: a.path):
        case = _case(name, called)
        if account.handling not in (Handling.HONOURED, Handling.INFORMATIVE):
            ET.SubElement(case, "system-out").text = sanitize(
                f"{account.origin}: {account.handling.value}: {account.how}"
            )
        cases.append(case)
    return _suite(name, cases, {handling.value: number for handling, number in table.counts().items()}, made)


def _suite(name: str, cases: Sequence[ET.Element], counts: Mapping[str, int], made: str) -> ET.Element:
    number = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": 0,
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    attributes = {key: str(value) for key, value in number.items()}
    suite = ET.Element("testsuite", {"name": sanitize(name), **attributes, "time": "0", "timestamp": made})
    properties = ET.SubElement(suite, "properties")
    for what in counts or {Severity.ERROR.value: 0}:
        ET.SubElement(properties, "property", {"name": what, "value": str(counts.get(what, 0))})
    suite.extend(cases)
    return suite


def _case(of: str, name: str) -> ET.Element:
    return ET.Element("testcase", {"name": sanitize(name), "classname": sanitize(of), "time": "0"})


def _problem(file: str, problem: Problem, name: str) -> ET.Element:
    case = _case(file, name)
    line = sanitize(str(problem))
    if problem.waived:
        ET.SubElement(case, "skipped", {"message": sanitize(problem.waived), "type": problem.rule}).text = line
    elif problem.severity is Severity.ERROR:
        ET.SubElement(case, "failure", {"message": sanitize(problem.message), "type": problem.rule}).text = line
    else:
        ET.SubElement(case, "system-out").text = line
    return case
