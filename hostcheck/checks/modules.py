"""Kernel modules: which engine KVM runs with, and the `nested` parameter."""

import re

from hostcheck.checks import FAIL, PASS, SKIP, UNKNOWN, Outcome, check
from hostcheck.checks.device import NOT_THERE
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Link, Severity
from hostcheck.remedies.arch import nesting_elsewhere
from hostcheck.remedies.modules import kernel_with_module, load_module, switch_nested_on
from hostcheck.remedies.rivals import stop_other_hypervisor
from hostcheck.shapes import Module

KVM_BACKENDS = ("kvm_intel", "kvm_amd", "kvm_pvm", "kvm_hv", "kvm_pr")
ENGINE_FACTS = ("kvm.modules", "kvm.device", "cpu.identity")
PARAMETER_FACTS = (*ENGINE_FACTS, "cpu.flags", "cpu.vmx_flags")
PAGING = {"kvm_intel": ("ept", "EPT"), "kvm_amd": ("npt", "NPT")}
"""The parameter for nested paging, and the name of the thing."""
WITH_NESTED = ("kvm_intel", "kvm_amd", "kvm_hv")
TRUE = ("y", "1")
KVM_LINE = re.compile(r"(kvm|kvm_intel|kvm_amd|SVM|VMX): ")
NOT_ENABLED = re.compile(r"kvm: enabling virtualization on CPU\d+ failed")


def running_backend(facts: Facts) -> tuple[str, Module] | None:
    """The module that gives KVM its engine. One that is built in runs only if something is behind /dev/kvm."""
    has_driver = facts.device.value is not None and facts.device.value.open not in ("", *NOT_THERE)
    names = KVM_BACKENDS if facts.x86 or facts.arch.startswith("ppc") else ("kvm",)
    for name in names:
        module = (facts.modules.known or {}).get(name)
        if module is not None and (module.state == "loaded" or (module.state == "builtin" and has_driver)):
            return name, module
    return None


def held_by_another(facts: Facts) -> bool:
    """KVM's last word is that the CPU's virtualization was taken: since Linux 6.12 it then does not load."""
    last = next((line for line in reversed(facts.log.known or ()) if KVM_LINE.match(line)), "")
    return bool(NOT_ENABLED.match(last)) and running_backend(facts) is None


def is_on(parameter: str) -> bool:
    """A module parameter as the kernel prints it: Intel says Y/N, AMD 1/0 (both are right)."""
    value = parameter.strip().lower()
    return value in TRUE or (value.lstrip("-").isdecimal() and int(value[:20]) != 0)


@check(
    "kvm.module",
    question="Is the KVM module for this CPU running?",
    why="kvm alone does nothing on x86: kvm_intel or kvm_amd (or another engine) has to be loaded or built in.",
    judged="The modules in /sys/module and the index of the running kernel decide; built-in modules count, which lsmod "
    "does not show. A /dev/kvm that opens outweighs what is not listed. Where KVM's last word in the log is that "
    "it could not enable virtualization, another hypervisor is the reason.",
    severity=Severity.BLOCKS,
    facts=(
        "cpu.identity", "cpu.flags", "cpu.cpuid", "kvm.modules", "kvm.device", "kvm.configured", "kernel.release",
        "kernel.log", "machine.rivals", "machine.os",
    ),
    gives=(PASS, FAIL, UNKNOWN),
    link=Link.MODULE,
    needs=("machine.confidential", "cpu.virtualization", "firmware.virtualization"),
    remedies=(
        "module.load", "module.unblock", "module.override", "module.unblock-elsewhere", "kernel.debian",
        "kernel.ubuntu", "kernel.fedora", "kernel.suse", "kernel.other", "rivals.stop-virtualbox",
        "rivals.stop-vmware", "rivals.stop-other",
    ),
    links=("modprobe.d(5)", "Linux documentation, Virtualization Support: KVM"),
)  # fmt: skip
def kvm_module(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend:
        name, module = backend
        evidence = (Evidence(facts.modules.source, f"{name}: {module.state}"),)
        if name == "kvm_pvm":
            return Outcome(PASS, "kvm_pvm: KVM in software, it needs neither vmx nor svm", evidence)
        return Outcome(PASS, f"{name} is {module.state}", evidence)
    answers = facts.device.value is not None and facts.device.value.open == "ok"
    if facts.modules.known is None:
        if answers:
            return Outcome(PASS, "/dev/kvm answers, so a KVM engine is running")
        return Outcome(UNKNOWN, f"modules could not be listed: {facts.modules.error}")
    if answers:
        return Outcome(PASS, "no known engine is listed, but /dev/kvm answers")
    return _not_running(facts, facts.modules.known)


def _not_running(facts: Facts, modules: dict[str, Module]) -> Outcome:
    wanted = facts.vendor_module
    listing = ", ".join(f"{name}: {m.state}" for name, m in sorted(modules.items()))
    evidence = [Evidence(facts.modules.source, listing)]
    configured = facts.configured.known
    barred = [entry for entry in configured.blacklisted if entry.module == wanted] if configured else []
    evidence += [Evidence(entry.source, f"keeps {entry.module} from loading") for entry in barred]
    if not wanted:
        return Outcome(UNKNOWN, "no KVM engine is running, and the CPU's vendor is not known", tuple(evidence))
    if facts.x86 and not facts.feature:
        return Outcome(FAIL, f"{wanted} is not running and cannot run without vmx or svm", tuple(evidence))
    if wanted in modules and modules[wanted].state == "absent" and modules[wanted].indexed:
        remedies = kernel_with_module(facts, wanted)
        return Outcome(FAIL, f"this kernel has no {wanted} module", tuple(evidence), remedies)
    cmdline = facts.kernel.value.cmdline.split() if facts.kernel.value else []
    if "nomodule" in cmdline or "nomodules" in cmdline:
        summary = f"{wanted} is not built in, and this kernel was told to load no modules (nomodule)"
        return Outcome(FAIL, summary, tuple(evidence), kernel_with_module(facts, wanted))
    if held_by_another(facts):
        summary = f"{wanted} did not load: another hypervisor held the CPU's virtualization"
        evidence.append(Evidence(facts.log.source, "kvm: enabling virtualization on CPU failed"))
        return Outcome(FAIL, summary, tuple(evidence), stop_other_hypervisor(facts))
    why = f": {barred[0].source} bars it" if barred else ""
    return Outcome(FAIL, f"{wanted} is not loaded{why}", tuple(evidence), load_module(facts, wanted))


@check(
    "nested.parameter",
    question="Is the `nested` parameter of the KVM module on?",
    why="With it off KVM hides vmx and svm from guests. It answers for the guests of this machine, not for this "
    "machine itself.",
    judged="The running value in /sys/module decides, in the way that its type is printed: Y or N by kvm_intel and "
    "kvm_hv, a number by kvm_amd and by kvm of s390x. arm64 has kvm-arm.mode on the kernel's command line instead.",
    severity=Severity.BLOCKS,
    facts=("kvm.modules", "kvm.device", "cpu.identity", "kvm.configured", "kernel.release"),
    gives=(PASS, FAIL, SKIP, UNKNOWN),
    link=Link.NESTED_PARAMETER,
    needs=("machine.confidential", "kvm.module"),
    remedies=(
        "module.nested-on", "module.nested-edit", "module.nested-command-line", "arch.arm64-nested",
        "arch.s390x-nested", "arch.ppc64-nested",
    ),
    links=(
        "Linux documentation, Virtualization Support: Running nested guests with KVM",
        "kernel-parameters.txt: kvm-arm.mode",
    ),
)  # fmt: skip
def nested_parameter(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend is None:
        return Outcome(SKIP, "no module: none is running")
    if facts.arch in ("aarch64", "arm64"):
        return _arm_mode(facts)
    name, module = backend
    value = module.parameters.get("nested")
    if value is None:
        if name in WITH_NESTED or facts.arch == "s390x":
            return Outcome(UNKNOWN, f"the nested parameter of {name} could not be read")
        return Outcome(SKIP, f"no parameter: {name} has none called nested")
    evidence = (Evidence(f"/sys/module/{name}/parameters/nested", value),)
    if is_on(value):
        return Outcome(PASS, f"{name} nested={value}", evidence)
    remedies = nesting_elsewhere(facts) or switch_nested_on(facts, name, module.state == "builtin")
    return Outcome(FAIL, f"{name} runs with nested={value}", evidence, remedies)


def _arm_mode(facts: Facts) -> Outcome:
    kernel = facts.kernel.known
    if kernel is None:
        return Outcome(UNKNOWN, f"the kernel's command line could not be read: {facts.kernel.error}")
    mode = next((w[13:] for w in reversed(kernel.cmdline.split()) if w.startswith("kvm-arm.mode=")), "")
    evidence = (Evidence("/proc/cmdline", f"kvm-arm.mode={mode}" if mode else "no kvm-arm.mode"),)
    if mode.split(",")[0] == "nested":
        return Outcome(PASS, f"booted with kvm-arm.mode={mode}", evidence)
    return Outcome(FAIL, "not booted with kvm-arm.mode=nested", evidence, nesting_elsewhere(facts))
