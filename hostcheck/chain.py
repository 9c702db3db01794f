"""The chain of one subject: every link from the host's CPU to a guest that ran, and the first that is broken.

It joins what the host said of itself, what the provider says of the VM, and what the VM's own report says. Pure.
"""

from collections.abc import Iterable

import msgspec

from hostcheck.judge import VERDICT_OF
from hostcheck.links import (
    GUEST_CHECKS,
    HOST_CHECKS,
    LINK_OF_CHECK,
    OWN_CHECKS,
    asks,
    got,
    host_link,
    of_finding,
    shown,
)
from hostcheck.model import (
    Accelerator,
    Answer,
    Chain,
    ChainLink,
    Judgement,
    Link,
    Question,
    Status,
    Verdict,
    VmView,
)

ABILITY = {Question.RUNS_GUESTS: "run VMs", Question.GUESTS_NEST: "run VMs that run VMs"}
NOT_RUN = (Status.SKIP, Status.UNKNOWN)


def host_chain(host: Judgement, question: Question = Question.GUESTS_NEST) -> Chain:
    """A host: the answer to one question about it, and the first broken link."""
    links = []
    for link in Link:
        if link in HOST_CHECKS or link in OWN_CHECKS:
            links.append(of_finding(link, shown(host, (HOST_CHECKS | OWN_CHECKS)[link])))
        else:
            links.append(ChainLink(link, Status.SKIP, "a question about a VM"))
    nested = host.finding("nested.run")
    if question is Question.GUESTS_NEST and nested is not None and nested.status not in NOT_RUN:
        links[-1] = of_finding(Link.GUEST_RAN, nested)
    answer = host.answer(question)
    return Chain(
        subject=host.name,
        kind="host",
        verdict=answer.verdict,
        sentence=_sentence(host.name, ABILITY[question], answer),
        links=tuple(links),
        runs_guests=host.runs_guests,
        guests_nest=host.guests_nest,
        broken=None if answer.verdict.works else LINK_OF_CHECK.get(answer.decided_by),
        emulated_cpu=host.emulated_cpu,
        findings=host.findings,
        question=question,
        feature=host.feature,
        machine=host.machine,
    )


def unreached_chain(name: str, fault: str) -> Chain:
    """A host that gave no report: unknown in every link, with the reason; never a failure."""
    return _nothing_known(name, "host", fault, "the host gave no report", Question.GUESTS_NEST)


def _nothing_known(name: str, kind: str, fault: str, why: str, question: Question) -> Chain:
    answer = Answer(Verdict.UNKNOWN, fault)
    return Chain(
        subject=name,
        kind=kind,
        verdict=Verdict.UNKNOWN,
        sentence=f"nothing is known of {name}: {fault}",
        links=tuple(ChainLink(link, Status.UNKNOWN, why) for link in Link),
        runs_guests=answer,
        guests_nest=answer,
        question=question,
    )


def _sentence(name: str, ability: str, answer: Answer) -> str:
    match answer.verdict:
        case Verdict.CAPABLE:
            return f"{name} should be able to {ability}, which was not tried: {answer.reason}"
        case Verdict.UNKNOWN:
            return f"whether {name} can {ability} is not known: {answer.reason}"
        case verdict:
            return f"{name} {'can' if verdict.works else 'cannot'} {ability}: {answer.reason}"


def vm_chain(
    view: VmView,
    guest: Judgement | None,
    host: Judgement | None,
    detail: str = "",
) -> Chain:
    """A VM: does it run guests, and if not, which link is broken.

    `guest` is the judgement of the VM's own report, None when there is none; `detail` then says why.
    `host` is None when the host was not examined. Of a VM that does not exist nothing is known, whatever its host is.
    """
    if not view.exists:
        fault = detail or "it does not exist"
        nothing = _nothing_known(view.name, "vm", fault, "the VM does not exist", Question.RUNS_GUESTS)
        return msgspec.structs.replace(nothing, provider=view.provider)
    links = [host_link(link, host, view) for link in HOST_CHECKS]
    links.append(asks(view))
    links.append(got(view))
    for link, check in GUEST_CHECKS.items():
        if guest is None:
            links.append(ChainLink(link, Status.UNKNOWN, detail or "the VM sent no report"))
        else:
            links.append(of_finding(link, shown(guest, check)))
    runs, nests = _answers(guest, detail)
    emulated = view.accelerator is Accelerator.TCG or (guest is not None and guest.emulated_cpu)
    below = host is not None and host.emulated_cpu
    if emulated or below:
        doubt = "the CPU is emulated by QEMU TCG" if emulated else "the host's own CPU is emulated"
        runs, nests = _doubted(runs, doubt), _doubted(nests, doubt)
    broken = None
    if not runs.verdict.works:
        broken = _broken_of_vm(links)
        if broken is not None and broken not in GUEST_CHECKS:
            cause = next(link for link in links if link.link is broken)
            on = f"on host {host.name}: " if broken in HOST_CHECKS and host else ""
            runs = Answer(VERDICT_OF.get(cause.check, Verdict.MISCONFIGURED), on + cause.summary, cause.check)
    return Chain(
        subject=view.name,
        kind="vm",
        verdict=runs.verdict,
        sentence=_sentence(view.name, ABILITY[Question.RUNS_GUESTS], runs),
        links=tuple(links),
        runs_guests=runs,
        guests_nest=nests,
        broken=broken,
        host=host.name if host else view.host,
        provider=view.provider,
        product=view.product,
        settings=view.settings,
        emulated_cpu=emulated or below,
        findings=guest.findings if guest else (),
        feature=guest.feature if guest else "",
        machine=guest.machine if guest else None,
    )


def _doubted(answer: Answer, doubt: str) -> Answer:
    if answer.verdict is not Verdict.PROVEN:
        return answer
    return Answer(Verdict.DEGRADED, f"{answer.reason}, but {doubt}", answer.decided_by)


def _answers(guest: Judgement | None, detail: str) -> tuple[Answer, Answer]:
    if guest is not None:
        return guest.runs_guests, guest.guests_nest
    nothing = Answer(Verdict.UNKNOWN, detail or "the VM sent no report")
    return nothing, nothing


def _broken_of_vm(links: list[ChainLink]) -> Link | None:
    """The first broken link after the last one that holds: a link that holds proves those before it.

    What a configuration asks for proves nothing, so VM_ASKS does not count as holding. VM_GOT with a warning does: the
    VM has more than it asked for.
    """
    broken = None
    for link in links:
        exposed = link.link is Link.VM_GOT and link.status is Status.WARN
        if exposed or (link.status is Status.PASS and link.link is not Link.VM_ASKS):
            broken = None
        elif link.status is Status.FAIL and broken is None:
            broken = link.link
    return broken


def exposed(chains: Iterable[Chain]) -> tuple[str, ...]:
    """The subjects that are shown vmx or svm though nobody asked for it, or nothing in them uses it."""
    return tuple(chain.subject for chain in chains if _exposed(chain))


def _exposed(chain: Chain) -> bool:
    got = any(link.link is Link.VM_GOT and link.status is Status.WARN for link in chain.links)
    idle = any(each.check == "guest.exposure" and each.status is Status.WARN for each in chain.findings)
    return got or idle
