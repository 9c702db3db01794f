"""`nestproof plan`, `apply` and `verify`: from manifests to VMs whose nesting is proven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.endpoints import Endpoint, attempt, visit
from commands.options import connect_option, files_argument, reports_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit, of_verdict

if TYPE_CHECKING:
    from provision.model import VmSpec
    from provision.provider import Plan

timeout_option = click.option(
    "--timeout", type=click.FloatRange(1), default=900.0, show_default=True, metavar="SECONDS",
    help="How long to wait for a VM's proof.",
)  # fmt: skip
fail_on_option = click.option(
    "--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
    help="With warn, a VM that works only slowly or emulated exits with 4.",
)  # fmt: skip
verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Show every link, its evidence and what becomes of every field."
)


@click.command()
@files_argument
@connect_option
@click.option("--show-native", is_flag=True, help="Also print what the provider is told, such as the domain XML.")
@verbose_option
def plan(files: tuple[str, ...], connect: str | None, show_native: bool, verbose: bool) -> int:
    """Show what apply would do with the VMs of FILE..., and what becomes of each field. Changes nothing."""
    from commands.manifests import wanted

    terminal = Terminal()

    def show(endpoint: Endpoint) -> list[Exit]:
        codes: list[Exit] = []
        for vm in endpoint.vms:

            def one(vm: VmSpec = vm) -> Exit:
                planned = endpoint.provider.plan(vm, endpoint.host)
                _announce(planned, terminal, verbose=verbose)
                terminal.result(_plan_text(planned, show_native))
                return Exit.OK

            attempt(vm, codes, one)
        return codes

    return visit(wanted(files, connect, terminal), terminal, show, look=True)


@click.command()
@files_argument
@connect_option
@click.option("--wait/--no-wait", default=False, help="Wait for each VM's own proof and let it decide the exit code.")
@timeout_option
@fail_on_option
@verbose_option
@reports_option
@store_option
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
    from commands.manifests import wanted
    from commands.proofs import Proofs

    terminal = Terminal()
    vms = wanted(files, connect, terminal)
    proofs = Proofs(terminal)
    again = " ".join(files)

    def bring_up(endpoint: Endpoint) -> list[Exit]:
        proofs.host(endpoint)
        codes: list[Exit] = []
        started = []
        for vm in endpoint.vms:

            def start(vm: VmSpec = vm) -> Exit:
                planned = endpoint.provider.plan(vm, endpoint.host)
                _announce(planned, terminal, verbose=verbose)
                try:
                    endpoint.provider.apply(planned, lambda line: terminal.progress(f"{vm.key}: {line}"))
                except BaseException:
                    terminal.note(f"{vm.key}: stopped half way: `nestproof apply {again}` goes on, `destroy` undoes")
                    raise
                return Exit.OK

            if attempt(vm, codes, start):
                started.append(vm)
        for vm in started:

            def prove(vm: VmSpec = vm) -> Exit:
                chain = proofs.hear(endpoint, vm, timeout if wait else None)
                if wait:
                    return of_verdict(chain.verdict, fail_on_warn=fail_on == "warn")
                terminal.note(f"{vm.key}: applied, not proven: `nestproof verify {again}` asks it for its proof")
                return Exit.OK

            attempt(vm, codes, prove)
        return codes

    code = visit(vms, terminal, bring_up, look=True)
    proofs.show(reports, verbose=verbose, silent=not wait)
    return code


@click.command()
@files_argument
@connect_option
@timeout_option
@fail_on_option
@verbose_option
@reports_option
@store_option
def verify(
    files: tuple[str, ...], connect: str | None, timeout: float, fail_on: str, verbose: bool,
    reports: tuple[tuple[str, Path], ...],
) -> int:  # fmt: skip
    """Ask the VMs of FILE... for a fresh proof, and read back what they really have. Changes nothing.

    For VMs that apply created; any time, as often as you like. The exit code is that of `apply --wait`.
    """
    from commands.manifests import wanted
    from commands.proofs import Proofs

    terminal = Terminal()
    vms = wanted(files, connect, terminal)
    proofs = Proofs(terminal)

    def ask(endpoint: Endpoint) -> list[Exit]:
        proofs.host(endpoint)
        codes: list[Exit] = []
        for vm in endpoint.vms:

            def prove(vm: VmSpec = vm) -> Exit:
                chain = proofs.hear(endpoint, vm, timeout)
                return of_verdict(chain.verdict, fail_on_warn=fail_on == "warn")

            attempt(vm, codes, prove)
        return codes

    code = visit(vms, terminal, ask, look=True)
    proofs.show(reports, verbose=verbose)
    return code


def _announce(planned: Plan, terminal: Terminal, *, verbose: bool) -> None:
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
