"""The findings of lint as SARIF: code hosts and editors show them at the line and column of the manifest.

A problem has the level of its severity, and one that is waived is suppressed. What a provider that was asked about does
not do as it is written are notes: like the table, they fail nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from commands.findings import STDIN, Findings, numbered
from provision.accounting_rules import RULES as OF_ACCOUNTS
from provision.manifests import rulebook, structure
from provision.model import FieldAccount, Origin, Problem, Severity
from reports.matrix import Provenance
from reports.sanitize import sanitize
from reports.sarif_log import inert, log, physical

KNOWN = structure.RULES | rulebook.RULES | {rule.id: rule for rule in OF_ACCOUNTS.values()}


def text(findings: Findings, provenance: Provenance) -> str:
    """A log with one run."""
    results = list(_problems(findings.problems))
    for table in findings.tables:
        results += _accounts(table.accounts, table.name)
    ids = sorted({result["ruleId"] for result in results})
    for result in results:
        result["ruleIndex"] = ids.index(result["ruleId"])
    counts = {severity.value: findings.count(severity) for severity in Severity} | {"waived": findings.waived}
    return log(provenance, [_rule(name) for name in ids], results, {"counts": counts})


def _rule(name: str) -> dict[str, Any]:
    rule = KNOWN[name]
    return {
        "id": name,
        "shortDescription": {"text": inert(rule.why)},
        "help": {"text": inert(f"{rule.change}\n\nnestproof explain {name}")},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _problems(problems: Sequence[Problem]) -> Iterator[dict[str, Any]]:
    for problem, name in numbered(problems, lambda p: "\0".join((p.origin.file, p.rule, p.path))):
        message = f"{problem.path}: {problem.message}" if problem.path else problem.message
        result = _result(problem.rule, problem.severity, message, problem.origin, problem.path, name)
        if problem.waived:
            # 3.27.23: whoever waived it did so outside the file
            why = {"kind": "external", "status": "accepted", "justification": sanitize(problem.waived)}
            result["suppressions"] = [why]
        yield result


def _accounts(accounts: Sequence[FieldAccount], provider: str) -> Iterator[dict[str, Any]]:
    for account, name in numbered(accounts, lambda a: "\0".join((a.origin.file, provider, a.path))):
        if rule := OF_ACCOUNTS.get(account.handling):
            message = f"{account.path}: {account.handling.value} on {provider}: {account.how}"
            yield _result(rule.id, rule.severity, message, account.origin, account.path, name)


def _result(rule: str, severity: Severity, message: str, at: Origin, path: str, name: str) -> dict[str, Any]:
    place: dict[str, Any] = {}
    if at.file != STDIN:
        place["physicalLocation"] = physical(at.file, at.line, at.column)
    if path:
        place["logicalLocations"] = [{"fullyQualifiedName": sanitize(path), "kind": "property"}]
    return {
        "ruleId": rule,
        "kind": "fail",
        "level": severity.value,
        "message": {"text": inert(message)},
        "locations": [place] if place else [],
        "partialFingerprints": {"nestproof/v1": hashlib.sha256(name.encode()).hexdigest()[:32]},
    }
