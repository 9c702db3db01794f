"""CPU and firmware: is hardware virtualization there, and did firmware leave it on."""

import re

from hostcheck import remedies
from hostcheck.checks import Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Status

NAMES = {"vmx": "Intel VT-x (vmx)", "svm": "AMD-V (svm)"}
X86 = ("x86_64", "i386", "i486", "i586", "i686")
DISABLED_BY_FIRMWARE = re.compile(
    r"VMX \((?:outside|inside) TXT\) disabled by BIOS|SVM disabled \(by BIOS\)|kvm: .*disabled by bios|"
    r"VMX not enabled \(by BIOS\)",
    re.IGNORECASE,
)


def _cpu_evidence(facts: Facts) -> tuple[Evidence, ...]:
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
    link=Link.CPU,
)
def cpu_virtualization(facts: Facts) -> Outcome:
    evidence = _cpu_evidence(facts)
    arch = facts.cpu.value.arch if facts.cpu.value else ""
    if arch and arch not in X86:
        return Outcome(Status.SKIP, f"vmx and svm are x86 features; this is {arch}", evidence)
    match facts.feature:
        case None:
            return Outcome(Status.UNKNOWN, f"CPU features could not be read: {facts.flags.error}", evidence)
        case "":
            if facts.is_vm:
                summary = "the hypervisor under this VM shows it neither vmx nor svm"
                return Outcome(Status.FAIL, summary, evidence, remedies.expose_to_this_vm(facts))
            return Outcome(Status.FAIL, "this CPU has neither VT-x (vmx) nor AMD-V (svm)", evidence)
        case feature:
            return Outcome(Status.PASS, NAMES[feature], evidence)


@check(
    "firmware.virtualization",
    question="Did the firmware leave VT-x or AMD-V switched on?",
    why="Firmware can lock it off until the next power cycle; the kernel then hides the flag, which other tools read "
    "as a CPU without the feature.",
    link=Link.FIRMWARE,
    needs=("cpu.virtualization",),
)
def firmware_virtualization(facts: Facts) -> Outcome:
    log = [line for line in facts.log.known or () if DISABLED_BY_FIRMWARE.search(line)]
    if not facts.feature and not log:
        return Outcome(Status.SKIP, "nothing to enable: the CPU shows no vmx or svm")
    evidence = [Evidence("kernel log", line) for line in log]
    locked = _locked_off(facts)
    if locked:
        evidence.append(Evidence(facts.msrs.source, locked))
    flags = facts.flags.known
    hidden = facts.feature and flags is not None and facts.feature not in flags
    if hidden:
        evidence.append(Evidence(facts.flags.source, f"CPUID has {facts.feature}, the kernel does not show it"))
    if log or locked:
        return Outcome(
            Status.FAIL,
            "firmware has switched hardware virtualization off",
            tuple(evidence),
            remedies.enable_in_firmware(facts),
        )
    if hidden:
        return Outcome(
            Status.FAIL,
            f"the CPU has {facts.feature}, but the kernel hides it: off in firmware, or a kernel without KVM support",
            tuple(evidence),
            remedies.enable_in_firmware(facts),
        )
    if flags is None:
        return Outcome(Status.UNKNOWN, f"the kernel's view of the CPU could not be read: {facts.flags.error}")
    return Outcome(
        Status.PASS, f"the kernel shows {facts.feature}", (Evidence(facts.flags.source, facts.feature or ""),)
    )


def _locked_off(facts: Facts) -> str:
    """Why the MSRs say off, or "". Bits: SDM vol. 4 IA32_FEATURE_CONTROL, APM vol. 2 VM_CR."""
    msrs = facts.msrs.known
    if msrs is None:
        return ""
    if facts.feature == "vmx" and msrs.feature_control is not None and msrs.feature_control & 0b101 == 0b001:
        return f"IA32_FEATURE_CONTROL={msrs.feature_control:#x}: locked with VMX off"
    if facts.feature == "svm" and msrs.vm_cr is not None and msrs.vm_cr & 1 << 4:
        return f"VM_CR={msrs.vm_cr:#x}: SVMDIS is set"
    return ""


@check(
    "cpu.emulated",
    question="Is the CPU of this machine a real one?",
    why="Under QEMU TCG or Bochs everything can be proven, but no figure about speed means anything.",
)
def cpu_emulated(facts: Facts) -> Outcome:
    emulator = next((n for n in facts.hypervisor_names if n.startswith("TCGTCGTCG")), "")
    bochs = any("bochs" in v.lower() for v in (facts.dmi.value or {}).values())
    if emulator:
        evidence = (Evidence(facts.signatures.source, emulator),)
        return Outcome(Status.WARN, "the CPU is emulated in software by QEMU TCG", evidence)
    if bochs and not facts.hypervisor_names:
        return Outcome(Status.WARN, "the CPU is emulated in software by Bochs", (Evidence(facts.dmi.source, "Bochs"),))
    if facts.is_vm is None:
        return Outcome(Status.UNKNOWN, "CPUID could not be read")
    return Outcome(Status.PASS, "no sign of an emulated CPU")
