"""`nestproof destroy`: remove exactly what apply made."""

import click

from commands.failures import complain
from commands.options import connect_option, files_argument
from commands.output import Terminal
from hostcheck.exits import Exit, worst


@click.command()
@files_argument
@connect_option
def destroy(files: tuple[str, ...], connect: str | None) -> int:
    """Remove the VMs of FILE... with their disks, seeds and logs; also what a killed apply left half done.

    Only what apply made is touched. What is not there is no error: destroy is safe to repeat.
    """
    from commands.manifests import wanted
    from commands.recording import Recorder, destroyed_entry
    from provision.provider import ProviderError
    from provision.providers import open_provider, prepare_process

    terminal = Terminal()
    vms = wanted(files, connect, terminal)
    prepare_process(vm.provider for vm in vms)
    recorder = Recorder(terminal)
    codes = []
    for vm in vms:
        try:
            provider = open_provider(vm.provider)
            try:
                removed = provider.destroy(vm.namespace, vm.name)
            finally:
                provider.close()
        except ProviderError as e:
            complain(f"{vm.key}: {e}", e.hint)
            codes.append(Exit.FAIL if e.refused else Exit.USAGE)
            continue
        for name in removed:
            terminal.note(f"{vm.key}: removed {name}")
        if removed:
            recorder.keep([destroyed_entry(vm.key, vm.provider.endpoint)])
        else:
            terminal.note(f"{vm.key}: nothing of it is there")
        codes.append(Exit.OK)
    recorder.page()
    return worst(codes)
