"""The first proof: a guest of this machine ran, and at what pace."""

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.cpu import FEATURE_FACTS
from hostcheck.facts import Fact, Facts
from hostcheck.model import Evidence, Link, Severity
from hostcheck.remedies.rivals import stop_other_hypervisor
from hostcheck.report import FactStatus
from hostcheck.shapes import Proof

BUSY = ("EBUSY", "EIO")


def proof_evidence(fact: Fact[Proof]) -> tuple[Evidence, ...]:
    """Which guest it was, and how far it came."""
    if fact.value is None:
        return ()
    text = f"{fact.value.kind} guest, stages {fact.value.stages or 'none'}"
    if fact.value.cause:
        text += f", cause {fact.value.cause}"
    return (Evidence(fact.source or fact.id, text),)


def why_not_run(fact: Fact[Proof]) -> str:
    """The cause in one word, or what looking said."""
    if fact.value is not None and fact.value.cause:
        return fact.value.cause
    return fact.error or fact.status.value


def not_begun(fact: Fact[Proof]) -> bool:
    """No attempt was made, for want of time or of a process: that says nothing about the machine."""
    proof = fact.value
    if "not begun" in fact.error:
        return True
    return proof is not None and proof.cause == "setup" and not proof.stages and "step" not in proof.detail


def refused(facts: Facts) -> bool:
    """The node opens, and what is asked of it is denied."""
    opened = facts.device.value is not None and facts.device.value.open == "ok"
    return opened and facts.plain.status is FactStatus.DENIED


@check(
    "kvm.run",
    question="Does a guest run?",
    why="A small 64-bit guest was started through /dev/kvm. Only this proves that guests run here.",
    judged="Passes when the guest wrote what it had to and halted, or when one ran that even nested. Fails when KVM "
    "refused to make a VM, or the guest was started and did not come to its end before a watchdog stopped it.",
    severity=Severity.BLOCKS,
    facts=("proof.plain", "proof.nested", "proof.nested_paging", "kvm.device", "kvm.api", "machine.rivals"),
    gives=(PASS, FAIL, SKIP, UNKNOWN),
    link=Link.GUEST_RAN,
    needs=(
        "machine.confidential", "cpu.virtualization", "firmware.virtualization", "kvm.module", "kvm.device",
        "kvm.access",
    ),
    remedies=("rivals.stop-virtualbox", "rivals.stop-vmware", "rivals.stop-other"),
    links=("Linux documentation, KVM API: KVM_CREATE_VM, KVM_RUN",),
)  # fmt: skip
def kvm_run(facts: Facts) -> Outcome:
    plain = facts.plain
    if facts.guest_ran or facts.guest_nested:
        nested = () if plain.known else (*proof_evidence(facts.nested), *proof_evidence(facts.nested_paging))
        return Outcome(PASS, "a guest ran", (*proof_evidence(plain), *nested))
    device = facts.device.value
    if facts.device.status is FactStatus.ABSENT or (device is not None and device.open not in ("", "ok")):
        return Outcome(SKIP, "/dev/kvm could not be opened, so no guest could be started")
    create = facts.api.value.create_vm if facts.api.value else ""
    if create in BUSY:
        summary = f"KVM cannot create a VM ({create}): another hypervisor holds the CPU's virtualization"
        return Outcome(FAIL, summary, proof_evidence(plain), stop_other_hypervisor(facts))
    if refused(facts):
        summary = "/dev/kvm opens, but KVM's system calls are refused: a seccomp filter or a security module"
        return Outcome(FAIL, summary, proof_evidence(plain))
    if not_begun(plain):
        return Outcome(UNKNOWN, f"no guest was run: {plain.error or why_not_run(plain)}", proof_evidence(plain))
    if plain.value is not None or plain.status is FactStatus.TIMEOUT:
        summary = f"a guest was started and did not finish: {why_not_run(plain)}"
        return Outcome(FAIL, summary, proof_evidence(plain))
    return Outcome(UNKNOWN, f"no guest was run: {why_not_run(plain)}")


@check(
    "kvm.acceleration",
    question="Does the CPU execute the guest, or does KVM emulate it instruction by instruction?",
    why="KVM engines without vmx or svm emulate ordinary guests hundreds of times slower, behind a working /dev/kvm.",
    judged="An empty loop that never leaves the guest is timed: a CPU needs a few cycles for it, an emulator hundreds. "
    "Warns above 50.",
    severity=Severity.DEGRADES,
    facts=("proof.plain", "proof.pace"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    needs=("kvm.run",),
    links=("docs/report.md: proof.pace",),
)
def kvm_acceleration(facts: Facts) -> Outcome:
    pace, plain = facts.pace.known, facts.plain.value
    if pace is None and plain is not None and not plain.ok:
        return Outcome(SKIP, "no guest ran, so there is nothing to time")
    if pace is None:
        return Outcome(UNKNOWN, f"a guest's pace was not taken: {facts.pace.error}")
    evidence = (Evidence(facts.pace.source, f"{pace.loop_cycles:.0f} TSC cycles per iteration of an empty loop"),)
    if pace.emulated:
        summary = f"KVM emulates its instructions one by one ({pace.loop_cycles:.0f} cycles for an empty loop)"
        return Outcome(WARN, summary, evidence)
    return Outcome(PASS, "the CPU executes guest code itself", evidence)


@check(
    "proof.flags",
    question="Do the CPU's flags and the execution of a guest agree?",
    why="Most tools read flags only. Where these and the truth part, kvm-ok, virt-host-validate and whatever relies on "
    "them give the wrong answer here.",
    judged="Warns when a guest ran without vmx or svm, and when it did not run although the kernel shows the flag and "
    "/dev/kvm opens.",
    severity=Severity.ADVISES,
    facts=(*FEATURE_FACTS, "kvm.device", "proof.plain"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("kvm-ok(1)", "virt-host-validate(1)"),
)
def proof_flags(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, f"no flag tells on {facts.arch}")
    flags = facts.flags.known
    tried = facts.plain.status in (FactStatus.OK, FactStatus.TIMEOUT) and not not_begun(facts.plain)
    if flags is None or not tried:
        reason = f"flags: {facts.flags.error}" if flags is None else "no guest was tried"
        return Outcome(UNKNOWN, f"there is nothing to compare: {reason}")
    shown = next((name for name in ("vmx", "svm") if name in flags), "")
    evidence = (Evidence(facts.flags.source, shown or "neither vmx nor svm"), *proof_evidence(facts.plain))
    if facts.guest_ran and not shown:
        summary = "the flags say no, execution says yes: tools that read flags are wrong here"
        return Outcome(WARN, summary, evidence)
    if shown and not facts.guest_ran and facts.device.value is not None and facts.device.value.open == "ok":
        return Outcome(WARN, "the flags say yes, execution says no: tools that read flags are wrong here", evidence)
    return Outcome(PASS, "flags and execution agree", evidence)
