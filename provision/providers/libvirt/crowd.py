"""What runs on a host already and what is to be started there, so that all of it can be added up: in one look."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt

from provision.provider import Power
from provision.providers.libvirt.endpoint import Endpoint
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.places import domain_uuid
from provision.room import Host, Load

if TYPE_CHECKING:
    from provision.providers.libvirt.provider import LibvirtPlan

ASKED = libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_VCPU
ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
"""A VM that is being worked on is not waited for: libvirt says of it what it knows."""
UNUSED = ("free", "buffers", "cached")
MEMINFO = Path("/proc/meminfo")


def host_of(
    connection: libvirt.virConnect, endpoint: Endpoint, machine: Machine, plans: Sequence[LibvirtPlan]
) -> Host | None:
    """None where nothing is to be started. Raises libvirtError."""
    starting = [plan for plan in plans if any(step.action == "start" for step in plan.steps)]
    if not starting:
        return None
    ending = {domain_uuid(p.vm.namespace, p.vm.name) for p in plans if p.power is not Power.UNTOUCHED}
    there = [seen for domain, seen in connection.getAllDomainStats(ASKED, ACTIVE) if domain.UUIDString() not in ending]
    memory = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    return Host(
        name="the host",
        cpus=machine.cpus,
        memory_mib=machine.memory_mib,
        starts=Load(
            len(starting),
            sum(plan.vm.cpus for plan in starting),
            sum(plan.vm.memory_mib for plan in starting),
            sum(plan.vm.memory_mib for plan in starting if plan.fitting.allocated),
        ),
        runs=Load(
            len(there),
            sum(seen.get("vcpu.current", 0) for seen in there),
            sum(seen.get("balloon.current", 0) for seen in there) >> 10,
        ),
        free_mib=sum(memory.get(name, 0) for name in UNUSED) >> 10 if "free" in memory else None,
        swap_mib=_swap() if endpoint.local else None,
    )


def _swap() -> int | None:
    """Of this machine: libvirt does not tell. See proc(5)."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("SwapTotal:"))
        return int(line.split()[1]) >> 10
    return None
