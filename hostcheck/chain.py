"""The chain of one subject: every link from the host's CPU to a guest that ran, and the first that is broken.

It joins what the host said of itself, what the provider says of the VM, and what the VM's own report says. Pure.
"""

from collections.abc import Iterable

import msgspec

from hostcheck.judge import VERDICT_OF
from hostcheck.model import (
    Accelerator,
    Answer,
    Asked,
    Chain,
    ChainLink,
    Finding,
    Judgement,
    Link,
    Question,
    Remedy,
    Status,
    Verdict,
    VmView,
    Where,
)

HOST_CHECKS = {
    Link.CPU: "cpu.virtualization",
    Link.FIRMWARE: "firmware.virtualization",
    Link.MODULE: "kvm.module",
    Link.NESTED_PARAMETER: "nested.parameter",
    Link.OFFERED: "nested.offered",
}
OWN_CHECKS = {Link.DEVICE: "kvm.device", Link.ACCESS: "kvm.access", Link.GUEST_RAN: "kvm.run"}
GUEST_CHECKS = {Link.GUEST_CPU: "cpu.virtualization", Link.GUEST_MODULE: "kvm.module", **OWN_CHECKS}
LINK_OF_CHECK = {check: link for link, check in (HOST_CHECKS | OWN_CHECKS).items()} | {
    "machine.confidential": Link.CPU,
    "nested.run": Link.GUEST_RAN,
}
ABILITY = {Question.RUNS_GUESTS: "run VMs", Question.GUESTS_NEST: "run VMs that run VMs"}
NOT_RUN = (Status.SKIP, Status.UNKNOWN)


def host_chain(host: Judgement, question: Question = Question.GUESTS_NEST) -> Chain:
    """A host: the answer to one question about it, and the first broken link."""
    links = []
    for link in Link:
        if link in HOST_CHECKS or link in OWN_CHECKS:
            links.append(_of_finding(link, _shown(host, (HOST_CHECKS | OWN_CHECKS)[link])))
        else:
            links.append(ChainLink(link, Status.SKIP, "a question about a VM"))
    nested = host.finding("nested.run")
    if question is Question.GUESTS_NEST and nested is not None and nested.status not in NOT_RUN:
        links[-1] = _of_finding(Link.GUEST_RAN, nested)
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
    links = [_host_link(link, host, view) for link in HOST_CHECKS]
    links.append(_asks(view))
    links.append(_got(view))
    for link, check in GUEST_CHECKS.items():
        if guest is None:
            links.append(ChainLink(link, Status.UNKNOWN, detail or "the VM sent no report"))
        else:
            links.append(_of_finding(link, _shown(guest, check)))
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


def _shown(machine: Judgement, check: str) -> Finding | None:
    """What a link shows: its check, or another check of the same link that failed and is the root of it."""
    usual = machine.finding(check)
    if usual is None:
        return None
    roots = (f for f in machine.findings if f.link is usual.link and f.status is Status.FAIL and not f.follows)
    return next(roots, usual)


def _of_finding(link: Link, finding: Finding | None) -> ChainLink:
    if finding is None:
        return ChainLink(link, Status.UNKNOWN, "not judged")
    return ChainLink(link, finding.status, finding.headline, finding.check, finding.evidence, finding.remedies)


def _host_link(link: Link, host: Judgement | None, view: VmView) -> ChainLink:
    if view.accelerator is Accelerator.TCG:
        return ChainLink(link, Status.SKIP, "not used: QEMU TCG emulates this VM's CPU")
    if host is None:
        return ChainLink(link, Status.UNKNOWN, "the host was not examined")
    finding = _shown(host, HOST_CHECKS[link])
    if view.asked is Asked.OFF and finding and finding.status is Status.FAIL:
        return ChainLink(link, Status.SKIP, f"not asked of the host, which could not: {finding.summary}", finding.check)
    return _of_finding(link, finding)


def _asks(view: VmView) -> ChainLink:
    where = f" ({view.asked_where})" if view.asked_where else ""
    match view.asked:
        case Asked.ON:
            feature = f", as {view.feature}" if view.feature else ""
            return ChainLink(
                Link.VM_ASKS, Status.PASS, f"nested virtualization is asked for{feature}{where}", "vm.asks"
            )
        case Asked.OFF:
            again = "" if view.remedies else " and apply again"
            summary = f"nested virtualization is off in the VM's configuration{where}: switch it on{again}"
            remedies = view.remedies or (
                Remedy(
                    f"set performanceProfile.nestedVirtualization: true in the VMClass{where}, then apply again",
                    Where.MANIFEST,
                    ("nestproof apply FILE --wait",),
                    "apply power-cycles the VM: a running one keeps its CPU",
                ),
            )
            return ChainLink(Link.VM_ASKS, Status.FAIL, summary, "vm.asks", view.evidence, remedies)
        case Asked.UNSTATED:
            return ChainLink(Link.VM_ASKS, Status.UNKNOWN, "the provider does not say", "vm.asks", view.evidence)


def _got(view: VmView) -> ChainLink:
    if view.asked is Asked.OFF and not view.got:
        return ChainLink(Link.VM_GOT, Status.SKIP, "not asked for", "vm.got", view.evidence)
    if not view.running:
        return ChainLink(Link.VM_GOT, Status.UNKNOWN, "the VM is not running", "vm.got", view.evidence)
    match view.got:
        case True:
            by = f" under {view.accelerator.value.upper()}" if view.accelerator else ""
            if view.asked is Asked.OFF:
                summary = (
                    f"the live VM has {view.feature or 'vmx or svm'}{by}, though its configuration does not ask for it"
                )
                return ChainLink(Link.VM_GOT, Status.WARN, summary, "vm.got", view.evidence)
            return ChainLink(Link.VM_GOT, Status.PASS, f"the live VM has {view.feature}{by}", "vm.got", view.evidence)
        case False:
            summary = f"the live VM does not have {view.feature or 'vmx or svm'}, whatever its configuration asks"
            remedies = view.remedies or (
                Remedy(
                    "power the VM off and apply again: a running VM keeps the CPU that it was started with",
                    Where.HOST_SHELL,
                    ("nestproof destroy FILE", "nestproof apply FILE --wait"),
                ),
            )
            return ChainLink(Link.VM_GOT, Status.FAIL, summary, "vm.got", view.evidence, remedies)
        case None:
            return ChainLink(Link.VM_GOT, Status.UNKNOWN, "the provider cannot tell", "vm.got", view.evidence)


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
