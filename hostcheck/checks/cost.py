"""What leaving a guest costs. Figures are judged only when they were measured, and told with where they are from."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.cpu import FEATURE_FACTS, cpu_emulated
from hostcheck.checks.machine import product
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.report import FactStatus
from hostcheck.shapes import Spread

NOT_MEASURED = "not measured: check --measure does so"
COST_FACTS = (*FEATURE_FACTS, "machine.dmi", "proof.cost", "proof.pace")


def _environment(facts: Facts) -> str:
    if facts.pace.known and facts.pace.known.emulated:
        return "where KVM emulates instructions"
    if facts.is_vm:
        names = " and ".join(dict.fromkeys(product(name) for name in facts.hypervisor_names))
        return f"in a VM under {names or 'a hypervisor'}"
    return "on an unknown machine" if facts.is_vm is None else "on bare metal"


def _graded(facts: Facts, what: str, spread: Spread | None, limit: float) -> Outcome:
    """One figure against its threshold, in microseconds."""
    if facts.cost.status is not FactStatus.OK or facts.cost.value is None:
        asked = facts.cost.error != "not in the report"
        return Outcome(UNKNOWN, f"could not be measured: {facts.cost.error}") if asked else Outcome(SKIP, NOT_MEASURED)
    if cpu_emulated(facts).status is WARN:
        return Outcome(SKIP, "the CPU is emulated: no figure means anything")
    if spread is None:
        return Outcome(UNKNOWN, f"no figure for {what}: its guest did not run")
    took = spread.median_ns / 1000
    text = f"median {took:.2f} µs, from {spread.min_ns / 1000:.2f} to {spread.max_ns / 1000:.2f} µs"
    evidence = (Evidence(facts.cost.source, f"{text}, {_environment(facts)}"),)
    summary = f"{what} takes {took:.1f} µs {_environment(facts)}"
    if took > limit:
        return Outcome(WARN, f"{summary}, more than {limit:g} µs", evidence)
    return Outcome(PASS, summary, evidence)


@check(
    "kvm.exit-cost",
    question="How long does an exit from a guest to this machine's kernel take?",
    why="Guests leave thousands of times a second. On bare metal it takes about half a microsecond; in a VM each exit "
    "goes through the hypervisor below, and much more means that something is emulated.",
    judged="Only if it was measured: CPUID in a guest, the median of several rounds, against the threshold exit-us. "
    "Never on an emulated CPU.",
    severity=Severity.ADVISES,
    facts=COST_FACTS,
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("kvm-unit-tests, x86/vmexit.c",),
)
def kvm_exit_cost(facts: Facts) -> Outcome:
    cost = facts.cost.value
    return _graded(facts, "an exit", cost.cpuid_exit if cost else None, facts.policy.thresholds.exit_us)


@check(
    "nested.exit-cost",
    question="How long does an exit from a guest's guest to the guest take?",
    why="Each is several exits to this machine. It is the price that everything in a nested VM pays.",
    judged="Only if it was measured: CPUID in an inner guest, with nested paging where there is any, against the "
    "threshold nested-exit-us. Never on an emulated CPU.",
    severity=Severity.ADVISES,
    facts=(*COST_FACTS, "kvm.offered"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("kvm-unit-tests, x86/vmexit.c",),
)
def nested_exit_cost(facts: Facts) -> Outcome:
    offered = facts.offered.known
    if offered is not None and not (offered.vmx or offered.svm):
        return Outcome(SKIP, "KVM offers guests nothing to nest with")
    cost = facts.cost.value
    spread = (cost.inner_cpuid_exit_paging or cost.inner_cpuid_exit) if cost else None
    return _graded(facts, "an exit of a guest's guest", spread, facts.policy.thresholds.nested_exit_us)
