"""`nestproof destroy`: remove exactly what apply made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.endpoints import Endpoint, Errand, opened, tally
from commands.options import connect_option, files_argument, parallel_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from provision.model import VmSpec
    from provision.provider import Progress


@click.command()
@files_argument
@connect_option
@parallel_option
@store_option
def destroy(files: tuple[str, ...], connect: str | None, parallel: int) -> int:
    """Remove the VMs of FILE... with their disks, seeds and logs; also what a killed apply left half done.

    Only what apply made is touched. What is not there is no error: destroy is safe to repeat. Reports that were
    received stay in the store.

    \b
    nestproof destroy vm.yaml
    nestproof destroy vm.yaml -c qemu:///system    the endpoint that it was applied with
    """
    from commands.manifests import typed, wanted
    from commands.recording import Recorder, destroyed_entry

    terminal = Terminal()
    recorder = Recorder(terminal)
    vms = wanted(files, connect, terminal)
    words: list[str] = []

    def remove(endpoint: Endpoint, vm: VmSpec, _: Progress, __: Progress) -> tuple[str, ...]:
        return endpoint.provider.destroy(vm.namespace, vm.name)

    def removed(endpoint: Endpoint, vm: VmSpec, names: tuple[str, ...]) -> Exit:
        words.append("removed" if names else "not there")
        for name in names:
            terminal.note(f"{vm.key}: removed {name}")
        if names:
            recorder.keep([destroyed_entry(vm.key, endpoint.provider.name)])
        else:
            terminal.note(f"{vm.key}: nothing of it is there")
        return Exit.OK

    again = f"nestproof destroy {typed(files, connect)}"
    with opened(vms, terminal) as endpoints:
        endpoints.each(
            Errand(
                "destroy", remove, removed, parallel, doing="removing", past="destroyed",
                half_way=lambda _, __: f"may be left half way: `{again}` goes on", next_steps=(f"{again}    goes on",),
            )
        )  # fmt: skip
        code = endpoints.code
    if len(vms) > 1:
        terminal.note(tally(words, len(vms)))
    recorder.page()
    return code
