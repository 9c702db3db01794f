"""Visiting the hypervisors that the manifests name, each once; one VM's failure does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from commands.failures import complain
from commands.output import Terminal
from hostcheck.exits import Exit, worst

if TYPE_CHECKING:
    from hostcheck.model import Judgement
    from hostcheck.report import Report
    from provision.model import ProviderSpec, VmSpec
    from provision.provider import Provider


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An open hypervisor with the VMs that are wanted on it, and what is known of its host."""

    provider: Provider
    vms: tuple[VmSpec, ...]
    report: Report | None
    """The host's own report; None when the host is elsewhere or nobody needs to know."""
    host: Judgement | None


def visit(vms: Iterable[VmSpec], terminal: Terminal, action: Callable[[Endpoint], list[Exit]], *, look: bool) -> Exit:
    """Open every endpoint of these VMs, look at its host if `look`, and run `action` on it."""
    from hostcheck.judge import judge
    from provision.model import Placement
    from provision.provider import ProviderError
    from provision.providers import open_provider, prepare_process

    groups: dict[ProviderSpec, list[VmSpec]] = {}
    for vm in vms:
        groups.setdefault(replace(vm.provider, name="", origin=None, defaults=Placement()), []).append(vm)
    prepare_process(group[0].provider for group in groups.values())
    codes: list[Exit] = []
    for group in groups.values():
        try:
            provider = open_provider(group[0].provider)
        except ProviderError as e:
            complain(str(e), e.hint)
            codes.append(code_of(e))
            continue
        try:
            if look:
                terminal.progress(f"{provider.name}: looking at the host")
            report = provider.host_report() if look else None
            host = judge(report) if report is not None else None
            codes += action(Endpoint(provider, tuple(group), report, host))
        except ProviderError as e:
            complain(f"{provider.name}: {e}", e.hint)
            codes.append(code_of(e))
        finally:
            provider.close()
    return worst(codes)


def attempt(vm: VmSpec, codes: list[Exit], what: Callable[[], Exit]) -> bool:
    """Do something for one VM and note its exit code; False when the provider failed, which is said aloud."""
    from provision.provider import ProviderError

    try:
        codes.append(what())
    except ProviderError as e:
        complain(f"{vm.key}: {e}", e.hint)
        codes.append(code_of(e))
        return False
    return True


def code_of(error: Exception) -> Exit:
    """3 for what cannot work here, 2 for a set-up that does not let us try."""
    return Exit.FAIL if getattr(error, "refused", False) else Exit.USAGE
