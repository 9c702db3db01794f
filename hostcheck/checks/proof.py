"""The proofs: what happened when guests were run."""

from hostcheck import remedies
from hostcheck.checks import Outcome, check
from hostcheck.facts import Fact, Facts, Proof
from hostcheck.model import Evidence, Link, Status
from hostcheck.report import FactStatus

BUSY = ("EBUSY", "EIO")


def _evidence(fact: Fact[Proof]) -> tuple[Evidence, ...]:
    if fact.value is None:
        return ()
    text = f"{fact.value.kind} guest, stages {fact.value.stages or 'none'}"
    if fact.value.cause:
        text += f", cause {fact.value.cause}"
    return (Evidence(fact.source or fact.id, text),)


def _why_not_run(fact: Fact[Proof]) -> str:
    if fact.value is not None and fact.value.cause:
        return fact.value.cause
    return fact.error or fact.status.value


@check(
    "kvm.run",
    question="Does a guest run?",
    why="A small 64-bit guest was started through /dev/kvm. Only this proves that guests run here.",
    link=Link.GUEST_RAN,
    needs=("cpu.virtualization", "firmware.virtualization", "kvm.module", "kvm.device", "kvm.access"),
)
def kvm_run(facts: Facts) -> Outcome:
    plain = facts.plain
    if plain.value is not None and plain.value.ok:
        return Outcome(Status.PASS, "a guest ran", _evidence(plain))
    device = facts.device.value
    if facts.device.status is FactStatus.ABSENT or (device is not None and device.open not in ("", "ok")):
        return Outcome(Status.SKIP, "/dev/kvm could not be opened, so no guest could be started")
    create = facts.api.value.create_vm if facts.api.value else ""
    if create in BUSY:
        summary = f"KVM cannot create a VM ({create}): another hypervisor holds the CPU's virtualization"
        return Outcome(Status.FAIL, summary, _evidence(plain), remedies.stop_other_hypervisor())
    if plain.value is not None or plain.status is FactStatus.TIMEOUT:
        return Outcome(Status.FAIL, f"a guest was started and did not finish: {_why_not_run(plain)}", _evidence(plain))
    return Outcome(Status.UNKNOWN, f"no guest was run: {_why_not_run(plain)}")


@check(
    "kvm.acceleration",
    question="Does the CPU execute the guest, or does KVM emulate it instruction by instruction?",
    why="KVM engines without vmx or svm emulate ordinary guests hundreds of times slower, behind a working /dev/kvm.",
    needs=("kvm.run",),
)
def kvm_acceleration(facts: Facts) -> Outcome:
    pace = facts.pace.known
    if pace is None:
        return Outcome(Status.SKIP, "no guest ran, so there is nothing to time")
    evidence = (Evidence(facts.pace.source, f"{pace.loop_cycles:.0f} TSC cycles per iteration of an empty loop"),)
    if pace.emulated:
        summary = f"KVM emulates its instructions one by one ({pace.loop_cycles:.0f} cycles for an empty loop)"
        return Outcome(Status.WARN, summary, evidence)
    return Outcome(Status.PASS, "the CPU executes guest code itself", evidence)


@check(
    "nested.run",
    question="Can a guest of this machine run a guest of its own?",
    why="A guest was started that switches on svm or vmx and runs its own guest, whose exits are counted.",
    needs=("cpu.virtualization", "firmware.virtualization", "nested.parameter", "nested.offered", "kvm.run"),
)
def nested_run(facts: Facts) -> Outcome:
    runs = [fact for fact in (facts.nested_paging, facts.nested) if fact.value is not None]
    passed = [fact for fact in runs if fact.value is not None and fact.value.ok]
    evidence = tuple(e for fact in runs for e in _evidence(fact))
    if passed:
        kind = passed[0].value.kind if passed[0].value else ""
        return Outcome(Status.PASS, f"a guest ran its own guest ({kind})", evidence)
    offered = facts.offered.known
    if offered is None or not (offered.vmx or offered.svm):
        return Outcome(Status.SKIP, "KVM offers guests nothing to nest with")
    executed = [f for f in (facts.nested, facts.nested_paging) if f.status in (FactStatus.OK, FactStatus.TIMEOUT)]
    if executed:
        summary = f"a guest was offered virtualization and failed to use it: {_why_not_run(executed[0])}"
        return Outcome(Status.FAIL, summary, evidence)
    return Outcome(Status.UNKNOWN, f"no nested guest was run: {_why_not_run(facts.nested)}", evidence)


@check(
    "nested.paging",
    question="Do nested guests get nested paging (EPT or NPT)?",
    why="Without it a guest's guests work with shadow page tables, many times slower.",
    needs=("nested.run",),
)
def nested_paging(facts: Facts) -> Outcome:
    fact = facts.nested_paging
    if fact.value is not None and fact.value.ok:
        return Outcome(Status.PASS, "nested guests run with nested paging", _evidence(fact))
    offered = facts.offered.known
    if offered is None or not (offered.vmx or offered.svm):
        return Outcome(Status.SKIP, "KVM offers guests nothing to nest with")
    if offered.nested_paging is False:
        return Outcome(Status.WARN, "guests are offered no nested paging: their guests will be slow")
    if fact.value is not None:
        return Outcome(Status.FAIL, f"nested paging is offered and fails: {_why_not_run(fact)}", _evidence(fact))
    return Outcome(Status.UNKNOWN, f"nested paging was not run: {_why_not_run(fact)}")
