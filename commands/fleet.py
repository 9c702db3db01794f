"""Checking many hosts: who is asked, what is shown meanwhile, and what is known when it is interrupted."""

from collections.abc import Sequence
from dataclasses import dataclass

from commands.failures import Failure
from commands.filenames import is_file_name
from commands.output import Terminal
from hostcheck.clock import monotonic
from hostcheck.local import local_report
from hostcheck.reach import fleet
from hostcheck.reach.inventory import InventoryError, read
from hostcheck.reach.ssh import Reached, Ssh
from hostcheck.reach.targets import HERE, Target, TargetError, parse


def chosen(names: Sequence[str], inventories: Sequence[str]) -> list[Target]:
    """The hosts that the command line asks for; this machine when it names none. Raises Failure."""
    if file := next((name for name in names if is_file_name(name)), None):
        raise Failure(
            f"{file}: the name of a file, not of a host",
            hint=f"`nestproof show {file}` reads one with reports, `nestproof check -i {file}` one with hosts",
        )
    try:
        targets = [parse(name) for name in names]
        for path in inventories:
            targets += read(path)
    except (TargetError, InventoryError) as e:
        raise Failure(str(e)) from e
    if not targets and inventories:
        raise Failure(f"{' '.join(inventories)}: there is no host in it")
    return list(dict.fromkeys(targets)) or [HERE]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of every host, in the order of asking."""

    reached: tuple[Reached, ...]
    interrupted: bool


def ask(targets: Sequence[Target], ssh: Ssh, *, limit: int, timeout: float, terminal: Terminal) -> Asked:
    """Ask every host, at most `limit` at a time and `timeout` seconds each. Ctrl-C ends it with what is known."""
    watch = Watch(len(targets), terminal)
    interrupted = False
    try:
        for target in targets:
            if target.local:
                watch.begin(target)
                watch.done(Reached(target, local_report(timeout=ssh.agent_timeout, measure=ssh.measure)))
        remote = [target for target in targets if not target.local]
        if remote:
            fleet.fetch(remote, ssh, limit=limit, timeout=timeout, begin=watch.begin, done=watch.done)
    except KeyboardInterrupt:
        terminal.note(f"interrupted: {len(watch.reached)} of {len(targets)} hosts had answered")
        interrupted = True
    known = {reached.target: reached for reached in watch.reached}
    silent = "interrupted before it answered"
    return Asked(tuple(known.get(target) or Reached(target, None, silent) for target in targets), interrupted)


class Watch:
    """The progress line: how many have answered, and who keeps us waiting."""

    def __init__(self, total: int, terminal: Terminal) -> None:
        self.reached: list[Reached] = []
        self._total = total
        self._terminal = terminal
        self._since: dict[Target, float] = {}
        self._tenth = 0

    def begin(self, target: Target) -> None:
        self._since[target] = monotonic()

    def done(self, reached: Reached) -> None:
        self._since.pop(reached.target, None)
        self.reached.append(reached)
        if reached.report is None:
            self._terminal.note(f"{reached.target.name}: {reached.fault}")
        tenth = len(self.reached) * 10 // self._total
        if self._total > 1 and (self._terminal.live or tenth > self._tenth):
            self._tenth = tenth
            self._terminal.progress(self._line())

    def _line(self) -> str:
        line = f"{len(self.reached)}/{self._total} hosts"
        if self._since:
            slowest, since = min(self._since.items(), key=lambda item: item[1])
            line += f", waiting for {slowest.name} ({monotonic() - since:.0f} s)"
        return line
