"""`nestproof destroy`: remove exactly what apply made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.endpoints import Endpoint, attempt, visit
from commands.options import connect_option, files_argument, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from provision.model import VmSpec


@click.command()
@files_argument
@connect_option
@store_option
def destroy(files: tuple[str, ...], connect: str | None) -> int:
    """Remove the VMs of FILE... with their disks, seeds and logs; also what a killed apply left half done.

    Only what apply made is touched. What is not there is no error: destroy is safe to repeat. Reports that were
    received stay in the store.
    """
    from commands.manifests import wanted
    from commands.recording import Recorder, destroyed_entry

    terminal = Terminal()
    recorder = Recorder(terminal)

    def remove(endpoint: Endpoint) -> list[Exit]:
        codes: list[Exit] = []
        for vm in endpoint.vms:

            def one(vm: VmSpec = vm) -> Exit:
                removed = endpoint.provider.destroy(vm.namespace, vm.name)
                for name in removed:
                    terminal.note(f"{vm.key}: removed {name}")
                if removed:
                    recorder.keep([destroyed_entry(vm.key, endpoint.provider.name)])
                else:
                    terminal.note(f"{vm.key}: nothing of it is there")
                return Exit.OK

            attempt(vm, codes, one)
        return codes

    code = visit(wanted(files, connect, terminal), terminal, remove, look=False)
    recorder.page()
    return code
