"""`nestproof plan` and `nestproof apply`: from manifests to VMs whose nesting is proven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.failures import complain
from commands.options import connect_option, files_argument, reports_option
from commands.output import Terminal
from hostcheck.exits import Exit, of_verdict, worst

if TYPE_CHECKING:
    from commands.recording import Recorder
    from hostcheck.model import Chain, Judgement
    from provision.model import VmSpec
    from provision.provider import Plan, Provider


@click.command()
@files_argument
@connect_option
@click.option("--show-native", is_flag=True, help="Also print what the provider is told, such as the domain XML.")
def plan(files: tuple[str, ...], connect: str | None, show_native: bool) -> int:
    """Show what apply would do with the VMs of FILE..., and what becomes of each field. Changes nothing."""
    terminal = Terminal()

    def show(provider: Provider, vm: VmSpec, host: Judgement | None) -> Exit:
        planned = provider.plan(vm, host)
        _announce(planned, terminal)
        terminal.result(_plan_text(planned, show_native))
        return Exit.OK

    return _for_each_vm(files, connect, terminal, show)


@click.command()
@files_argument
@connect_option
@click.option("--wait/--no-wait", default=False, help="Wait for each VM's own proof and let it decide the exit code.")
@click.option("--timeout", type=click.FloatRange(1), default=900.0, show_default=True, metavar="SECONDS",
              help="How long to wait for a VM's proof.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
              help="With warn, a VM that works only slowly or emulated exits with 4.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show every link, its evidence and every field that was honoured.")
@reports_option
def apply(
    files: tuple[str, ...], connect: str | None, wait: bool, timeout: float, fail_on: str, verbose: bool,
    reports: tuple[tuple[str, Path], ...],
) -> int:  # fmt: skip
    """Create the VMs of FILE... and prove that they run VMs of their own.

    FILE holds VMClass, VMImage, VirtualMachine and Provider documents; a directory stands for its *.yaml, `-` for
    standard input. Safe to repeat: what is as wanted is kept, what was left half done by a killed run is finished.

    \b
    nestproof apply vm.yaml --wait           exit 0 only if a guest ran inside the VM
    nestproof apply vm.yaml -c qemu:///system
    nestproof destroy vm.yaml                remove all of it again
    """
    from commands.recording import Recorder, host_entry

    terminal = Terminal()
    recorder = Recorder(terminal)
    chains: dict[str, Chain] = {}

    def bring_up(provider: Provider, vm: VmSpec, host: Judgement | None) -> Exit:
        planned = provider.plan(vm, host)
        _announce(planned, terminal, verbose=verbose)
        try:
            provider.apply(planned, lambda line: terminal.progress(f"{vm.key}: {line}"))
            chain = _hear(provider, vm, host, timeout if wait else None, recorder, terminal)
        except BaseException:
            again = " ".join(files)
            terminal.note(f"{vm.key}: stopped half way; go on with `nestproof apply {again}`, undo with `destroy`")
            raise
        chains[vm.key] = chain
        if not wait:
            terminal.note(f"{vm.key}: applied; prove it with `nestproof apply {' '.join(files)} --wait`")
            return Exit.OK
        return of_verdict(chain.verdict, fail_on_warn=fail_on == "warn")

    def keep_host(host: Judgement, report: Any) -> None:
        from hostcheck.chain import host_chain

        recorder.keep([host_entry(report, host.name)])
        chains[f"host {host.name}"] = host_chain(host)

    code = _for_each_vm(files, connect, terminal, bring_up, keep_host)
    if chains:
        _print(list(chains.values()), recorder, terminal, reports, verbose=verbose, proven=wait)
    return code


def _for_each_vm(
    files: tuple[str, ...],
    connect: str | None,
    terminal: Terminal,
    action: Callable[[Provider, VmSpec, Judgement | None], Exit],
    keep_host: Callable[[Judgement, Any], None] | None = None,
) -> Exit:
    """Read the manifests and run `action` for every VM on its provider; one VM's failure does not stop the others."""
    from commands.manifests import wanted
    from hostcheck.judge import judge
    from provision.provider import ProviderError
    from provision.providers import open_provider, prepare_process

    vms = wanted(files, connect, terminal)
    prepare_process(vm.provider for vm in vms)
    endpoints: dict[tuple[str, str], list[VmSpec]] = {}
    for vm in vms:
        endpoints.setdefault((vm.provider.type, vm.provider.endpoint), []).append(vm)
    codes = []
    for group in endpoints.values():
        try:
            provider = open_provider(group[0].provider)
        except ProviderError as e:
            complain(str(e), e.hint)
            codes.append(_code(e))
            continue
        try:
            terminal.progress(f"{provider.name}: looking at the host")
            report = provider.host_report()
            host = judge(report) if report is not None else None
            if host is not None and keep_host is not None:
                keep_host(host, report)
            for vm in group:
                try:
                    codes.append(action(provider, vm, host))
                except ProviderError as e:
                    complain(f"{vm.key}: {e}", e.hint)
                    codes.append(_code(e))
        finally:
            provider.close()
    return worst(codes)


def _code(error: Any) -> Exit:
    return Exit.FAIL if error.refused else Exit.USAGE


def _hear(
    provider: Provider, vm: VmSpec, host: Judgement | None, timeout: float | None, recorder: Recorder,
    terminal: Terminal,
) -> Chain:  # fmt: skip
    """Ask the VM and the provider, keep what they say, and join it with the host's judgement."""
    from commands.recording import vm_entry
    from hostcheck.chain import vm_chain
    from hostcheck.judge import judge
    from hostcheck.report import decode
    from provision.proving import hear, not_awaited

    if timeout is None:
        heard = not_awaited(provider, vm)
    else:
        heard = hear(provider, vm, timeout, lambda line: terminal.progress(f"{vm.key}: {line}"))
    recorder.keep([vm_entry(heard.view, host.name if host else "", heard.report, heard.arrival, heard.detail)])
    guest = judge(decode(heard.report), vm.key) if heard.report is not None else None
    return vm_chain(heard.view, guest, host, heard.detail)


def _announce(planned: Plan, terminal: Terminal, *, verbose: bool = False) -> None:
    """Say aloud what the user would not expect: emulation, and every field that is not honoured as it stands."""
    from provision.model import Handling

    for note in planned.notes:
        terminal.note(f"{planned.vm.key}: {note}")
    expected = (Handling.HONOURED, Handling.INFORMATIVE)
    for account in planned.accounts:
        if verbose or account.handling not in expected:
            terminal.note(f"{account.origin}: {account.path}: {account.handling.value}: {account.how}")


def _plan_text(planned: Plan, native: bool) -> str:
    lines = [planned.vm.key]
    lines += [f"  {step.action:8} {step.what}{f': {step.detail}' if step.detail else ''}" for step in planned.steps]
    if native:
        lines += ["", planned.native]
    return "\n".join(lines)


def _print(
    chains: list[Chain], recorder: Recorder, terminal: Terminal, reports: tuple[tuple[str, Path], ...], *,
    verbose: bool, proven: bool,
) -> None:  # fmt: skip
    from reports.text import check_text

    if proven:
        for chain in chains:
            if chain.kind == "vm":
                terminal.result(check_text(chain, verbose=verbose, **terminal.style()))
    recorder.write(recorder.matrix(chains), reports)
    if page := recorder.page():
        terminal.note(f"page of everything known: {page}")
