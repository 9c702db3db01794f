"""Judges a host by what its provider's API says of it.

The API shows less than a report of the host's own, and nothing was executed. So the best answer is CAPABLE: only the
report of a VM that runs there proves more.
"""

import msgspec

from hostcheck.chain import HOST_CHECKS, OWN_CHECKS, host_chain
from hostcheck.checks.prerequisites import product_finding
from hostcheck.judge import TO_NEST, TO_RUN, VERDICT_OF
from hostcheck.model import Answer, Chain, Finding, HostView, Judgement, Link, Question, Status, Verdict

RAN = OWN_CHECKS[Link.GUEST_RAN]
OFFERED = HOST_CHECKS[Link.OFFERED]


def judge_view(view: HostView) -> Judgement:
    """Judge one host of a provider. Pure: the same view gives the same judgement."""
    shown = {link.check: link for link in view.links}
    findings = []
    for link, check in (HOST_CHECKS | OWN_CHECKS).items():
        if (said := shown.get(check)) is not None:
            findings.append(Finding(check, said.status, said.summary, link, said.evidence, said.remedies))
        else:
            summary = "no guest was run for this answer" if check == RAN else "the provider's API does not show it"
            findings.append(Finding(check, Status.UNKNOWN, summary, link))
    found = {finding.check: finding for finding in findings}
    return Judgement(
        name=view.name,
        runs_guests=_runs_guests(view, found),
        guests_nest=_guests_nest(view, found),
        findings=(*findings, *view.findings, *filter(None, [product_finding(view.product)])),
        feature=view.feature,
    )


def view_chain(view: HostView, question: Question = Question.GUESTS_NEST) -> Chain:
    """The host as one subject of a matrix."""
    chain = host_chain(judge_view(view), question)
    return msgspec.structs.replace(chain, provider=view.provider, product=view.product)


def _runs_guests(view: HostView, found: dict[str, Finding]) -> Answer:
    if broken := _broken(found, TO_RUN):
        return broken
    if view.unusable:
        return Answer(Verdict.UNKNOWN, view.unusable)
    return Answer(Verdict.CAPABLE, f"its provider starts VMs there; {found[RAN].summary}", RAN)


def _guests_nest(view: HostView, found: dict[str, Finding]) -> Answer:
    if broken := _broken(found, TO_NEST):
        return broken
    if view.unusable:
        return Answer(Verdict.UNKNOWN, view.unusable)
    offered = found[OFFERED]
    if offered.status in (Status.PASS, Status.WARN):
        return Answer(Verdict.CAPABLE, f"{offered.summary}; {found[RAN].summary}", RAN)
    return Answer(Verdict.UNKNOWN, offered.summary, OFFERED)


def _broken(found: dict[str, Finding], order: tuple[str, ...]) -> Answer | None:
    for check in order:
        finding = found.get(check)
        if finding is not None and finding.status is Status.FAIL:
            return Answer(VERDICT_OF[check], finding.summary, check)
    return None
