"""Looking on the nodes that a hypervisor's API names, by ssh: what the API cannot show, and guests that run there."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from commands.failures import Failure
from commands.fleet import ask
from commands.output import Terminal
from hostcheck.host_view import judge_both, judge_view, without_report
from hostcheck.judge import judge
from hostcheck.model import HostView, Judgement
from hostcheck.policy import Policy
from hostcheck.reach.ssh import Reached, Ssh
from hostcheck.reach.targets import Target, TargetError, parse
from hostcheck.report import Report

UNKNOWN_NAME = "Could not resolve hostname"
"""What ssh says of a name that nobody knows: then the address that the cluster gives is tried."""


class Sight(msgspec.Struct, frozen=True):
    """A host as its API shows it, and its own report where it gave one."""

    view: HostView
    report: Report | None = None

    def judge(self, policy: Policy) -> Judgement:
        """The two together."""
        if self.report is None:
            return judge_view(self.view)
        return judge_both(self.view, judge(self.report, self.view.name, policy))


def look_on(
    views: Sequence[HostView], user: str, ssh: Ssh, *, limit: int, timeout: float, terminal: Terminal
) -> tuple[tuple[Sight, ...], bool]:
    """Fetch the report of every host that can be reached by ssh, in the order of the views; and was it interrupted.

    One that gives no report keeps its view, and why. A host is called by its name, as your ssh configuration knows it,
    and by the address that its cluster gives where that name means nothing here, or several clusters have it. Raises
    Failure when there are hosts and none of them can run the agent.
    """
    names = Counter(view.addresses[0] for view in views if view.addresses)
    ways = {
        number: list(view.addresses[names[view.addresses[0]] > 1 :]) for number, view in enumerate(views)
        if view.addresses
    }  # fmt: skip
    if views and not ways:
        raise Failure("--ssh-nodes looks on the nodes of Proxmox VE; of these hosts none can run the agent")
    faults, reached, interrupted = dict[int, str](), dict[int, Reached](), False
    while ways and not interrupted:
        targets: dict[int, Target] = {}
        for number, addresses in ways.items():
            try:
                targets[number] = _target(views[number].name, user, addresses)
            except TargetError as e:
                faults[number] = str(e)
        asked = ask(list(dict.fromkeys(targets.values())), ssh, limit=limit, timeout=timeout, terminal=terminal)
        interrupted = asked.interrupted
        answers = {each.target: each for each in asked.reached}
        reached |= {number: answers[target] for number, target in targets.items()}
        ways = {
            number: ways[number][1:] for number in targets
            if len(ways[number]) > 1 and UNKNOWN_NAME in reached[number].fault
        }  # fmt: skip
    sights = (_sight(view, reached.get(n), faults.get(n, "")) for n, view in enumerate(views))
    return tuple(sights), interrupted


def _target(name: str, user: str, addresses: Sequence[str]) -> Target:
    """Raises TargetError; a server says these names, and ssh must not take one for an option."""
    if not addresses:
        raise TargetError(f"several clusters have a node {name}, and this one tells no address (Sys.Audit on /)")
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return msgspec.structs.replace(parse(f"ssh://{quote(user, safe='')}@{host}"), name=name)


def _sight(view: HostView, reached: Reached | None, fault: str) -> Sight:
    if reached is None:
        return Sight(without_report(view, fault) if fault else view)
    if reached.report is None:
        return Sight(without_report(view, reached.fault))
    called = reached.report.subject.hostname.partition(".")[0]
    if called.lower() != view.name.lower():
        why = f"{reached.target.host} is a machine called {called or 'nothing'}, not {view.name}"
        return Sight(without_report(view, why))
    return Sight(view, reached.report)
