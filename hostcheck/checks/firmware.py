"""The firmware: did it leave hardware virtualization on, and what else did it decide."""

import re

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.cpu import FEATURE_FACTS, IN_VM, SETTINGS
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Severity
from hostcheck.remedies.firmware import enable_in_firmware
from hostcheck.shapes import Msrs, OtherMsrs

DISABLED_BY_FIRMWARE = re.compile(
    r"VMX \((?:outside|inside) TXT\) disabled by BIOS|SVM disabled \(by BIOS\)|kvm: .{0,40}disabled by bios|"
    r"VMX not enabled \(by BIOS\)",
    re.IGNORECASE,
)
SDM = "Intel SDM vol. 4, IA32_FEATURE_CONTROL; AMD APM vol. 2, 15.30.1 VM_CR MSR"


@check(
    "firmware.virtualization",
    question="Did the firmware leave VT-x or AMD-V switched on?",
    why="Firmware can lock it off until the next power cycle; the kernel then hides the flag, which other tools read "
    "as a CPU without the feature.",
    judged="Fails when the kernel's log or the two registers say that it is off, or when CPUID has the feature and the "
    "kernel hides it, which it does for no other reason if it was built with KVM for this CPU. The log and the "
    "registers need root; without them the comparison decides.",
    severity=Severity.BLOCKS,
    facts=(*FEATURE_FACTS, *IN_VM, "kernel.log", "kernel.config", "firmware.msr", "firmware.boot"),
    gives=(PASS, FAIL, SKIP, UNKNOWN),
    link=Link.FIRMWARE,
    needs=("machine.confidential", "cpu.virtualization"),
    remedies=("firmware.enable", "firmware.enable-by-hand", *SETTINGS),
    links=(SDM, "Linux, arch/x86/kernel/cpu/feat_ctl.c"),
)
def firmware_virtualization(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, f"no such switch: this is {facts.arch}")
    log = [line for line in facts.log.known or () if DISABLED_BY_FIRMWARE.search(line)]
    if not facts.feature and not log:
        return Outcome(SKIP, "nothing to enable: the CPU shows no vmx or svm")
    evidence = [Evidence("kernel log", line) for line in log]
    locked = _locked_off(facts)
    if locked:
        evidence.append(Evidence(facts.msrs.source, locked))
    flags = facts.flags.known
    hidden = facts.feature and flags is not None and facts.feature not in flags
    if hidden:
        evidence.append(Evidence(facts.flags.source, f"CPUID has {facts.feature}, the kernel does not show it"))
    if log or locked:
        summary = "firmware has switched hardware virtualization off"
        return Outcome(FAIL, summary, tuple(evidence), enable_in_firmware(facts))
    config = facts.kernel_config.known
    if hidden and facts.feature == "vmx" and config is not None and "CONFIG_KVM_INTEL" not in config:
        evidence.append(Evidence(facts.kernel_config.source, "CONFIG_KVM_INTEL is not set"))
        summary = "this kernel was built without kvm_intel, and then does not show what the firmware decided"
        return Outcome(UNKNOWN, summary, tuple(evidence))
    if hidden:
        summary = f"the CPU has {facts.feature}, but the kernel hides it: off in firmware, or a kernel without KVM"
        return Outcome(FAIL, summary, tuple(evidence), enable_in_firmware(facts))
    if flags is None:
        return Outcome(UNKNOWN, f"the kernel's view of the CPU could not be read: {facts.flags.error}")
    return Outcome(PASS, f"the kernel shows {facts.feature}", (Evidence(facts.flags.source, facts.feature or ""),))


def _locked_off(facts: Facts) -> str:
    """Why the MSRs of CPU 0 say off, or ""."""
    msrs = facts.msrs.known
    return _off(facts, msrs) if msrs else ""


def _off(facts: Facts, msrs: Msrs | OtherMsrs) -> str:
    if facts.feature == "vmx" and msrs.feature_control is not None and msrs.feature_control & 0b101 == 0b001:
        return f"IA32_FEATURE_CONTROL={msrs.feature_control:#x}: locked with VMX off"
    if facts.feature == "svm" and msrs.vm_cr is not None and msrs.vm_cr & 1 << 4:
        return f"VM_CR={msrs.vm_cr:#x}: SVMDIS is set"
    return ""


@check(
    "firmware.consistent",
    question="Did the firmware decide the same for every CPU?",
    why="Some firmware locks VT-x on the first CPU only. KVM then fails on the others, where no other tool looks.",
    judged="The registers of each CPU are compared with those of CPU 0, as root with the msr module. Warns when one "
    "differs.",
    severity=Severity.DEGRADES,
    facts=("cpu.identity", "cpu.flags", "cpu.cpuid", "firmware.msr"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    links=(SDM,),
)
def firmware_consistent(facts: Facts) -> Outcome:
    if not facts.x86:
        return Outcome(SKIP, f"no such registers: this is {facts.arch}")
    msrs = facts.msrs.known
    if msrs is None:
        return Outcome(UNKNOWN, f"the registers were not read (root, and modprobe msr): {facts.msrs.error}")
    if not msrs.different:
        return Outcome(PASS, "every CPU has the same")
    off = [other.cpu for other in msrs.different if _off(facts, other)]
    shown = ", ".join(str(other.cpu) for other in msrs.different[:16])
    evidence = (Evidence(facts.msrs.source, f"these CPUs have other values than CPU 0: {shown}"),)
    what = f"virtualization is off on {len(off)} CPUs only" if off else "CPUs have different values in these registers"
    return Outcome(WARN, what, evidence)


@check(
    "firmware.lockdown",
    question="Does lockdown or Secure Boot stand in the way of KVM?",
    why="A locked-down kernel loads signed modules only: its own kvm modules are, those of other hypervisors and "
    "self-built engines are often not. It also keeps root from writing registers.",
    judged="Warns when the kernel is locked down and no guest ran; otherwise the mode is only told.",
    severity=Severity.ADVISES,
    facts=("firmware.boot", "proof.plain"),
    gives=(PASS, WARN, UNKNOWN),
    links=("kernel_lockdown(7)",),
)
def firmware_lockdown(facts: Facts) -> Outcome:
    boot = facts.boot.known
    if boot is None:
        return Outcome(UNKNOWN, f"how this system was started could not be read: {facts.boot.error}")
    secure = {True: "Secure Boot is on", False: "Secure Boot is off", None: "Secure Boot is not known"}
    mode = boot.lockdown or "none"
    evidence = (Evidence(facts.boot.source, f"lockdown {mode}, {secure[boot.secure_boot]}"),)
    if mode == "none":
        return Outcome(PASS, "the kernel is not locked down", evidence)
    if facts.guest_ran:
        return Outcome(PASS, f"lockdown is {mode}, and a guest ran all the same", evidence)
    return Outcome(WARN, f"lockdown is {mode}: an unsigned KVM module would be refused", evidence)
