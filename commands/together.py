"""What the VMs of one run need together, held against what there is, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from commands.endpoints import Endpoint, Endpoints, code_of

if TYPE_CHECKING:
    from provision.provider import Plan
    from provision.room import Sums


class Together(msgspec.Struct, frozen=True):
    """What came of adding up."""

    notes: tuple[str, ...]
    """What is possible and may go wrong later, each with its endpoint."""
    refused: frozenset[str]
    """VMs of the endpoints where not all of them fit: there nothing is to be made."""


def added_up(endpoints: Endpoints, plans: Mapping[str, Plan]) -> Together:
    """Look once at each endpoint where something is to change. What does not fit is said, and counts as a failure."""
    from provision.provider import ProviderError

    notes: list[str] = []
    refused: set[str] = set()
    for endpoint in endpoints.opened:
        ours = [plans[vm.key] for vm in endpoint.vms if vm.key in plans and plans[vm.key].changes]
        try:
            notes += _looked_at(endpoint, ours)
        except ProviderError as e:
            endpoints.terminal.complaint(f"{endpoint.provider.name}: {e}; nothing was done there", e.hint)
            endpoints.codes.append(code_of(e))
            refused |= {vm.key for vm in endpoint.vms}
    return Together(tuple(notes), frozenset(refused))


def _looked_at(endpoint: Endpoint, plans: list[Plan]) -> list[str]:
    """What is worth saying. Raises ProviderError for what does not fit."""
    from provision.provider import Adding

    provider = endpoint.provider
    if not plans or not isinstance(provider, Adding):
        return []
    from provision.room import check_hosts, check_space, notes  # late: most VMs are as wanted

    sums: Sums = provider.sums(plans)
    check_hosts(sums.hosts)
    check_space(sums.needs)
    return [f"{provider.name}: {note}" for note in notes(sums)]
