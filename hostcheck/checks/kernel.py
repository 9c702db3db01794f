"""The kernel's own words: what it was built with, and what it complained about."""

import re

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.modules import kernel_with_module

COMPLAINTS = re.compile(
    r"Inconsistent VMCS config|VMXON faulted|enabling virtualization on CPU\s?\d+ failed|VMX not supported by CPU|"
    r"SVM not supported by CPU|KVM is unsupported when running as an SEV guest|CPU \d+ isn't AMD or Hygon|"
    r"HYP mode not available|KVM disabled from command line|vmwrite (?:error|failed)|vmread (?:error|failed)|"
    r"kvm.{0,80}: (?:unhandled|unexpected) (?:rdmsr|wrmsr|exit)",
    re.IGNORECASE,
)
OPTIONS = {
    "kvm_intel": "CONFIG_KVM_INTEL",
    "kvm_amd": "CONFIG_KVM_AMD",
    "kvm_hv": "CONFIG_KVM_BOOK3S_64_HV",
    "kvm": "CONFIG_KVM",
}


@check(
    "kernel.log",
    question="Did KVM complain in the kernel's log?",
    why="What it says there is often the whole answer, and nobody looks: CPUs that differ, VMXON that faults, a SEV "
    "guest, a vCPU that was added to a running VM.",
    judged="Lines of the log that are known to mean trouble. Warns when there is one. Reading it needs root on many "
    "distributions (kernel.dmesg_restrict).",
    severity=Severity.DEGRADES,
    facts=("kernel.log",),
    gives=(PASS, WARN, UNKNOWN),
    links=("dmesg(1)",),
)
def kernel_log(facts: Facts) -> Outcome:
    lines = facts.log.known
    if lines is None:
        return Outcome(UNKNOWN, f"the kernel's log could not be read: {facts.log.error}")
    found = [line for line in lines if COMPLAINTS.search(line)]
    if not found:
        return Outcome(PASS, "no complaint that is known")
    return Outcome(WARN, f"KVM complained: {found[0]}", tuple(Evidence("kernel log", line) for line in found[:8]))


@check(
    "kernel.config",
    question="Was the running kernel built with KVM for this CPU?",
    why="Vendors of appliances and small clouds leave it out. vmx or svm can then be there, and /dev/kvm never.",
    judged="The kernel's configuration, from /boot or /proc/config.gz. Warns when the option is not set.",
    severity=Severity.ADVISES,
    facts=("kernel.config", "cpu.identity", "cpu.flags", "cpu.cpuid", "machine.os"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("kernel.debian", "kernel.ubuntu", "kernel.fedora", "kernel.suse", "kernel.other"),
    links=("Linux, arch/x86/kvm/Kconfig",),
)
def kernel_config(facts: Facts) -> Outcome:
    module = facts.vendor_module
    if module not in OPTIONS:
        return Outcome(SKIP, "which module this CPU needs is not known")
    config = facts.kernel_config.known
    if config is None:
        return Outcome(UNKNOWN, f"the kernel's configuration could not be read: {facts.kernel_config.error}")
    option = OPTIONS[module]
    evidence = (Evidence(config.get("source", facts.kernel_config.source), f"{option}={config.get(option, 'n')}"),)
    if config.get(option) in ("y", "m"):
        return Outcome(PASS, f"{option}={config[option]}", evidence)
    return Outcome(WARN, f"{option} is not set in this kernel", evidence, kernel_with_module(facts, module))
