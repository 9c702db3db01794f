"""Hearing VMs and keeping what they say: what `apply --wait` and `verify` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.endpoints import Endpoint
from commands.output import Terminal
from commands.recording import Recorder, host_entry, vm_entry
from hostcheck.chain import host_chain, vm_chain
from hostcheck.judge import judge
from hostcheck.model import Chain
from hostcheck.report import decode

if TYPE_CHECKING:
    from provision.model import VmSpec


class Proofs:
    """The chains of one run, kept in the store as they come."""

    def __init__(self, terminal: Terminal) -> None:
        self.recorder = Recorder(terminal)
        self._terminal = terminal
        self._hosts: dict[str, Chain] = {}
        self._vms: dict[str, Chain] = {}

    def host(self, endpoint: Endpoint) -> None:
        """Keep what is known of an endpoint's host."""
        if endpoint.host is not None:
            self.recorder.keep([host_entry(endpoint.report, endpoint.host.name)])
            self._hosts[endpoint.host.name] = host_chain(endpoint.host)

    def hear(self, endpoint: Endpoint, vm: VmSpec, timeout: float | None) -> Chain:
        """Ask the VM (unless `timeout` is None) and the provider, and join what they say with the host's judgement.

        Raises ProviderError when the provider fails; a VM that stays silent is an answer.
        """
        from provision.proving import hear, not_awaited

        if timeout is None:
            heard = not_awaited(endpoint.provider, vm)
        else:
            heard = hear(endpoint.provider, vm, timeout, lambda line: self._terminal.progress(f"{vm.key}: {line}"))
        host = endpoint.host
        entry = vm_entry(heard.view, host.name if host else "", heard.report, heard.arrival, heard.detail)
        self.recorder.keep([entry])
        guest = judge(decode(heard.report), vm.key) if heard.report is not None else None
        chain = vm_chain(heard.view, guest, host, heard.detail)
        self._vms[vm.key] = chain
        return chain

    def show(self, reports: Sequence[tuple[str, Path]], *, verbose: bool, silent: bool = False) -> None:
        """Print each VM's chain unless `silent`, write the reports asked for and the page of everything."""
        from reports.text import check_text

        chains = [*self._hosts.values(), *self._vms.values()]
        if not chains:
            return
        if not silent:
            style = self._terminal.style()
            texts = [check_text(chain, verbose=verbose, **style) for chain in self._vms.values()]
            self._terminal.result("\n".join(texts))
        self.recorder.write(self.recorder.matrix(chains), reports)
        if page := self.recorder.page():
            self._terminal.note(f"page of everything known: {page}")
