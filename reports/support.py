"""The support matrix: by provider and version, what documents promise and what this run's reports prove.

A version's row is made of evidence alone: a cell that nothing was seen for says so, and is no promise. Pure.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hostcheck.model import Link, Machine, Setting, Status, Verdict
from reports.documented import Capability, Document, Family, documents
from reports.performance import credible
from reports.rows import WORKING, Outcome, Row, outcome_of

FAMILIES = {"libvirt": Family.LIBVIRT, "vsphere": Family.VSPHERE, "proxmox": Family.PROXMOX}
"""By the first word of what a provider calls itself."""
UNDER = {"VMware": Family.VSPHERE, "KVM": Family.LIBVIRT, "QEMU TCG": Family.LIBVIRT}
"""By the hypervisor that a machine says it runs under."""
NOT_TOLD = "version not told"


@dataclass(frozen=True, slots=True)
class Proof:
    """One cell: what the reports of one version say about one capability."""

    status: Status
    """PASS proven, FAIL tried without any success, WARN some of both or emulated, UNKNOWN nothing was seen."""
    word: str
    why: str
    rows: tuple[Row, ...] = ()
    """Who proves it, or who disproves it."""


@dataclass(frozen=True, slots=True)
class Version:
    """Everything with one version of one provider."""

    name: str
    hosts: int
    vms: int
    cells: dict[Capability, Proof]


@dataclass(frozen=True, slots=True)
class Section:
    """One provider: its documents, then its versions."""

    family: Family
    documents: tuple[Document, ...]
    versions: tuple[Version, ...]


def support(rows: Iterable[Row]) -> tuple[Section, ...]:
    """The support matrix of these rows; the families that documents speak of are there even without evidence."""
    found: defaultdict[Family, defaultdict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        family, version = place(row)
        found[family][version].append(row)
    sections = []
    for family in Family:
        versions = [_version(name, found[family][name]) for name in sorted(found[family], key=_order)]
        if versions or documents(family):
            sections.append(Section(family, documents(family), tuple(versions)))
    return tuple(sections)


def place(row: Row) -> tuple[Family, str]:
    """What runs the subject's VMs (a host on bare metal) or what runs the subject (a VM), with its version."""
    chain, machine = row.chain, row.chain.machine
    if chain.provider:
        family = FAMILIES.get(chain.provider.split(" ", 1)[0].lower(), Family.OTHER)
        return family, chain.product or NOT_TOLD
    if machine is None:
        return Family.OTHER, "nobody could look"
    if chain.kind != "host" or machine.virtual:
        name = f"{machine.under or 'a hypervisor'}, {NOT_TOLD}"
        return UNDER.get(machine.under, Family.OTHER), name
    number = re.match(r"\d{1,4}\.\d{1,4}", machine.kernel)
    kernel = f"Linux {number[0]}" if number else f"Linux, {NOT_TOLD}"
    return (Family.PROXMOX if "-pve" in machine.kernel else Family.LIBVIRT), kernel


def _order(name: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", name[:256])
    return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts]


def _version(name: str, rows: Sequence[Row]) -> Version:
    hosts = sum(row.chain.kind == "host" for row in rows)
    inside = [row for row in rows if _is_vm(row)]
    cells = {
        Capability.VERSION: Proof(Status.PASS, name, "seen in this run", tuple(rows)),
        Capability.NESTED: _nested(rows),
        Capability.PERFORMANCE: _cost(rows),
        Capability.TPM: _seen(inside, "a TPM", lambda machine: machine.tpm),
        Capability.SECURE_BOOT: _seen(inside, "Secure Boot", lambda machine: machine.secure_boot),
        Capability.VIOMMU: _seen(inside, "an IOMMU in use", lambda machine: machine.iommu),
        Capability.CPU_HOT_ADD: _read_back(rows, "cpuHotAddEnabled"),
        Capability.MEMORY_HOT_ADD: _read_back(rows, "memoryHotAddEnabled"),
    }
    return Version(name, hosts, len(rows) - hosts, cells)


def _is_vm(row: Row) -> bool:
    return row.chain.kind != "host" or bool(row.chain.machine and row.chain.machine.virtual)


def _nested(rows: Sequence[Row]) -> Proof:
    """Of a VM: it runs guests. Of a host on bare metal: its guests ran guests."""
    verdicts = [(row, row.chain.runs_guests.verdict if _is_vm(row) else row.chain.guests_nest.verdict) for row in rows]
    outcomes = [(row, verdict, outcome_of(verdict)) for row, verdict in verdicts]
    works = tuple(row for row, _, outcome in outcomes if outcome in WORKING)
    broken = tuple(row for row, _, outcome in outcomes if outcome is Outcome.BROKEN and not _not_asked(row))
    tried = len(works) + len(broken)
    if not tried:
        capable = sum(verdict is Verdict.CAPABLE for _, verdict, _ in outcomes)
        return _nothing(f"{capable} capable, none tried" if capable else "none could be judged")
    word = f"{len(works)} of {tried}"
    real = [row for row in works if not row.chain.emulated_cpu]
    if works and not real:
        return Proof(Status.WARN, f"{word}, emulated", "all that ran, ran on an emulated CPU", works)
    if not works:
        return Proof(Status.FAIL, word, "none of those that were judged", broken)
    return Proof(Status.PASS, word, f"{len(works)} ran guests, {len(broken)} cannot", works)


def _not_asked(row: Row) -> bool:
    """Switched off in the VM's configuration: that says nothing of what the provider can do."""
    return row.chain.broken is Link.VM_ASKS


def _cost(rows: Sequence[Row]) -> Proof:
    machines = [row.chain.machine for row in rows if row.chain.machine and not row.chain.emulated_cpu]
    exits = [timing.median for machine in machines if (timing := credible(machine.exit))]
    inner = [timing.median for machine in machines if (timing := credible(machine.inner_exit))]
    found = [f"{what} {microseconds(median(each))}" for what, each in (("exit", exits), ("nested", inner)) if each]
    if not found:
        return _nothing("nothing was measured on a real CPU")
    return Proof(Status.PASS, ", ".join(found), f"medians of {max(len(exits), len(inner))} measured")


def microseconds(nanoseconds: float) -> str:
    """For people, with two digits that mean something: `0.52 µs`, `9.8 µs`, `31 µs`."""
    value = nanoseconds / 1000
    return f"{value:.{2 if value < 1 else 1 if value < 10 else 0}f} µs"


def _seen(rows: Sequence[Row], what: str, has: Callable[[Machine], bool | None]) -> Proof:
    looked = [(row, state) for row in rows if row.chain.machine and (state := has(row.chain.machine)) is not None]
    yes = tuple(row for row, state in looked if state)
    if not looked:
        return _nothing("no VM's own report told")
    if not yes:
        return Proof(Status.UNKNOWN, f"0 of {len(looked)}", f"no VM had {what}; it may not have been asked for")
    return Proof(Status.PASS, f"{len(yes)} of {len(looked)}", f"VMs that see {what} from inside", yes)


def _read_back(rows: Sequence[Row], name: str) -> Proof:
    """Of the VMs whose manifest asks for it: those whose provider found it. Nothing is added to a VM to try."""
    asked = [(row, setting) for row in rows for setting in row.chain.settings if _asks(setting, name)]
    told = [(row, setting) for row, setting in asked if setting.found]
    if not told:
        return _nothing("asked for, but nobody could read it back" if asked else "no VM's manifest asked for it")
    has = tuple(row for row, setting in told if not setting.differs)
    word, where = f"{len(has)} of {len(told)}", ", ".join(sorted({setting.source for _, setting in told} - {""}))
    why = f"switched on{f' by {where}' if where else ''}; nothing was added while running"
    if not has:
        return Proof(Status.FAIL, word, "asked for, and not switched on", tuple(row for row, _ in told))
    return Proof(Status.PASS if len(has) == len(told) else Status.WARN, word, why, has)


def _asks(setting: Setting, name: str) -> bool:
    return setting.path.endswith(f".{name}") and setting.asked in ("on", "yes")


def _nothing(why: str) -> Proof:
    return Proof(Status.UNKNOWN, "no evidence", why)
