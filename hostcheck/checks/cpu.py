"""The CPU: is hardware virtualization there, on every CPU of the machine, and is the CPU a real one."""

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Severity
from hostcheck.remedies.vm import expose_to_this_vm

NAMES = {"vmx": "Intel VT-x (vmx)", "svm": "AMD-V (svm)"}
FEATURE_FACTS = ("cpu.identity", "cpu.flags", "cpu.cpuid", "hypervisor.signatures")
IN_VM = ("machine.dmi", "kernel.release", "machine.confidential")
LEVELS = (
    ("x86-64-v2", ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3")),
    ("x86-64-v3", ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave")),
    ("x86-64-v4", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
)
"""The flags of each level as Linux prints them: pni is SSE3, and abm stands for LZCNT (x86-64 psABI, section 3.1.1)."""
SETTINGS = (
    "vm.vsphere", "vm.hyperv", "vm.azure", "vm.gce", "vm.aws", "vm.openstack", "vm.kubevirt", "vm.virtualbox",
    "vm.xen", "vm.libvirt", "vm.proxmox", "vm.wsl", "vm.other", "vm.ordinary",
)  # fmt: skip


def cpu_evidence(facts: Facts) -> tuple[Evidence, ...]:
    """What each source says of the feature."""
    evidence = []
    if facts.cpu.value:
        evidence.append(Evidence(facts.cpu.source, f"{facts.cpu.value.vendor} {facts.cpu.value.model_name}".strip()))
    if cpuid := facts.cpuid.known:
        bits = f"vmx={int(cpuid.vmx)} svm={int(cpuid.svm)} hypervisor={int(cpuid.hypervisor)}"
        evidence.append(Evidence(facts.cpuid.source or "CPUID", bits))
    if (flags := facts.flags.known) is not None:
        shown = [name for name in ("vmx", "svm", "hypervisor") if name in flags]
        evidence.append(Evidence(facts.flags.source, "flags: " + (" ".join(shown) or "none of vmx, svm, hypervisor")))
    if facts.hypervisor_names:
        evidence.append(Evidence(facts.signatures.source, "runs under " + ", ".join(facts.hypervisor_names)))
    return tuple(evidence)


@check(
    "cpu.virtualization",
    question="Does the CPU that this machine sees have VT-x (vmx) or AMD-V (svm)?",
    why="KVM needs it to run guests at full speed, and can only pass on to guests what the CPU has.",
    judged="CPUID is executed and compared with the flags of the kernel; either is enough. s390x needs the facility "
    "sie, riscv64 the extension h. On arm64 and ppc64le no flag tells, so it is skipped there.",
    severity=Severity.BLOCKS,
    facts=(*FEATURE_FACTS, *IN_VM),
    gives=(PASS, FAIL, SKIP, UNKNOWN),
    link=Link.CPU,
    needs=("machine.confidential",),
    remedies=SETTINGS,
    links=("Intel SDM vol. 3, 24.6 Discovering Support for VMX", "AMD APM vol. 2, 15.4 Enabling SVM"),
)
def cpu_virtualization(facts: Facts) -> Outcome:
    evidence = cpu_evidence(facts)
    if not facts.x86:
        return _elsewhere(facts, evidence)
    match facts.feature:
        case None:
            return Outcome(UNKNOWN, f"CPU features could not be read: {facts.flags.error}", evidence)
        case "":
            if facts.is_vm:
                summary = "the hypervisor under this VM shows it neither vmx nor svm"
                return Outcome(FAIL, summary, evidence, expose_to_this_vm(facts))
            return Outcome(FAIL, "this CPU has neither VT-x (vmx) nor AMD-V (svm)", evidence)
        case feature:
            return Outcome(PASS, NAMES[feature], evidence)


def _elsewhere(facts: Facts, evidence: tuple[Evidence, ...]) -> Outcome:
    flags = facts.flags.known
    if facts.arch not in ("s390x", "riscv64"):
        return Outcome(SKIP, f"vmx and svm are x86 features; this is {facts.arch}, where no flag tells", evidence)
    if flags is None:
        return Outcome(UNKNOWN, f"CPU features could not be read: {facts.flags.error}", evidence)
    if facts.arch == "s390x":
        if "sie" in flags:
            return Outcome(PASS, "interpretive execution (sie)", evidence)
        return Outcome(FAIL, "this machine does not have interpretive execution (sie)", evidence)
    letters = next((word.partition("_")[0][4:] for word in flags if word.startswith("rv64")), "")
    if "h" in letters:
        return Outcome(PASS, "the hypervisor extension (h)", evidence)
    return Outcome(FAIL, "this CPU does not have the hypervisor extension (h)", evidence)


@check(
    "cpu.consistent",
    question="Do all CPUs show the same virtualization features?",
    why="kvm_intel does not load, or refuses a CPU that is added later, when CPUs differ; a VM that was moved while it "
    "ran can come by such CPUs.",
    judged="CPUID is executed on each CPU in turn and compared with the first. Warns when one differs.",
    severity=Severity.DEGRADES,
    facts=("cpu.per_cpu",),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("Linux, arch/x86/kvm/vmx/vmx.c: Inconsistent VMCS config",),
)
def cpu_consistent(facts: Facts) -> Outcome:
    each = facts.per_cpu.known
    if each is None:
        status = SKIP if facts.per_cpu.status.value == "unsupported" else UNKNOWN
        return Outcome(status, f"CPUs were not asked one by one: {facts.per_cpu.error}")
    if each.different:
        numbers = ", ".join(str(other.cpu) for other in each.different[:16])
        evidence = (Evidence(facts.per_cpu.source, f"{each.asked} CPUs asked; these differ from the first: {numbers}"),)
        return Outcome(WARN, f"{len(each.different)} of {each.asked} CPUs show other features than the first", evidence)
    return Outcome(PASS, f"{each.asked} CPUs show the same")


@check(
    "cpu.level",
    question="Which x86-64 level can guests with this CPU's features reach?",
    why="Guests of RHEL 9 and its like need x86-64-v2, those of RHEL 10 need v3: on less they stop at boot.",
    judged="The kernel's flags are held against the levels of the x86-64 psABI. Warns below v2.",
    severity=Severity.ADVISES,
    facts=("cpu.identity", "cpu.flags"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=("x86-64 psABI, 3.1.1 Processor Architecture",),
)
def cpu_level(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, f"levels are of x86-64; this is {facts.arch}")
    flags = facts.flags.known
    if flags is None:
        return Outcome(UNKNOWN, f"CPU features could not be read: {facts.flags.error}")
    reached, missing = "x86-64-v1", []
    for level, wanted in LEVELS:
        missing = [flag for flag in wanted if flag not in flags]
        if missing:
            break
        reached = level
    evidence = (Evidence(facts.flags.source, "missing for the next level: " + " ".join(missing)),) if missing else ()
    if reached == "x86-64-v1":
        return Outcome(WARN, "the CPU does not reach x86-64-v2", evidence)
    return Outcome(PASS, f"the CPU reaches {reached}", evidence)


@check(
    "cpu.emulated",
    question="Is the CPU of this machine a real one?",
    why="Under QEMU TCG or Bochs everything can be proven, but no figure about speed means anything.",
    judged="The signature of QEMU TCG in CPUID, or the name Bochs in the DMI strings. Warns when there is one; nothing "
    "else is known to tell.",
    severity=Severity.DEGRADES,
    facts=(*FEATURE_FACTS, "machine.dmi"),
    gives=(PASS, WARN, UNKNOWN),
    links=("QEMU documentation, Invocation: -accel tcg",),
)
def cpu_emulated(facts: Facts) -> Outcome:
    emulator = next((n for n in facts.hypervisor_names if n.startswith("TCGTCGTCG")), "")
    bochs = any("bochs" in v.lower() for v in (facts.dmi.value or {}).values())
    if emulator:
        evidence = (Evidence(facts.signatures.source, emulator),)
        return Outcome(WARN, "the CPU is emulated in software by QEMU TCG", evidence)
    if bochs and not facts.hypervisor_names:
        return Outcome(WARN, "the CPU is emulated in software by Bochs", (Evidence(facts.dmi.source, "Bochs"),))
    if facts.is_vm is None:
        return Outcome(UNKNOWN, "CPUID could not be read")
    return Outcome(PASS, "no sign of an emulated CPU")
