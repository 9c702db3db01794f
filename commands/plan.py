"""`nestproof plan`: what apply would do, to read, to keep, and to carry out later exactly so."""

from __future__ import annotations

import shlex
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.endpoints import Endpoint, Errand, begin_look, opened, tally
from commands.intent import intent
from commands.manifests import plural
from commands.options import connect_option, files_argument, parallel_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from provision.model import VmSpec
    from provision.provider import Plan, Progress

verbose_option = click.option("-v", "--verbose", is_flag=True, help="Show what becomes of every field.")


@click.command()
@files_argument
@connect_option
@parallel_option
@click.option("--show-native", is_flag=True, help="Also print what the provider is told, such as the domain XML.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="PLAN.json",
              help="Save the plan; `nestproof apply PLAN.json` carries out exactly it.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="What to print on stdout.")  # fmt: skip
@verbose_option
def plan(
    files: tuple[str, ...], connect: str | None, parallel: int, show_native: bool, output: Path | None, form: str,
    verbose: bool,
) -> int:  # fmt: skip
    """Show what apply would do with the VMs of FILE..., and what becomes of each field. Changes nothing.

    
    nestproof plan vm.yaml                   what differs, the steps, and what they cost a VM that runs
    nestproof plan vm.yaml -o monday.json    keep it; no secret is in it
    nestproof apply monday.json              exactly that, or nothing where the world has moved
    """
    from commands.manifests import Reading
    from commands.planfile import plan_file, save, text
    from commands.together import added_up

    terminal = Terminal()
    reading, here = Reading(files, connect), begin_look(connect)
    vms = reading.wanted(terminal)
    plans: dict[str, Plan] = {}

    def look(endpoint: Endpoint, vm: VmSpec, _: Progress, __: Progress) -> Plan:
        return endpoint.provider.plan(vm, endpoint.deciding(vm))

    def looked(_: Endpoint, vm: VmSpec, planned: Plan) -> Exit:
        plans[vm.key] = planned
        return Exit.OK

    with opened(vms, terminal, here) as endpoints:
        endpoints.each(Errand("plan", look, looked, parallel, doing="planning", past="planned", cut_off="not planned"))
        together = added_up(endpoints, plans)
        code = endpoints.code
    ordered = [plans[vm.key] for vm in vms if vm.key in plans]
    herald = Herald(verbose=verbose)
    for line in [line for each in ordered for line in herald.lines(each)] + herald.rest():
        terminal.note(line)
    for note in together.notes:
        terminal.note(note)
    if form == "json":
        terminal.result(text(plan_file(ordered, files, connect, together.notes)))
    else:
        for said in plan_texts(ordered, native=show_native):
            terminal.result(said)
    if output is not None and len(ordered) == len(vms) and not together.refused:
        save(plan_file(ordered, files, connect, together.notes), output)
        terminal.note(f"saved: `nestproof apply {shlex.quote(str(output))}` carries it out")
    elif output is not None:
        why = "not all of it fits" if together.refused else "not every VM could be planned"
        terminal.note(f"{output} was not written: {why}")
    if len(vms) > 1:
        terminal.note(tally([intent(each) for each in ordered], len(vms)))
    return code


class Herald:
    """Says what the user would not expect: emulation, and every field that is not honoured as it stands.

    What is true of many VMs is said of the first of them, and in `rest` of how many more. Called by many threads.
    """

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._lock = threading.Lock()
        self._told: dict[str, list[str]] = {}
        self._notes: set[str] = set()

    def lines(self, planned: Plan) -> list[str]:
        """What has not been said yet."""
        from provision.model import Handling

        key = planned.vm.key
        said = [(note, f"{key}: {note}") for note in planned.notes]
        for account in planned.accounts:
            if self._verbose or account.handling not in (Handling.HONOURED, Handling.INFORMATIVE):
                line = f"{account.origin}: {account.path}: {account.handling.value}: {account.how}"
                said.append((line, line))
        with self._lock:
            self._notes.update(planned.notes)
            new = [line for text, line in said if text not in self._told]
            for text, _ in said:
                self._told.setdefault(text, []).append(key)
        return new

    def rest(self) -> list[str]:
        """What `lines` has left out: the notes that are true of more VMs than the one they were said of."""
        return [
            f"the same of {plural(len(keys) - 1, 'other VM')}: {text}"
            for text, keys in self._told.items()
            if len(keys) > 1 and text in self._notes
        ]


def plan_texts(plans: Sequence[Plan], *, native: bool = False) -> list[str]:
    """One text for each VM, but only one for those of which the same is planned: of a hundred nobody reads them all."""
    alike: dict[str, list[str]] = {}
    for planned in plans:
        alike.setdefault(_text(planned, native=native), []).append(planned.vm.key)
    return [f"{_names(keys)}\n{text}" for text, keys in alike.items()]


def _names(keys: Sequence[str]) -> str:
    if len(keys) == 1:
        return keys[0]
    names = textwrap.wrap(", ".join(keys), 118, break_on_hyphens=False, break_long_words=False)
    return "\n".join([f"{len(keys)} VMs alike:", *(f"  {line}" for line in names), ""])


def _text(planned: Plan, *, native: bool) -> str:
    """What differs, the steps, and what they cost."""
    from provision.provider import Power

    lines = []
    for difference in planned.differences:
        lines.append(f"  {difference.setting}: {difference.observed or 'none'} → {difference.wanted or 'none'}")
    lines += [f"  {step.action:8} {step.what}{f': {step.detail}' if step.detail else ''}" for step in planned.steps]
    if planned.power is Power.POWER_CYCLE:
        lines.append("  the VM runs: it is switched off and on again, a reboot from inside would not do")
    elif planned.power is Power.OFF:
        lines.append("  the VM runs: it is switched off")
    if native:
        lines += ["", planned.native]
    return "\n".join(lines)
