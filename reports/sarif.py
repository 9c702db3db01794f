"""SARIF 2.1.0 for code scanning: the checks are rules, what failed, warned or could not be told are results.

Machines are not files, so a result's place is the subject as a logical location; where a manifest decided, its line is
the physical one. Source: OASIS SARIF 2.1.0 with errata 01; the sections in the comments are its own.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from hostcheck.checks import Check, catalogue
from hostcheck.model import Remedy, Status
from reports.changes import by_anchor
from reports.comparison import Difference
from reports.matrix import Matrix
from reports.observations import Observation, observations
from reports.rows import Row
from reports.sanitize import MAX_NAME, sanitize
from reports.sarif_log import inert, log, physical

LEVEL = {Status.FAIL: ("fail", "error"), Status.WARN: ("fail", "warning"), Status.UNKNOWN: ("open", "none")}
"""Kind and level (3.27.9, 3.27.10): open says that there was too little to decide, and then the level must be none."""
PLACE = re.compile(r"(?P<path>[^\s():][^():]*\.(?:ya?ml|json)):(?P<line>[1-9]\d{0,8})(?::(?P<column>[1-9]\d{0,8}))?")
"""`file:line` or `file:line:column` of a manifest."""

Result = tuple[Row, Observation]


def matrix_sarif(matrix: Matrix) -> str:
    """The matrix as a SARIF log with one run."""
    found = [(row, seen) for row in matrix.rows for seen in observations(row) if seen.status in LEVEL]
    changes = by_anchor(matrix.comparison)
    known = {check.id: check for check in catalogue()}
    baseline = _baseline(matrix)
    now = {_identity(row, seen) for row, seen in found}
    gone = [each for identity, each in (baseline or {}).items() if identity not in now]
    ids = sorted({seen.check for _, seen in (*found, *gone)})
    results = [
        _result(row, seen, ids.index(seen.check), changes.get(row.anchor)) | _state(row, seen, baseline)
        for row, seen in found
    ]
    results += [_result(row, seen, ids.index(seen.check), None) | {"baselineState": "absent"} for row, seen in gone]
    rules = [_rule(i, known.get(i), [seen for _, seen in (*found, *gone) if seen.check == i]) for i in ids]
    properties = {"sentence": sanitize(matrix.sentence), "outcome": matrix.outcome.value} | _compared(matrix)
    return log(matrix.provenance, rules, results, properties)


def _rule(check_id: str, check: Check | None, found: Iterable[Observation]) -> dict[str, Any]:
    """A check that is not in the catalogue is one of the chain's own, or of a newer version: its id has to do."""
    name = sanitize(check_id)
    question = check.question if check else name
    remedies = dict.fromkeys(remedy for seen in found for remedy in seen.remedies)
    lines = [question, *([check.why] if check else []), *(line for remedy in remedies for line in _remedy(remedy))]
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": question},
        "help": {"text": inert("\n".join(lines))},
    }
    return rule | ({"fullDescription": {"text": check.why}} if check else {})


def _remedy(remedy: Remedy) -> list[str]:
    """One way to mend what the rule finds; several in a rule are alternatives."""
    lines = ["", f"To mend it ({remedy.where}): {sanitize(remedy.title)}"]
    lines += [f"    {line}" for c in remedy.commands for line in sanitize(c, newlines=True).split("\n")]
    return [*lines, f"Then: {sanitize(remedy.then)}"] if remedy.then else lines


def _result(row: Row, seen: Observation, index: int, change: Difference | None) -> dict[str, Any]:
    kind, level = LEVEL[seen.status]
    properties = {"status": seen.status.value, "rootCause": seen.cause, "emulatedCpu": row.chain.emulated_cpu}
    if change is not None and seen.status is Status.FAIL:
        properties["change"] = "new" if seen.key in change.new or change.before is None else "still"
    evidence = [f"{sanitize(item.source)}: {sanitize(item.text, newlines=True)}" for item in seen.evidence]
    return {
        "ruleId": sanitize(seen.check),
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": inert("\n".join([f"{row.label}: {sanitize(seen.summary)}", *evidence]))},
        "locations": [{"logicalLocations": _logical(row, seen)} | _physical(seen)],
        "partialFingerprints": {"nestproof/v1": _fingerprint(row, seen)},
        "properties": properties | ({"follows": sanitize(seen.follows)} if seen.follows else {}),
    }


def _baseline(matrix: Matrix) -> dict[tuple[str, str, str], Result] | None:
    """What the run before had to tell; None without a comparison, and then no result has a state (3.27.24)."""
    if matrix.comparison is None:
        return None
    told = ((row, seen) for row in matrix.before for seen in observations(row) if seen.status in LEVEL)
    return {_identity(row, seen): (row, seen) for row, seen in told}


def _identity(row: Row, seen: Observation) -> tuple[str, str, str]:
    return row.chain.kind, row.chain.subject, seen.key


def _state(row: Row, seen: Observation, baseline: dict[tuple[str, str, str], Result] | None) -> dict[str, str]:
    if baseline is None:
        return {}
    _, before = baseline.get(_identity(row, seen), (None, None))
    if before is None:
        return {"baselineState": "new"}
    same = (before.status, before.summary) == (seen.status, seen.summary)
    return {"baselineState": "unchanged" if same else "updated"}


def _compared(matrix: Matrix) -> dict[str, Any]:
    """What changed since another run, with what was mended, of which no result is left."""
    if matrix.comparison is None:
        return {}
    fixed = {d.label: list(map(sanitize, d.fixed)) for d in matrix.comparison.differences if d.fixed}
    return {"compared": sanitize(matrix.comparison.sentence), "fixed": fixed}


def _logical(row: Row, seen: Observation) -> Sequence[dict[str, str]]:
    names = [
        *[sanitize(row.chain.host, MAX_NAME)] * bool(row.chain.host),
        row.label,
        *[seen.link or ""] * bool(seen.link),
    ]
    kind = "host" if row.chain.kind == "host" else "vm"
    return [{"name": row.label, "fullyQualifiedName": "::".join(names), "kind": kind}]


def _physical(seen: Observation) -> dict[str, Any]:
    """The manifest's line that decided, from the evidence or from the sentence that names it."""
    for text in (*(item.source for item in seen.evidence), seen.summary):
        if place := PLACE.search(sanitize(text)):
            column = int(place["column"]) if place["column"] else None
            return {"physicalLocation": physical(place["path"].strip(), int(place["line"]), column)}
    return {}


def _fingerprint(row: Row, seen: Observation) -> str:
    """The same for the same check on the same subject, whatever the wording, the order and the other results."""
    identity = "\0".join(_identity(row, seen))
    return hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()[:32]
