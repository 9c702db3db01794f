"""`nestproof status`: what was asked for, what is configured, what runs, and what was proven; and where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.endpoints import Endpoint, Errand, begin_look, opened
from commands.options import connect_option, files_argument, parallel_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from commands.drift import VmStatus
    from commands.proven import Proof
    from hostcheck.model import VmView
    from provision.model import VmSpec
    from provision.provider import Plan, Progress


@click.command()
@files_argument
@connect_option
@parallel_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="What to print on stdout.")  # fmt: skip
@store_option
def status(files: tuple[str, ...], connect: str | None, parallel: int, form: str) -> int:
    """Show how the VMs of FILE... stand: asked, configured, running, proven. Changes nothing and asks no guest.

    Drift is named wherever two of them differ: a setting that the manifest has changed since, a VM that somebody
    edited, a running VM that still has its old CPU, a proof that failed, or that did not come when it was asked for
    again. A proof of before apply changed the VM is none. Exit code 0: no drift and proven; 3: drift, or
    the proof failed; 5: never proven.

    \b
    nestproof status vm.yaml
    nestproof apply vm.yaml                  removes drift
    nestproof verify vm.yaml                 asks the guest for a fresh proof
    """
    from commands.drift import as_json, as_text
    from commands.manifests import Reading

    terminal = Terminal()
    reading, here = Reading(files, connect), begin_look(connect)
    vms = reading.wanted(terminal)
    found: dict[str, VmStatus] = {}

    def look(endpoint: Endpoint, vm: VmSpec, _: Progress, __: Progress) -> tuple[Plan | str, VmView | None]:
        from provision.provider import ProviderError

        view = endpoint.provider.observe(vm)
        try:
            return endpoint.provider.plan(vm, endpoint.deciding(vm)), view
        except ProviderError as e:  # what cannot be applied any more is shown all the same
            return str(e), view

    def looked(endpoint: Endpoint, vm: VmSpec, seen: tuple[Plan | str, VmView | None]) -> Exit:
        from commands.drift import status_of

        found[vm.key] = status_of(vm, endpoint.provider.name, *seen, _proof(vm.key))
        return found[vm.key].exit

    with opened(vms, terminal, here) as endpoints:
        endpoints.each(Errand("status", look, looked, parallel, doing="looking", cut_off="not looked at"))
        code = endpoints.code
    ordered = [found[vm.key] for vm in vms if vm.key in found]
    terminal.result(as_json(ordered) if form == "json" else as_text(ordered))
    return code


def _proof(name: str) -> Proof | None:
    from commands.policies import policy_in
    from commands.proven import proof_of
    from commands.recording import opened_store

    with opened_store() as store:
        return proof_of(name, store.history(name), policy_in())
