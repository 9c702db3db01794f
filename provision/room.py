"""Whether what a command starts and makes fits, all of it together, on the hosts and where disks are kept. Pure.

A provider holds each VM against its host; here many are added up, with what runs there already.
"""

from collections.abc import Iterable, Sequence

import msgspec

from provision.provider import ProviderError

MIB = 1 << 20
SMALL = 4 * MIB
"""Bytes that a seed and a thin disk take at first, together, and more."""
USUAL = 4
"""CPUs of VMs for each of their host, beyond which they keep each other waiting."""


class Load(msgspec.Struct, frozen=True):
    """VMs, and what they have."""

    vms: int = 0
    cpus: int = 0
    memory_mib: int = 0
    at_once_mib: int = 0
    """Of the memory, what the host has to give when they start."""


class Host(msgspec.Struct, frozen=True):
    """What there is of a host, what runs on it and what is to be started. 0 and None: not known."""

    name: str
    cpus: int
    memory_mib: int
    starts: Load
    runs: Load = Load()
    """Of the VMs that go on."""
    free_mib: int | None = None
    """Memory that nothing uses, or only to keep files at hand."""
    swap_mib: int | None = None


class Place(msgspec.Struct, frozen=True):
    """Where disks or images are kept."""

    key: str
    """The same for places that share their space."""
    name: str
    free: int
    """Bytes."""
    hint: str = ""


class Need(msgspec.Struct, frozen=True):
    """Bytes that something of one VM takes in a place."""

    place: Place
    what: str
    now: int
    """When it is made."""
    later: int = 0
    """As far as it can grow beyond that."""
    shared: str = ""
    """One for all VMs for which this is the same."""


class Sums(msgspec.Struct, frozen=True):
    """All that is to be added up at one endpoint."""

    hosts: tuple[Host, ...] = ()
    needs: tuple[Need, ...] = ()


def check_space(needs: Iterable[Need]) -> None:
    """Raises ProviderError, refused, at the first place that does not have what is taken there when it is made."""
    for place, found in _by_place(needs):
        total = sum(need.now for need in found)
        if total > place.free:
            whats = _counted([need for need in found if need.now > SMALL] or found)
            parts = "; ".join(f"{what} {size(most)}" for what, most in whats.items())
            raise ProviderError(
                f"{place.name} has {size(place.free)} left, {size(total)} are needed: {parts}",
                hint=place.hint,
                refused=True,
            )


def check_hosts(hosts: Iterable[Host]) -> None:
    """Raises ProviderError, refused, for memory that is taken at once and that not even swapping can give."""
    for host in hosts:
        most = host.memory_mib + (host.swap_mib or 0)
        if host.memory_mib and host.swap_mib is not None and host.starts.at_once_mib > most:
            raise ProviderError(
                f"{host.name} has {_memory(host)}, and {_vms(host.starts)} to be started take "
                f"{host.starts.at_once_mib} MiB of it at once (memoryReservation)",
                hint="reserve less memory, or start fewer VMs there",
                refused=True,
            )


def notes(sums: Sums) -> tuple[str, ...]:
    """What is possible and may go wrong later, with its numbers."""
    found = [text for host in sums.hosts for text in (*_memory_notes(host), *_cpu_notes(host))]
    return (*found, *(text for place, needs in _by_place(sums.needs) for text in _growth_notes(place, needs)))


def size(count: int) -> str:
    """Bytes for people, rounded up."""
    mib = -(-count // MIB)
    return f"{mib} MiB" if mib < 10240 else f"{mib / 1024:.1f} GiB"


def _by_place(needs: Iterable[Need]) -> list[tuple[Place, list[Need]]]:
    """What is shared once; places that share their space together, with the least that was seen free there."""
    once = {(need.place.key, need.shared or number): need for number, need in enumerate(needs)}
    places: dict[str, list[Need]] = {}
    for need in once.values():
        places.setdefault(need.place.key, []).append(need)
    return [(_joined([need.place for need in found]), found) for found in places.values()]


def _joined(places: Sequence[Place]) -> Place:
    name = " and ".join(dict.fromkeys(place.name for place in places))
    return msgspec.structs.replace(places[0], name=name, free=min(place.free for place in places))


def _counted(needs: Iterable[Need]) -> dict[str, int]:
    """The bytes of each kind of thing, the kinds of which there are many with their number."""
    kinds: dict[str, list[int]] = {}
    for need in needs:
        kinds.setdefault(need.what, []).append(need.now)
    return {f"{what}, {len(all_)} times," if len(all_) > 1 else what: sum(all_) for what, all_ in kinds.items()}


def _memory_notes(host: Host) -> list[str]:
    starts, runs = host.starts, host.runs
    if not host.memory_mib or not starts.vms:
        return []
    wants = f"{_vms(starts)} to be started {_have(starts)} {starts.memory_mib} MiB of memory"
    if starts.memory_mib + runs.memory_mib > host.memory_mib:
        beside = f", {_vms(runs)} there already {runs.memory_mib} MiB" if runs.vms else ""
        return [f"{wants}{beside}; {host.name} has {_memory(host)}: {_overcommitted(host)}"]
    if host.free_mib is not None and starts.memory_mib > host.free_mib:
        free = f"{host.free_mib} of its {host.memory_mib} MiB free at the moment"
        return [f"{wants}; {host.name} has {free}: {_overcommitted(host)}"]
    return []


def _overcommitted(host: Host) -> str:
    if host.swap_mib == 0:
        return "when their guests fill it, its kernel ends one of them"
    return "what their guests fill beyond that is swapped out, which is slow, or ends one of them"


def _memory(host: Host) -> str:
    swap = "" if host.swap_mib is None else f" and {f'{host.swap_mib} MiB of' if host.swap_mib else 'no'} swap"
    return f"{host.memory_mib} MiB{swap}"


def _cpu_notes(host: Host) -> list[str]:
    starts, runs = host.starts, host.runs
    total = starts.cpus + runs.cpus
    if not host.cpus or not starts.vms or total <= USUAL * host.cpus or starts.vms + runs.vms == 1:
        return []
    beside = f", {_vms(runs)} there already {runs.cpus}" if runs.vms else ""
    return [
        f"{_vms(starts)} to be started {_have(starts)} {starts.cpus} CPUs{beside}; {host.name} has {host.cpus}: with "
        f"more than {USUAL} for each of them VMs wait for each other, and their own VMs for them"
    ]


def _growth_notes(place: Place, needs: Sequence[Need]) -> list[str]:
    later, left = sum(need.later for need in needs), place.free - sum(need.now for need in needs)
    if later <= left:
        return []
    count = sum(need.later > 0 for need in needs)
    disks = "the new disk" if count == 1 else f"{count} new disks"
    return [
        f"{place.name} will have {size(max(left, 0))} left, and {disks} can grow by {size(later)}: a VM whose disk "
        "finds no room any more stops"
    ]


def _vms(load: Load) -> str:
    return "1 VM" if load.vms == 1 else f"{load.vms} VMs"


def _have(load: Load) -> str:
    return "has" if load.vms == 1 else "have"
