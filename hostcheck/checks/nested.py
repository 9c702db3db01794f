"""Nesting: what KVM offers to guests, and what happened when a guest used it."""

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.modules import ENGINE_FACTS, PAGING, PARAMETER_FACTS, is_on, running_backend
from hostcheck.checks.proof import not_begun, proof_evidence, why_not_run
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Remedy, Severity
from hostcheck.remedies.arch import nesting_elsewhere
from hostcheck.remedies.modules import parameter_on
from hostcheck.report import FactStatus
from hostcheck.shapes import Offered

NOTHING = "KVM offers guests nothing to nest with"
NESTED_DOC = "Linux documentation, Virtualization Support: Running nested guests with KVM"
PROOFS = ("proof.nested", "proof.nested_paging")


def offers_nothing(offered: Offered | None) -> bool:
    """KVM said that it offers nothing; not known counts as nothing to go on either."""
    return offered is None or not offered.something


@check(
    "nested.offered",
    question="Does KVM offer its guests what they need to run guests?",
    why="KVM_GET_SUPPORTED_CPUID is what libvirt and QEMU can give a VM: the one answer that needs no guessing about "
    "parameters, versions and formats.",
    judged="On x86 vmx or svm in KVM's answer; on arm64 KVM_CAP_ARM_EL2, on ppc64le KVM_CAP_PPC_NESTED_HV, on s390x "
    "the parameter of kvm, for nothing else answers there. Of riscv64 nothing is known.",
    severity=Severity.BLOCKS,
    facts=("kvm.offered", "cpu.identity", "kernel.release"),
    gives=(PASS, FAIL, UNKNOWN),
    link=Link.OFFERED,
    needs=(
        "machine.confidential", "cpu.virtualization", "firmware.virtualization", "kvm.module", "nested.parameter",
        "kvm.access",
    ),
    remedies=("arch.arm64-nested", "arch.s390x-nested", "arch.ppc64-nested"),
    links=("Linux documentation, KVM API: KVM_GET_SUPPORTED_CPUID", NESTED_DOC),
)  # fmt: skip
def nested_offered(facts: Facts) -> Outcome:
    offered = facts.offered.known
    if offered is None:
        return Outcome(UNKNOWN, f"KVM could not be asked: {facts.offered.error}")
    if not facts.x86:
        evidence = (Evidence(offered.how or facts.offered.source, f"nested={int(bool(offered.nested))}"),)
        if offered.nested:
            return Outcome(PASS, f"nesting is offered ({offered.how})", evidence)
        return Outcome(FAIL, f"KVM offers no nesting ({offered.how})", evidence, nesting_elsewhere(facts))
    evidence = (Evidence(facts.offered.source, f"vmx={int(offered.vmx)} svm={int(offered.svm)}"),)
    if offered.vmx or offered.svm:
        paging = {True: ", with nested paging", False: ", without nested paging", None: ""}[offered.nested_paging]
        return Outcome(PASS, f"{'vmx' if offered.vmx else 'svm'} is offered{paging}", evidence)
    return Outcome(FAIL, "KVM offers neither vmx nor svm to guests", evidence)


@check(
    "nested.run",
    question="Can a guest of this machine run a guest of its own?",
    why="A guest was started that switches on svm or vmx and runs its own guest, whose exits are counted.",
    judged="Passes when the inner guest did exactly what it had to, with nested paging or without. Fails when it was "
    "offered and executed, and something else happened.",
    severity=Severity.BLOCKS,
    facts=("kvm.offered", *PROOFS),
    gives=(PASS, FAIL, SKIP, UNKNOWN),
    needs=(
        "machine.confidential", "cpu.virtualization", "firmware.virtualization", "nested.parameter", "nested.offered",
        "kvm.run",
    ),
    links=("docs/report.md: A proof",),
)  # fmt: skip
def nested_run(facts: Facts) -> Outcome:
    runs = [fact for fact in (facts.nested_paging, facts.nested) if fact.value is not None]
    passed = [fact for fact in runs if fact.value is not None and fact.value.ok]
    evidence = tuple(e for fact in runs for e in proof_evidence(fact))
    if passed:
        kind = passed[0].value.kind if passed[0].value else ""
        return Outcome(PASS, f"a guest ran its own guest ({kind})", evidence)
    if offers_nothing(facts.offered.known):
        return Outcome(SKIP, NOTHING)
    done = (FactStatus.OK, FactStatus.TIMEOUT)
    executed = [f for f in (facts.nested, facts.nested_paging) if f.status in done and not not_begun(f)]
    if executed:
        summary = f"a guest was offered virtualization and failed to use it: {why_not_run(executed[0])}"
        return Outcome(FAIL, summary, evidence)
    return Outcome(UNKNOWN, f"no nested guest was run: {why_not_run(facts.nested)}", evidence)


@check(
    "nested.paging",
    question="Do nested guests get nested paging (EPT or NPT)?",
    why="Without it a guest's guests work with shadow page tables, many times slower.",
    judged="An inner guest was run whose memory is reachable through EPT or NPT only. Warns when guests are not "
    "offered it, fails when they are and it does not work: hypervisors use it by themselves.",
    severity=Severity.BLOCKS,
    facts=("kvm.offered", "proof.nested_paging", *PARAMETER_FACTS),
    gives=(PASS, WARN, FAIL, SKIP, UNKNOWN),
    needs=("nested.run",),
    remedies=("module.parameter-on",),
    links=("Intel SDM vol. 3, 29.3 The Extended Page Table Mechanism", "AMD APM vol. 2, 15.25 Nested Paging"),
)
def nested_paging(facts: Facts) -> Outcome:
    fact = facts.nested_paging
    if fact.value is not None and fact.value.ok:
        return Outcome(PASS, "nested guests run with nested paging", proof_evidence(fact))
    offered = facts.offered.known
    if offered is None or not (offered.vmx or offered.svm):
        return Outcome(SKIP, NOTHING)
    if offered.nested_paging is False:
        summary = "guests are offered no nested paging: their guests will be slow"
        return Outcome(WARN, summary, (Evidence(facts.offered.source, "nested_paging=0"),), _paging_on(facts))
    if fact.value is not None and fact.status in (FactStatus.OK, FactStatus.TIMEOUT) and not not_begun(fact):
        return Outcome(FAIL, f"nested paging is offered and fails: {why_not_run(fact)}", proof_evidence(fact))
    return Outcome(UNKNOWN, f"nested paging was not run: {why_not_run(fact)}")


def _paging_on(facts: Facts) -> tuple[Remedy, ...]:
    """Guests are offered it exactly when this machine uses it for them."""
    backend = running_backend(facts)
    if backend is None or backend[0] not in PAGING:
        return ()
    name, module = backend
    parameter = PAGING[name][0]
    return () if is_on(module.parameters.get(parameter, "Y")) else parameter_on(facts, name, parameter)


@check(
    "nested.agreement",
    question="Do the `nested` parameter, what KVM offers, and the nested guest agree?",
    why="Where they do not, one of them is stale, patched or misread; execution is the one to believe.",
    judged="Warns when the parameter is off and vmx or svm is offered all the same, when it is on, the CPU has the "
    "feature and nothing is offered, and when an inner guest ran although nothing was offered.",
    severity=Severity.ADVISES,
    facts=(*ENGINE_FACTS, "kvm.offered", *PROOFS),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=(NESTED_DOC,),
)
def nested_agreement(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend is None or "nested" not in backend[1].parameters:
        return Outcome(SKIP, "no running module has a parameter called nested")
    offered = facts.offered.known
    if offered is None:
        return Outcome(UNKNOWN, f"KVM could not be asked: {facts.offered.error}")
    name, module = backend
    on = is_on(module.parameters["nested"])
    says = "on" if on else "off"
    evidence = (
        Evidence(f"/sys/module/{name}/parameters/nested", module.parameters["nested"]),
        Evidence(facts.offered.source, "offered" if offered.something else "nothing offered"),
    )
    if facts.guest_nested and not offered.something:
        return Outcome(WARN, "an inner guest ran, although KVM says that it offers nothing", evidence)
    if on is not offered.something:
        what = "offers" if offered.something else "does not offer"
        return Outcome(WARN, f"{name} has nested {says}, and KVM {what} virtualization to guests", evidence)
    return Outcome(PASS, f"{name} has nested {says}, and KVM's offer agrees", evidence)
