"""What KVM itself says that it can do, beyond running a guest."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity

NEEDED = {
    "user_memory": "guest memory from user space",
    "irqchip": "an interrupt controller in the kernel",
    "immediate_exit": "stopping a vCPU without a signal",
}
EVERYWHERE = ("user_memory",)
"""On other architectures interrupt controllers are devices, and no irqchip is normal."""


def _unknown(facts: Facts) -> Outcome:
    return Outcome(UNKNOWN, f"KVM could not be asked: {facts.capabilities.error}")


@check(
    "kvm.capabilities",
    question="Does KVM have what QEMU and other monitors rely on?",
    why="Stripped-down or very old kernels make VMs and still lack what monitors take for granted.",
    judged="KVM_CHECK_EXTENSION is asked for guest memory, and on x86 also for an interrupt controller and immediate "
    "exit. Warns when one is missing.",
    severity=Severity.ADVISES,
    facts=("kvm.capabilities", "cpu.identity"),
    gives=(PASS, WARN, UNKNOWN),
    links=("Linux documentation, KVM API: Capabilities",),
)
def kvm_capabilities(facts: Facts) -> Outcome:
    found = facts.capabilities.known
    if found is None:
        return _unknown(facts)
    asked = [name for name in (NEEDED if facts.x86 else EVERYWHERE) if name in found]
    missing = [name for name in asked if not found[name]]
    evidence = (Evidence(facts.capabilities.source, ", ".join(f"{name}={found[name]}" for name in asked)),)
    if missing:
        return Outcome(WARN, f"KVM lacks {', '.join(NEEDED[name] for name in missing)}", evidence)
    most = found.get("max_vcpus", 0)
    return Outcome(PASS, "KVM has what monitors rely on" + (f", up to {most} vCPUs a VM" if most else ""), evidence)


@check(
    "kvm.hyperv",
    question="Can Windows guests get Hyper-V enlightenments?",
    why="Without them Windows guests are slow, and a Windows guest that nests is slower still.",
    judged="KVM_CAP_HYPERV. Warns when KVM does not have it.",
    severity=Severity.ADVISES,
    facts=("kvm.capabilities", "cpu.identity"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("QEMU documentation, Hyper-V Enlightenments", "KubeVirt: hyperv.node.kubevirt.io labels"),
)
def kvm_hyperv(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, f"of x86 only; this is {facts.arch}")
    found = facts.capabilities.known
    if found is None or "hyperv" not in found:
        return _unknown(facts)
    evidence = (Evidence(facts.capabilities.source, f"hyperv={found['hyperv']}"),)
    if not found["hyperv"]:
        return Outcome(WARN, "this KVM has no Hyper-V enlightenments", evidence)
    also = ", enlightened VMCS among them" if found.get("hyperv_enlightened_vmcs") else ""
    return Outcome(PASS, f"Hyper-V enlightenments can be given to guests{also}", evidence)


@check(
    "kvm.tsc-scaling",
    question="Can a VM keep its clock rate when it moves to a host that has another?",
    why="Without TSC scaling a VM whose TSC frequency is fixed, as Hyper-V and hypervisors in VMs like it, moves only "
    "between hosts of the same frequency.",
    judged="KVM_CAP_TSC_CONTROL. Warns when KVM does not have it.",
    severity=Severity.ADVISES,
    facts=("kvm.capabilities", "cpu.identity"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("Linux documentation, KVM API: KVM_SET_TSC_KHZ", "KubeVirt: cpu-timer.node.kubevirt.io labels"),
)
def kvm_tsc_scaling(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, f"of x86 only; this is {facts.arch}")
    found = facts.capabilities.known
    if found is None or "tsc_control" not in found:
        return _unknown(facts)
    evidence = (Evidence(facts.capabilities.source, f"tsc_control={found['tsc_control']}"),)
    if found["tsc_control"]:
        return Outcome(PASS, "the TSC of guests can be scaled", evidence)
    return Outcome(WARN, "the TSC of guests cannot be scaled", evidence)
