"""Is there room for VMs that run VMs: recommendations, never failures."""

from hostcheck.checks import PASS, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity

GIB = 1 << 30
MISSION = "docs/checks.md: Thresholds"


MEMORY_KEPT = 0.08
"""The share that firmware and kernel keep for themselves: a machine of 8 GiB shows 7.6."""


def _room(name: str, have: float, minimum: float, recommended: float, evidence: Evidence, kept: float = 0.0) -> Outcome:
    """One figure against its minimum and what is recommended; `kept` is the share of it that never shows."""
    if have < minimum * (1 - kept):
        return Outcome(WARN, f"{name}: {have:.3g}, less than {minimum:g} for a machine that runs VMs", (evidence,))
    if have < recommended * (1 - kept):
        return Outcome(PASS, f"{name}: {have:.3g}; {recommended:g} or more are recommended", (evidence,))
    return Outcome(PASS, f"{name}: {have:.3g}", (evidence,))


@check(
    "capacity.cpus",
    question="Are there enough CPUs for VMs that run VMs?",
    why="A nested VM shares its vCPUs with the host's work and with its own guests'; with fewer than 4 they wait for "
    "one another, 8 are comfortable.",
    judged="CPUs that may be used and the control group's share, the smaller of both, against cpus-minimum and "
    "cpus-recommended. Warns below the minimum.",
    severity=Severity.ADVISES,
    facts=("capacity.cpu",),
    gives=(PASS, WARN, UNKNOWN),
    links=(MISSION,),
)
def capacity_cpus(facts: Facts) -> Outcome:
    room = facts.cpu_room.known
    if room is None or not room.usable:
        return Outcome(UNKNOWN, f"CPUs could not be counted: {facts.cpu_room.error}")
    have = min(room.usable, room.cgroup_cpus or room.usable)
    text = f"{room.usable} usable" + (f", the control group allows {room.cgroup_cpus:g}" if room.cgroup_cpus else "")
    bounds = facts.policy.thresholds
    return _room("CPUs", have, bounds.cpus_minimum, bounds.cpus_recommended, Evidence(facts.cpu_room.source, text))


@check(
    "capacity.memory",
    question="Is there enough memory for VMs that run VMs?",
    why="Memory is given twice: to the VM, and by it to its own guests. Below 8 GiB little is left, 16 are "
    "comfortable.",
    judged="Memory of the machine and the control group's limit, the smaller of both, against memory-minimum-gib and "
    "memory-recommended-gib. Warns below the minimum.",
    severity=Severity.ADVISES,
    facts=("capacity.memory",),
    gives=(PASS, WARN, UNKNOWN),
    links=(MISSION,),
)
def capacity_memory(facts: Facts) -> Outcome:
    room = facts.memory_room.known
    if room is None or room.total <= 0:
        return Outcome(UNKNOWN, f"memory could not be read: {facts.memory_room.error}")
    have = min(room.total, room.cgroup_limit or room.total) / GIB
    text = f"{room.total / GIB:.1f} GiB, {room.available / GIB:.1f} GiB available"
    text += f", the control group allows {room.cgroup_limit / GIB:.1f} GiB" if room.cgroup_limit else ""
    bounds = facts.policy.thresholds
    minimum, recommended = bounds.memory_minimum_gib, bounds.memory_recommended_gib
    return _room("memory in GiB", have, minimum, recommended, Evidence(facts.memory_room.source, text), MEMORY_KEPT)


@check(
    "capacity.disk",
    question="Is there enough disk for images of VMs, and of the VMs in them?",
    why="A disk that fills stops every VM on it at once. A VM that runs VMs needs 100 GiB for itself.",
    judged="Free bytes where images lie by default against disk-minimum-gib and disk-recommended-gib. Warns below the "
    "minimum, and when the file system is read-only.",
    severity=Severity.ADVISES,
    facts=("capacity.disk",),
    gives=(PASS, WARN, UNKNOWN),
    links=(MISSION,),
)
def capacity_disk(facts: Facts) -> Outcome:
    room = facts.disk_room.known
    if room is None or room.total <= 0:
        return Outcome(UNKNOWN, f"free space could not be read: {facts.disk_room.error}")
    evidence = Evidence(room.path, f"{room.free / GIB:.1f} of {room.total / GIB:.1f} GiB free")
    if room.read_only:
        return Outcome(WARN, f"{room.path} is read-only", (evidence,))
    bounds = facts.policy.thresholds
    return _room("free GiB for images", room.free / GIB, bounds.disk_minimum_gib, bounds.disk_recommended_gib, evidence)


@check(
    "capacity.steal",
    question="Does the hypervisor below let this machine have its CPUs?",
    why="In a VM, time that the hypervisor gives to others is felt twice by guests of guests: without a reservation "
    "they stall.",
    judged="The share of stolen time since boot against the threshold steal-percent. Warns above it.",
    severity=Severity.ADVISES,
    facts=("capacity.cpu",),
    gives=(PASS, WARN, UNKNOWN),
    links=("proc_stat(5): steal",),
)
def capacity_steal(facts: Facts) -> Outcome:
    room = facts.cpu_room.known
    if room is None or room.steal_percent is None:
        return Outcome(UNKNOWN, f"stolen time could not be read: {facts.cpu_room.error}")
    limit = facts.policy.thresholds.steal_percent
    evidence = (Evidence("/proc/stat", f"{room.steal_percent:g} % stolen since boot"),)
    if room.steal_percent > limit:
        summary = f"the hypervisor took {room.steal_percent:g} % of the CPU time, over {limit:g} %"
        return Outcome(WARN, summary, evidence)
    return Outcome(PASS, f"{room.steal_percent:g} % of the CPU time was taken", evidence)
