"""Judges a host by what its provider's API says of it.

The API shows less than a report of the host's own, and nothing was executed. So the best answer is CAPABLE: only the
report of a VM that runs there proves more, or the host's own where ssh fetched one: then the two are judged together.
"""

import msgspec

from hostcheck.chain import host_chain
from hostcheck.checks.prerequisites import product_finding
from hostcheck.judge import TO_NEST, TO_RUN, VERDICT_OF
from hostcheck.links import HOST_CHECKS, OWN_CHECKS
from hostcheck.model import (
    Answer,
    Chain,
    ChainLink,
    Evidence,
    Finding,
    HostView,
    Judgement,
    Link,
    Question,
    Status,
    Verdict,
)

RAN = OWN_CHECKS[Link.GUEST_RAN]
OFFERED = HOST_CHECKS[Link.OFFERED]
BY_SSH, USABLE = "host.ssh", "provider.usable"


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


def judge_both(view: HostView, own: Judgement) -> Judgement:
    """Judge a host by its own report, and say beside it what the API says. Pure.

    The report decides: its guests were executed there. What the API says of the same link is evidence of it.
    """
    shown = {link.check: link for link in view.links}
    findings = [_beside(finding, shown.get(finding.check), view.provider) for finding in own.findings]
    findings += [*view.findings, *filter(None, [product_finding(view.product)])]
    if view.unusable:
        findings.append(Finding(USABLE, Status.WARN, f"no VM is started there now: {view.unusable}"))
    return msgspec.structs.replace(own, findings=tuple(findings))


def without_report(view: HostView, why: str) -> HostView:
    """The view of a host whose own report was wanted and did not come. Pure."""
    missing = Finding(BY_SSH, Status.UNKNOWN, f"could not look on it by ssh: {why}")
    links = tuple(
        msgspec.structs.replace(link, summary=f"its API does not show it, and ssh did not help: {why}")
        if link.status is Status.UNKNOWN
        else link
        for link in view.links
    )
    unusable = f"{view.unusable}; by ssh: {why}" if view.unusable else ""
    return msgspec.structs.replace(view, links=links, unusable=unusable, findings=(*view.findings, missing))


def view_chain(view: HostView, question: Question = Question.GUESTS_NEST, judgement: Judgement | None = None) -> Chain:
    """The host as one subject of a matrix; `judgement` where it was judged already."""
    chain = host_chain(judgement or judge_view(view), question)
    return msgspec.structs.replace(chain, provider=view.provider, product=view.product)


def _beside(finding: Finding, said: ChainLink | None, provider: str) -> Finding:
    if said is None or said.status is Status.UNKNOWN:
        return finding
    evidence = (*finding.evidence, Evidence(provider, said.summary))
    return msgspec.structs.replace(finding, evidence=evidence)


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
