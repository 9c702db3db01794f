"""The engine behind /dev/kvm: the ordinary ones, and those that look like them and are not."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.modules import ENGINE_FACTS, PAGING, PARAMETER_FACTS, is_on, running_backend
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.modules import parameter_on
from hostcheck.shapes import Module


@check(
    "kvm.engine",
    question="Which engine is behind /dev/kvm, and what can it not do?",
    why="kvm_pvm and kvm_pr need no virtualization extension, and so pass where the hardware fails: but they emulate "
    "ordinary guests or cannot nest. pKVM excludes nesting. On Hyper-V, KVM uses enlightened VMCS.",
    judged="The running module, its parameters, and the kernel's command line. Warns for engines with such limits.",
    severity=Severity.DEGRADES,
    facts=(*ENGINE_FACTS, "kernel.release"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=(
        "kernel-parameters.txt: kvm-arm.mode",
        "Microsoft documentation, Hypervisor Top-Level Functional Specification: Enlightened VMCS",
    ),
)
def kvm_engine(facts: Facts) -> Outcome:
    if facts.modules.known is None:
        return Outcome(UNKNOWN, f"modules could not be listed: {facts.modules.error}")
    backend = running_backend(facts)
    if backend is None:
        return Outcome(SKIP, "no engine is running")
    name, module = backend
    evidence = (Evidence(facts.modules.source, f"{name}: {module.state}"),)
    cmdline = facts.kernel.value.cmdline.split() if facts.kernel.value else []
    if name == "kvm_pvm":
        summary = "kvm_pvm: only guests with a PVM kernel run at full speed, others are emulated, and none can nest"
        return Outcome(WARN, summary, evidence)
    if name == "kvm_pr":
        return Outcome(WARN, "kvm_pr: guests run in user mode of the CPU, slowly; kvm_hv is the fast one", evidence)
    if "kvm-arm.mode=protected" in cmdline:
        return Outcome(WARN, "pKVM (kvm-arm.mode=protected): protected guests, and no nesting", evidence)
    if is_on(module.parameters.get("enlightened_vmcs", "N")):
        summary = f"{name} with Hyper-V's enlightened VMCS: exits cost less, some VMX features are gone"
        return Outcome(PASS, summary, evidence)
    return Outcome(PASS, name, evidence)


def _parameter(facts: Facts, module: Module, name: str) -> tuple[Evidence, ...]:
    return (Evidence(f"{facts.modules.source}: {name}", module.parameters.get(name, "")),)


@check(
    "kvm.paging",
    question="Does this machine run its guests with EPT or NPT?",
    why="Without nested paging every change of a guest's page tables goes through KVM; it is several times slower, and "
    "guests are offered none for their own guests either.",
    judged="The running value of ept (kvm_intel) or npt (kvm_amd), which the kernel sets to N where the CPU lacks it. "
    "Warns on N.",
    severity=Severity.DEGRADES,
    facts=PARAMETER_FACTS,
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("module.parameter-on",),
    links=("kernel-parameters.txt: kvm-intel.ept, kvm-amd.npt",),
)
def kvm_paging(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend is None or backend[0] not in PAGING:
        return Outcome(SKIP, "neither kvm_intel nor kvm_amd is running")
    name, module = backend
    parameter, label = PAGING[name]
    if parameter not in module.parameters:
        return Outcome(UNKNOWN, f"the parameter {parameter} of {name} could not be read")
    evidence = _parameter(facts, module, parameter)
    if is_on(module.parameters[parameter]):
        return Outcome(PASS, f"{name} uses {label}", evidence)
    return Outcome(WARN, f"{name} runs without {label}", evidence, parameter_on(facts, name, parameter))


@check(
    "kvm.unrestricted-guest",
    question="Can guests start in real mode without emulation?",
    why="Without unrestricted guest KVM emulates a guest's real mode: firmware and boot loaders are slow, and some "
    "fail. Kata Containers demands it.",
    judged="The running value of unrestricted_guest of kvm_intel. AMD-V can always. Warns on N.",
    severity=Severity.DEGRADES,
    facts=PARAMETER_FACTS,
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("module.parameter-on",),
    links=("kernel-parameters.txt: kvm-intel.unrestricted_guest", "Intel SDM vol. 3, 27.3.1.2 Unrestricted Guests"),
)
def kvm_unrestricted_guest(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend is None or backend[0] != "kvm_intel":
        return Outcome(SKIP, "a question about kvm_intel, which is not running")
    name, module = backend
    if "unrestricted_guest" not in module.parameters:
        return Outcome(UNKNOWN, "the parameter unrestricted_guest of kvm_intel could not be read")
    evidence = _parameter(facts, module, "unrestricted_guest")
    if is_on(module.parameters["unrestricted_guest"]):
        return Outcome(PASS, "guests start in real mode on the CPU", evidence)
    if not is_on(module.parameters.get("ept", "Y")):
        summary = "kvm_intel emulates guests in real mode: unrestricted guest needs EPT, which is off"
        return Outcome(WARN, summary, evidence, parameter_on(facts, name, "ept"))
    remedies = parameter_on(facts, name, "unrestricted_guest")
    return Outcome(WARN, "kvm_intel emulates guests in real mode", evidence, remedies)
