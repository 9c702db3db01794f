"""`nestproof apply` and `verify`: from manifests to VMs whose nesting is proven."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.endpoints import Endpoint, Errand, begin_look, opened, tally
from commands.options import Finite, connect_option, files_argument, parallel_option, reports_option, store_option
from commands.output import Terminal
from commands.plan import Herald
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from provision.model import VmSpec
    from provision.provider import Plan, Progress, ProviderError

timeout_option = click.option(
    "--timeout", type=Finite(1), default=900.0, show_default=True, metavar="SECONDS",
    help="How long to wait for a VM's proof; up to three times as long while its console shows it getting on.",
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
@click.option("--wait/--no-wait", default=False, help="Wait for each VM's own proof and let it decide the exit code.")
@timeout_option
@parallel_option
@fail_on_option
@verbose_option
@reports_option
@store_option
def apply(
    files: tuple[str, ...], connect: str | None, wait: bool, timeout: float, parallel: int, fail_on: str,
    verbose: bool, reports: tuple[tuple[str, Path], ...],
) -> int:  # fmt: skip
    """Create the VMs of FILE... and prove that they run VMs of their own.

    FILE holds VMClass, VMImage, VirtualMachine and Provider documents; a directory stands for its *.yaml, `-` for
    standard input. Safe to repeat: what is as wanted is kept, what was left half done by a killed run is finished.

    \b
    nestproof apply vm.yaml --wait           exit 0 only if a guest ran inside the VM
    nestproof apply vm.yaml -c qemu:///system
    nestproof apply plan.json                exactly what `nestproof plan -o plan.json` said, or nothing
    nestproof destroy vm.yaml                remove all of it again
    """
    from commands.failures import Failure
    from commands.manifests import Reading, typed
    from commands.planfile import hold_to, load
    from commands.together import added_up
    from provision.provider import is_unchanged

    terminal = Terminal()
    saved = load(files)
    if saved is not None:
        if connect is not None:
            raise Failure(f"{files[0]} is a plan, which says where: --connect goes with manifests")
        files, connect = tuple(source.path for source in saved.sources), saved.connect
    reading, here = Reading(files, connect), begin_look(connect)
    vms = reading.wanted(terminal)
    again = typed(files, connect)
    herald = Herald(verbose=verbose)
    words: list[str] = []
    plans: dict[str, Plan] = {}
    up: set[str] = set()

    def half_way(_: VmSpec, error: ProviderError) -> str:
        if is_unchanged(error):
            return f"nothing of it was made or changed: `nestproof apply {again}` tries again"
        return f"stopped half way: `nestproof apply {again}` goes on, `destroy` undoes"

    def look(endpoint: Endpoint, vm: VmSpec, _: Progress, say: Progress) -> Plan:
        planned = endpoint.provider.plan(vm, endpoint.deciding(vm))
        if saved is not None:
            hold_to(saved, planned)
        for line in herald.lines(planned):
            say(line)
        return planned

    def looked(_: Endpoint, vm: VmSpec, planned: Plan) -> Exit:
        plans[vm.key] = planned
        return Exit.OK

    def bring_up(endpoint: Endpoint, vm: VmSpec, progress: Progress, _: Progress) -> Plan:
        endpoint.provider.apply(plans[vm.key], progress)
        return plans[vm.key]

    def applied(_: Endpoint, vm: VmSpec, planned: Plan) -> Exit:
        up.add(vm.key)
        words.append(done_word(planned))
        if len(vms) > 1:
            terminal.note(f"{vm.key}: {words[-1]}")
        return Exit.OK

    with opened(vms, terminal, here) as endpoints:
        endpoints.each(Errand("plan", look, looked, parallel, doing="planning", past="planned", cut_off="not planned"))
        together = added_up(endpoints, plans)
        for note in together.notes:
            terminal.note(note)
        endpoints.each(
            Errand(
                "apply", bring_up, applied, parallel, past="applied", half_way=half_way,
                wants=lambda vm: vm.key in plans and vm.key not in together.refused,
                meanwhile=lambda: import_module("commands.proofs"),  # it takes as long as a VM takes to start
                next_steps=(f"nestproof apply {again}      goes on", f"nestproof destroy {again}    undoes all of it"),
            )
        )  # fmt: skip
        for line in herald.rest():
            terminal.note(line)
        if len(vms) > 1:
            terminal.note(tally(words, len(vms)))
        from commands.proofs import Proofs

        proofs = Proofs(terminal)
        for endpoint in endpoints.opened:
            proofs.host(endpoint)
        if wait:
            endpoints.each(proofs.errand(timeout, parallel, fail_on_warn=fail_on == "warn", wants=up, again=again))
        else:
            for endpoint in endpoints.opened:
                for vm in (vm for vm in endpoint.vms if vm.key in up):
                    proofs.not_awaited(endpoint, vm, changed=plans[vm.key].changes)
            if up:
                terminal.note(f"applied, not proven: `nestproof verify {again}` asks for the proof")
        code = endpoints.code
    proofs.show(reports, verbose=verbose, silent=not wait)
    return code


@click.command()
@files_argument
@connect_option
@timeout_option
@parallel_option
@fail_on_option
@verbose_option
@reports_option
@store_option
def verify(
    files: tuple[str, ...], connect: str | None, timeout: float, parallel: int, fail_on: str,
    verbose: bool, reports: tuple[tuple[str, Path], ...],
) -> int:  # fmt: skip
    """Ask the VMs of FILE... for a fresh proof, and read back what they really have. Changes no setting of theirs.

    Once the first report has come, a seed on Proxmox VE is of no more use and is taken out of its drive.

    For VMs that apply created; any time, as often as you like. The exit code is that of `apply --wait`.

    \b
    nestproof verify vm.yaml
    nestproof verify vm.yaml --report junit=proof.xml    for a pipeline
    """
    from commands.manifests import Reading, typed
    from commands.proofs import Proofs

    terminal = Terminal()
    reading, here = Reading(files, connect), begin_look(connect)
    vms = reading.wanted(terminal)
    proofs = Proofs(terminal)
    with opened(vms, terminal, here) as endpoints:
        for endpoint in endpoints.opened:
            proofs.host(endpoint)
        endpoints.each(proofs.errand(timeout, parallel, fail_on_warn=fail_on == "warn", again=typed(files, connect)))
        code = endpoints.code
    proofs.show(reports, verbose=verbose)
    return code


def done_word(planned: Plan) -> str:
    """What apply did, in one or two words."""
    actions = {step.action for step in planned.steps}
    if not planned.changes:
        return "as wanted already"
    if "replace" in actions:
        return "rebuilt"
    if "create" in actions:
        return "created"
    if "redefine" in actions:
        return "changed"
    return "started" if "start" in actions else "stopped"
