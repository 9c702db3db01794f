"""JUnit XML for CI systems: a suite for each subject, a case for each link and each other check.

fail is a failure, unknown an error, skip a skip that says why. JUnit has no warnings: a warn passes, is named in the
suite's properties and says itself in the case's output. Only elements and attributes that the readers of Jenkins,
GitLab and Maven Surefire know are used; time is 0 because the check was not timed, and strict readers demand one.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from hostcheck.model import Evidence, Remedy, Status
from reports.changes import by_anchor
from reports.comparison import Difference
from reports.matrix import Matrix, Provenance
from reports.observations import Observation, observations
from reports.rows import Row
from reports.sanitize import MAX_NAME, sanitize

RESULT = {Status.FAIL: "failure", Status.UNKNOWN: "error", Status.SKIP: "skipped"}
"""The element that tells a case from one that passed."""


def matrix_junit(matrix: Matrix) -> str:
    """The matrix as one JUnit document. `sanitize` has replaced every character that XML 1.0 forbids."""
    made = timestamp(matrix.provenance)
    changes = by_anchor(matrix.comparison)
    return document([_suite(row, made, changes.get(row.anchor)) for row in matrix.rows])


def timestamp(provenance: Provenance) -> str:
    """When it was made, as suites say it."""
    return datetime.fromtimestamp(provenance.time, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def document(suites: Sequence[ET.Element]) -> str:
    """A whole document with these suites, counted together."""
    totals = {key: str(sum(int(suite.get(key, 0)) for suite in suites)) for key in ("tests", "failures", "errors")}
    root = ET.Element("testsuites", {"name": "nestproof", **totals, "time": "0"})
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(row: Row, made: str, change: Difference | None) -> ET.Element:
    seen = list(observations(row))
    count = Counter(observation.status for observation in seen)
    suite = ET.Element(
        "testsuite",
        {
            "name": row.label,
            "tests": str(len(seen)),
            "failures": str(count[Status.FAIL]),
            "errors": str(count[Status.UNKNOWN]),
            "skipped": str(count[Status.SKIP]),
            "time": "0",
            "timestamp": made,
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in [*_properties(row, seen), *_changed(change)]:
        ET.SubElement(properties, "property", {"name": sanitize(name), "value": sanitize(value)})
    suite.extend(_case(row, observation) for observation in seen)
    return suite


def _properties(row: Row, seen: list[Observation]) -> list[tuple[str, str]]:
    chain = row.chain
    return [
        ("sentence", row.sentence),
        ("kind", chain.kind),
        ("runs-guests", chain.runs_guests.verdict),
        ("guests-nest", chain.guests_nest.verdict),
        ("emulated-cpu", str(chain.emulated_cpu).lower()),
        *[("host", sanitize(chain.host, MAX_NAME))] * bool(chain.host),
        *[("provider", chain.provider)] * bool(chain.provider),
        *[(f"warning: {o.key}", o.summary) for o in seen if o.status is Status.WARN],
    ]


def _changed(change: Difference | None) -> list[tuple[str, str]]:
    """What became of the subject since another run; which of its failures are new, which were mended."""
    if change is None:
        return []
    known = [("change", change.change), ("before", change.before or "not looked at")]
    return [*known, *(("new", key) for key in change.new), *(("fixed", key) for key in change.fixed)]


def _case(row: Row, observation: Observation) -> ET.Element:
    case = ET.Element("testcase", {"name": sanitize(observation.key), "classname": row.label, "time": "0"})
    message = sanitize(observation.summary)
    if element := RESULT.get(observation.status):
        result = ET.SubElement(case, element, {"message": message, "type": sanitize(observation.check)})
        result.text = _details(observation)
    elif observation.status is Status.WARN:
        ET.SubElement(case, "system-out").text = f"warning: {message}\n{_details(observation)}"
    return case


def _details(observation: Observation) -> str:
    lines = [f"Follows from {sanitize(observation.follows)}."] * bool(observation.follows)
    lines += [_evidence(item) for item in observation.evidence]
    for number, remedy in enumerate(observation.remedies):
        lines += ["", *_remedy("Or instead" if number else "To mend it", remedy)]
    return "\n".join(lines)


def _evidence(item: Evidence) -> str:
    return f"{sanitize(item.source)}: {sanitize(item.text, newlines=True)}"


def _remedy(intent: str, remedy: Remedy) -> list[str]:
    lines = [f"{intent} ({remedy.where}): {sanitize(remedy.title)}"]
    lines += [f"    {line}" for c in remedy.commands for line in sanitize(c, newlines=True).split("\n")]
    return [*lines, f"Then: {sanitize(remedy.then)}"] if remedy.then else lines
