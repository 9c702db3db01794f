"""Hearing VMs and keeping what they say: what `apply --wait` and `verify` have in common."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.endpoints import Endpoint, Errand
from commands.output import Terminal
from commands.recording import Recorder, host_entry, vm_entry
from hostcheck.chain import host_chain, vm_chain
from hostcheck.exits import Exit, of_verdict
from hostcheck.host_view import judge_view
from hostcheck.judge import judge
from hostcheck.model import Chain, Judgement, VmView
from hostcheck.report import decode

if TYPE_CHECKING:
    from provision.model import VmSpec
    from provision.provider import Progress
    from provision.proving import Heard

LISTENERS = 64
"""VMs that are listened to at once: it is only waiting."""


class Proofs:
    """The chains of one run, kept in the store as they come."""

    def __init__(self, terminal: Terminal) -> None:
        self.recorder = Recorder(terminal)
        self._terminal = terminal
        self._hosts: dict[str, Chain] = {}
        self._seen: dict[tuple[str, str], Judgement | None] = {}
        self._vms: dict[str, Chain] = {}

    def host(self, endpoint: Endpoint) -> None:
        """Keep what is known of an endpoint's host."""
        if endpoint.host is not None:
            self.recorder.keep([host_entry(endpoint.report, endpoint.host.name)])
            self._hosts[endpoint.host.name] = host_chain(endpoint.host)

    def errand(
        self, timeout: float, parallel: int, *, fail_on_warn: bool, again: str, wants: Container[str] | None = None
    ) -> Errand[Heard]:
        """Ask VMs (all, or those in `wants`) for their proof. A VM that stays silent is an answer."""
        from provision.proving import hear

        def work(endpoint: Endpoint, vm: VmSpec, progress: Progress, _: Progress) -> Heard:
            return hear(endpoint.provider, vm, timeout, progress)

        def done(endpoint: Endpoint, vm: VmSpec, heard: Heard) -> Exit:
            return of_verdict(self._keep(endpoint, vm, heard).verdict, fail_on_warn=fail_on_warn)

        return Errand(
            "proof", work, done, max(parallel, LISTENERS), past="heard", cut_off="not heard yet",
            next_steps=(f"nestproof verify {again}",), wants=lambda vm: wants is None or vm.key in wants,
        )  # fmt: skip

    def not_awaited(self, endpoint: Endpoint, vm: VmSpec, *, changed: bool) -> None:
        """Keep what the provider says of a VM that was not asked. A provider that fails is said aloud."""
        from provision.provider import ProviderError
        from provision.proving import not_awaited

        try:
            self._keep(endpoint, vm, not_awaited(endpoint.provider, vm, changed=changed))
        except ProviderError as e:
            self._terminal.complaint(f"{vm.key}: {e}", e.hint)

    def _keep(self, endpoint: Endpoint, vm: VmSpec, heard: Heard) -> Chain:
        """Join what the VM and its provider said with the host's judgement, and keep it."""
        host = endpoint.host or self._host_of(endpoint, heard.view)
        where = host.name if host else heard.view.host
        entry = vm_entry(heard.view, where, heard.report, heard.arrival, heard.detail)
        self.recorder.keep([entry])
        guest = judge(decode(heard.report), vm.key) if heard.report is not None else None
        chain = vm_chain(heard.view, guest, host, heard.detail)
        self._vms[vm.key] = chain
        return chain

    def _host_of(self, endpoint: Endpoint, view: VmView) -> Judgement | None:
        """The host of a VM as its provider's API tells of it now, asked once; not kept, for `check` may know more."""
        from provision.provider import ProviderError, Seeing

        provider, key = endpoint.provider, (endpoint.provider.name, view.host)
        if not view.host or not isinstance(provider, Seeing):
            return None
        if key not in self._seen:
            try:
                seen = provider.host_view(view.host)
            except ProviderError:  # the VM's own words are there all the same
                seen = None
            self._seen[key] = judge_view(seen) if seen else None
        return self._seen[key]

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
