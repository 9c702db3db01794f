"""From what is kept to chains: every entry judged again, each VM together with the host it runs on."""

from collections.abc import Iterable
from pathlib import Path

from commands.failures import Failure
from hostcheck.chain import host_chain, unreached_chain, vm_chain
from hostcheck.host_view import judge_view, view_chain
from hostcheck.judge import judge
from hostcheck.model import Arrival, Chain, HostView, Judgement, VmView
from hostcheck.policy import Policy
from hostcheck.policy_file import PolicyError, load
from hostcheck.report import ReportError, decode
from reports.store import Entry


def policy_in(path: Path | None = None) -> Policy:
    """The policy in a file, or the user's. Raises Failure with its line."""
    try:
        return load(path)
    except PolicyError as e:
        raise Failure(str(e)) from e


def chains(entries: Iterable[Entry], policy: Policy) -> list[Chain]:
    """One chain for each entry of something that still exists; hosts have to come before their VMs, as a store gives
    them. Pure: the same entries give the same chains. Entries are taken one by one, so their reports need not all be
    in memory at once.
    """
    hosts: dict[str, Judgement | None] = {}
    result = []
    for entry in entries:
        if entry.arrival is Arrival.DESTROYED:
            continue
        judgement, refusal = _judgement(entry, policy)
        if entry.kind == "host":
            hosts[entry.name] = judgement
            result.append(_host_chain(entry, judgement, refusal))
        elif isinstance(entry.view, VmView):
            result.append(vm_chain(entry.view, judgement, hosts.get(entry.host), refusal or entry.arrival_detail))
    return result


def _host_chain(entry: Entry, judgement: Judgement | None, refusal: str) -> Chain:
    if isinstance(entry.view, HostView):
        return view_chain(entry.view)
    return host_chain(judgement) if judgement else unreached_chain(entry.name, refusal or entry.arrival_detail)


def _judgement(entry: Entry, policy: Policy) -> tuple[Judgement | None, str]:
    if isinstance(entry.view, HostView):
        return judge_view(entry.view), ""
    if entry.report is None:
        return None, ""
    try:
        return judge(decode(entry.report), entry.name, policy), ""
    except ReportError as e:
        return None, f"its report is refused: {e}"
