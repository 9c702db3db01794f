"""From one machine's facts to its judgement: all findings, and two answers with one root cause each.

Execution decides: a guest that ran beats every missing flag, and one that failed beats every flag that is there. Only
where nothing was executed do the links of the chain decide, the first broken one first.
"""

import msgspec

from hostcheck.checks import Check, catalogue
from hostcheck.checks.device import NOT_ALLOWED
from hostcheck.checks.modules import held_by_another
from hostcheck.checks.proof import BUSY, refused
from hostcheck.facts import Facts
from hostcheck.machine import machine_of
from hostcheck.model import Answer, Finding, Judgement, Status, Verdict
from hostcheck.policy import Policy
from hostcheck.report import Report

TO_RUN = (
    "machine.confidential",
    "cpu.virtualization",
    "firmware.virtualization",
    "kvm.module",
    "kvm.device",
    "kvm.access",
    "kvm.run",
)
TO_NEST = (
    "machine.confidential",
    "cpu.virtualization",
    "firmware.virtualization",
    "kvm.module",
    "nested.parameter",
    "kvm.device",
    "kvm.access",
    "kvm.run",
    "nested.offered",
    "nested.run",
)
DOUBTS = ("kvm.acceleration", "cpu.emulated", "nested.paging")
"""What makes PROVEN a DEGRADED."""
DECIDING = frozenset((*TO_RUN, *TO_NEST, *DOUBTS))
"""The checks that the two answers are made of; no other is even looked at for them."""
SIGNS = ("machine.confidential",)
"""Checks that decide by failing only: where they cannot tell, the links after them do."""
VERDICT_OF = {
    "machine.confidential": Verdict.BLOCKED_POLICY,
    "cpu.virtualization": Verdict.UNSUPPORTED,
    "firmware.virtualization": Verdict.BLOCKED_FIRMWARE,
    "kvm.module": Verdict.MISCONFIGURED,
    "nested.parameter": Verdict.MISCONFIGURED,
    "kvm.device": Verdict.MISCONFIGURED,
    "kvm.access": Verdict.BLOCKED_POLICY,
    "kvm.run": Verdict.UNSUPPORTED,
    "nested.offered": Verdict.UNSUPPORTED,
    "nested.run": Verdict.UNSUPPORTED,
}


def judge(report: Report, name: str = "", policy: Policy | None = None) -> Judgement:
    """Judge one report. Pure: the same report and policy give the same judgement.

    `name` defaults to the report's host name. A waiver of the policy marks a finding and changes no answer.
    """
    facts = Facts(report, policy)
    checks = catalogue()
    found = {check.id: check.run(facts) for check in checks}
    deciding = {check: finding for check, finding in found.items() if check in DECIDING}
    runs = _runs_guests(facts, deciding)
    nests = _guests_nest(facts, deciding, runs)
    return Judgement(
        name or report.subject.hostname or "unnamed",
        runs,
        nests,
        tuple(_waive(finding, facts.policy) for finding in _fold(checks, found)),
        found["cpu.emulated"].status is Status.WARN,
        facts.feature or "",
        machine_of(facts),
    )


def _waive(finding: Finding, policy: Policy) -> Finding:
    """Mark a finding that the policy puts up with; what passed or does not apply needs no waiver."""
    waiver = policy.waiver(finding.check)
    if waiver is None or finding.status in (Status.PASS, Status.SKIP):
        return finding
    return msgspec.structs.replace(finding, waived=waiver.sentence)


def _runs_guests(facts: Facts, found: dict[str, Finding]) -> Answer:
    run = found["kvm.run"]
    if run.status is Status.PASS:
        return _works("a guest ran", "kvm.run", (found["kvm.acceleration"], found["cpu.emulated"]))
    opened = facts.device.value.open if facts.device.value else ""
    if opened in NOT_ALLOWED:  # a driver is behind the node: only permission is missing, whatever the CPU's flags say
        return Answer(Verdict.BLOCKED_POLICY, found["kvm.access"].summary, "kvm.access")
    if opened == "ok":  # KVM answers, so the links before it are whole, whatever the CPU's flags say
        return _first_broken(facts, found, ("machine.confidential", "kvm.device", "kvm.run"))
    return _first_broken(facts, found, TO_RUN)


def _guests_nest(facts: Facts, found: dict[str, Finding], runs: Answer) -> Answer:
    run = found["nested.run"]
    if run.status is Status.PASS:
        doubts = (found["kvm.acceleration"], found["cpu.emulated"], found["nested.paging"])
        return _works("a guest ran its own guest", "nested.run", doubts)
    broken = _first_broken(facts, found, TO_NEST)
    if broken.verdict is Verdict.UNKNOWN and runs.verdict is Verdict.BLOCKED_POLICY:
        return Answer(Verdict.BLOCKED_POLICY, runs.reason, runs.decided_by)
    return broken


def _works(reason: str, check: str, doubts: tuple[Finding, ...]) -> Answer:
    """PROVEN, or DEGRADED with the first doubt as the reason and all of them named."""
    named = [doubt.summary for doubt in doubts if doubt.status in (Status.WARN, Status.FAIL)]
    if not named:
        return Answer(Verdict.PROVEN, reason, check)
    return Answer(Verdict.DEGRADED, f"{reason}, but " + "; ".join(named), check)


def _first_broken(facts: Facts, found: dict[str, Finding], order: tuple[str, ...]) -> Answer:
    findings = [found[check] for check in order]
    for finding in findings:
        if finding.status is Status.FAIL:
            return Answer(_verdict(facts, finding), finding.summary, finding.check)
    for finding in findings:
        if finding.status is Status.UNKNOWN and finding.check not in SIGNS:
            if finding.check in ("kvm.run", "nested.run"):
                return Answer(Verdict.CAPABLE, f"all that it needs is there; {finding.summary}", finding.check)
            return Answer(Verdict.UNKNOWN, finding.summary, finding.check)
    last = findings[-1]
    return Answer(Verdict.UNKNOWN, last.summary, last.check)


def _verdict(facts: Facts, finding: Finding) -> Verdict:
    if finding.check == "kvm.run" and facts.api.value is not None and facts.api.value.create_vm in BUSY:
        return Verdict.CONFLICT
    if finding.check == "kvm.module" and held_by_another(facts):
        return Verdict.CONFLICT
    if finding.check == "kvm.run" and refused(facts):
        return Verdict.BLOCKED_POLICY
    return VERDICT_OF[finding.check]


def _fold(checks: tuple[Check, ...], found: dict[str, Finding]) -> list[Finding]:
    """Mark the failures that follow from an earlier one with the root they follow from."""
    root: dict[str, str] = {}
    folded = []
    for check in checks:
        finding = found[check.id]
        if finding.status is Status.FAIL:
            cause = next((root.get(need, "") for need in check.needs if need in root), "")
            root[check.id] = cause or check.id
            if cause:
                finding = msgspec.structs.replace(finding, follows=cause)
        folded.append(finding)
    return folded
