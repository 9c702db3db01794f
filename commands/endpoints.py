"""The hypervisors that the manifests name, each opened once, and work on all of their VMs at the same time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import click
import msgspec

from commands.crew import Interrupted, Job, leave, run
from commands.display import State
from commands.failures import complain
from commands.manifests import plural
from commands.output import Terminal
from hostcheck.exits import Exit, worst

if TYPE_CHECKING:
    from hostcheck.local import Look
    from hostcheck.model import Judgement
    from hostcheck.report import Report
    from provision.model import ProviderSpec, VmSpec
    from provision.provider import Progress, Provider, ProviderError

T = TypeVar("T")
UNTOUCHED = "stopped before anything was changed"
NOT_BEGUN = "not begun"
ORDER = (State.DONE, State.FAILED, State.STOPPED, State.WORKING, State.WAITING)


class Endpoint(msgspec.Struct, frozen=True, dict=True):
    """An open hypervisor with the VMs that are wanted on it, and what is known of its host."""

    provider: Provider
    vms: tuple[VmSpec, ...]
    here: Look | None
    """None when the host is elsewhere or nobody needs to know."""

    @cached_property
    def report(self) -> Report | None:
        """The host's own."""
        return self.here.report() if self.here else None

    @cached_property
    def host(self) -> Judgement | None:
        if self.here is None:
            return None
        self.here.begin()
        from hostcheck.checks import catalogue
        from hostcheck.judge import judge

        catalogue()  # loaded while it looks
        return judge(self.here.report())

    def deciding(self, vm: VmSpec) -> Judgement | None:
        """What is known of the host, where it decides how this VM is run: one that is emulated runs on any."""
        return self.host if _depends_on_host(vm) else None


class Endpoints(msgspec.Struct):
    """All that could be opened, and the exit codes of everything so far."""

    terminal: Terminal
    opened: list[Endpoint]
    codes: list[Exit] = msgspec.field(default_factory=list)

    @property
    def code(self) -> Exit:
        return worst(self.codes)

    def each(self, errand: Errand[T]) -> None:
        """Do one errand for every VM, `errand.parallel` at a time; one's failure is noted and stops no other."""
        pairs = {vm.key: (endpoint, vm) for endpoint in self.opened for vm in endpoint.vms if errand.wants(vm)}
        jobs: list[Job[T]] = [Job(key, _work(errand, *pair), errand.doing) for key, pair in pairs.items()]
        if not jobs:
            return

        def done(job: Job[T]) -> None:
            self.codes.append(self._done(errand, job, *pairs[job.name]))

        try:
            run(errand.title, jobs, self.terminal, errand.parallel, done, errand.meanwhile)
        except Interrupted:
            self.terminal.note(_how_far(errand, jobs))
            for line in errand.next_steps:
                self.terminal.note(f"  {line}")
            complain("interrupted")
            leave(Exit.INTERRUPTED)
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None

    def _done(self, errand: Errand[T], job: Job[T], endpoint: Endpoint, vm: VmSpec) -> Exit:
        from provision.provider import ProviderError

        if job.error is None:
            assert job.result is not None
            return errand.done(endpoint, vm, job.result)
        if isinstance(job.error, ProviderError):
            self.terminal.complaint(f"{vm.key}: {job.error}", job.error.hint)
            if half_way := errand.half_way(vm, job.error):
                self.terminal.note(f"{vm.key}: {half_way}")
            return code_of(job.error)
        if click.get_current_context().obj:  # --debug
            import traceback

            self.terminal.note("".join(traceback.format_exception(job.error)))
        self.terminal.complaint(f"{vm.key}: internal error: {type(job.error).__name__}: {job.error}")
        return Exit.INTERNAL


class Errand(msgspec.Struct, Generic[T], frozen=True):
    """What is to be done for each VM."""

    title: str
    """For the display."""
    work: Callable[[Endpoint, VmSpec, Progress, Progress], T]
    """In a worker thread; speaks by progress (what is going on) and say (what stays)."""
    done: Callable[[Endpoint, VmSpec, T], Exit]
    """In the main thread, when `work` returned."""
    parallel: int
    wants: Callable[[VmSpec], bool] = lambda _: True
    doing: str = ""
    """What the display shows of a VM before its first progress."""
    half_way: Callable[[VmSpec, ProviderError], str] = lambda _, __: ""
    """Said of a VM whose work failed: what there is of it by now and how to go on; nothing where nothing was begun."""
    past: str = "done"
    """How the interrupted run calls what has ended."""
    cut_off: str = ""
    """How it calls what it ended, where that leaves nothing half way."""
    meanwhile: Callable[[], object] | None = None
    """Called once, in the main thread, when all who work wait for something."""
    next_steps: Sequence[str] = ()
    """Commands for an interrupted run."""


def _work(errand: Errand[T], endpoint: Endpoint, vm: VmSpec) -> Callable[[Progress, Progress], T]:
    return lambda progress, say: errand.work(endpoint, vm, progress, say)


def _how_far(errand: Errand[T], jobs: Sequence[Job[T]]) -> str:
    """What exists after Ctrl-C."""
    names: dict[str, list[str]] = {}
    for job in sorted(jobs, key=lambda job: ORDER.index(job.state)):
        names.setdefault(_word(errand, job), []).append(job.name)
    waiting = len(names.pop(NOT_BEGUN, ()))
    parts = [
        f"{len(found)} {word} ({', '.join(found[:8])}{', …' if len(found) > 8 else ''})"
        for word, found in names.items()
    ]
    return f"{errand.title}: " + ", ".join([*parts, f"{waiting} {NOT_BEGUN}"] if waiting else parts)


def _word(errand: Errand[T], job: Job[T]) -> str:
    from provision.provider import is_unchanged

    match job.state:
        case State.DONE:
            return errand.past
        case State.FAILED:
            return "failed"
        case State.STOPPED:
            return errand.cut_off or (UNTOUCHED if is_unchanged(job.error) else "stopped half way")
        case State.WORKING:
            return errand.cut_off or "left half way"
    return NOT_BEGUN


def _depends_on_host(vm: VmSpec) -> bool:
    from provision.model import AccelPolicy

    return vm.accel is not AccelPolicy.TCG


def begin_look(connect: str | None) -> Look | None:
    """A look at this machine, which goes on while manifests are read; None where `connect` leads elsewhere.

    Without `connect` the manifests say where the VMs run. Mostly that is here, and if not, nobody asks what was seen.
    """
    from hostcheck.local import Look
    from provision.providers import leads_here

    if connect is not None and not leads_here(connect):
        return None
    look = Look()
    if (os.cpu_count() or 1) > 2:  # the manifests and the modules take two
        look.begin()
    click.get_current_context().call_on_close(look.close)
    return look


@contextlib.contextmanager
def opened(vms: Collection[VmSpec], terminal: Terminal, here: Look | None = None) -> Iterator[Endpoints]:
    """Open every endpoint of these VMs, with what was seen of its host. What cannot be opened is said and counted."""
    from provision.model import Placement
    from provision.provider import ProviderError
    from provision.providers import is_local, prepare_process

    groups: dict[ProviderSpec, list[VmSpec]] = {}
    for vm in vms:
        groups.setdefault(msgspec.structs.replace(vm.provider, name="", origin=None, defaults=Placement()), []).append(
            vm
        )
    prepare_process(groups)
    if here is not None and any(is_local(vm.provider) and _depends_on_host(vm) for vm in vms):
        here.begin()
    endpoints = Endpoints(terminal, [])
    try:
        for group in groups.values():
            try:
                endpoints.opened.append(_open(tuple(group), terminal, here if is_local(group[0].provider) else None))
            except ProviderError as e:
                complain(str(e), e.hint)
                endpoints.codes.append(code_of(e))
        yield endpoints
    finally:
        for endpoint in endpoints.opened:
            endpoint.provider.close()


def _open(vms: tuple[VmSpec, ...], terminal: Terminal, here: Look | None) -> Endpoint:
    from provision.providers import open_provider

    provider = open_provider(vms[0].provider)
    if here is not None and any(map(_depends_on_host, vms)):
        terminal.progress(f"{provider.name}: looking at the host")
    return Endpoint(provider, vms, here)


def code_of(error: Exception) -> Exit:
    """3 for what cannot work here, 2 for a set-up that does not let us try."""
    return Exit.FAIL if getattr(error, "refused", False) else Exit.USAGE


def tally(words: Sequence[str], total: int) -> str:
    """`20 VMs: 12 created, 8 as wanted`, in the order in which the words first came; failures are what is left."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    parts = [f"{count} {word}" for word, count in counts.items()]
    if failed := total - len(words):
        parts.append(f"{failed} failed")
    return f"{plural(total, 'VM')}: {', '.join(parts)}"
