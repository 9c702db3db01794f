"""From what is kept to chains: every entry judged again, each VM together with the host it runs on."""

from collections.abc import Iterable

from commands.remembering import Memory
from hostcheck.chain import host_chain, unreached_chain, vm_chain
from hostcheck.host_view import judge_both, judge_view, view_chain, without_report
from hostcheck.model import Arrival, Chain, HostView, Judgement, VmView
from hostcheck.policy import Policy
from hostcheck.report import ReportError
from reports.store import Entry


def chains(entries: Iterable[Entry], policy: Policy) -> list[Chain]:
    """One chain for each entry of something that still exists; hosts have to come before their VMs, as a store gives
    them. The same entries give the same chains, whether they were judged before or not. Entries are taken one by one,
    so their reports need not all be in memory at once.
    """
    hosts: dict[str, Judgement | None] = {}
    result = []
    with Memory(policy) as memory:
        for entry in entries:
            if entry.arrival is Arrival.DESTROYED:
                continue
            judgement, refusal = _judgement(entry, memory)
            if entry.kind == "host":
                hosts[entry.name] = judgement
                result.append(_host_chain(entry, judgement, refusal))
            elif isinstance(entry.view, VmView):
                result.append(vm_chain(entry.view, judgement, hosts.get(entry.host), refusal or entry.arrival_detail))
    return result


def _host_chain(entry: Entry, judgement: Judgement | None, refusal: str) -> Chain:
    if isinstance(entry.view, HostView):
        return view_chain(entry.view, judgement=judgement)
    return host_chain(judgement) if judgement else unreached_chain(entry.name, refusal or entry.arrival_detail)


def _judgement(entry: Entry, memory: Memory) -> tuple[Judgement | None, str]:
    view = entry.view if isinstance(entry.view, HostView) else None
    if entry.report is None:
        return (judge_view(view) if view else None), ""
    try:
        own = memory.judge(entry.report, entry.name)
    except ReportError as e:
        refusal = f"its report is refused: {e}"
        return (judge_view(without_report(view, refusal)) if view else None), refusal
    return (judge_both(view, own) if view else own), ""
