"""Kernel modules, the `nested` parameter, and what KVM really offers to guests."""

from hostcheck import remedies
from hostcheck.checks import Outcome, check
from hostcheck.checks.device import NOT_THERE
from hostcheck.facts import Facts, Module
from hostcheck.model import Evidence, Link, Status

KVM_BACKENDS = ("kvm_intel", "kvm_amd", "kvm_pvm", "kvm_hv", "kvm_pr")
TRUE = ("y", "1")


def running_backend(facts: Facts) -> tuple[str, Module] | None:
    """The module that gives KVM its engine. One that is built in runs only if something is behind /dev/kvm."""
    has_driver = facts.device.value is not None and facts.device.value.open not in ("", *NOT_THERE)
    for name in KVM_BACKENDS:
        module = (facts.modules.known or {}).get(name)
        if module is not None and (module.state == "loaded" or (module.state == "builtin" and has_driver)):
            return name, module
    return None


def is_on(parameter: str) -> bool:
    """A module parameter as the kernel prints it: Intel says Y/N, AMD 1/0 (both are right)."""
    value = parameter.strip().lower()
    return value in TRUE or (value.lstrip("-").isdigit() and int(value) != 0)


@check(
    "kvm.module",
    question="Is the KVM module for this CPU running?",
    why="kvm alone does nothing: kvm_intel or kvm_amd (or another engine) has to be loaded or built in.",
    link=Link.MODULE,
    needs=("cpu.virtualization", "firmware.virtualization"),
)
def kvm_module(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend:
        name, module = backend
        evidence = (Evidence(facts.modules.source, f"{name}: {module.state}"),)
        if name == "kvm_pvm":
            return Outcome(Status.PASS, "kvm_pvm: KVM in software, it needs neither vmx nor svm", evidence)
        return Outcome(Status.PASS, f"{name} is {module.state}", evidence)
    if facts.modules.known is None:
        if facts.device.value is not None and facts.device.value.open == "ok":
            return Outcome(Status.PASS, "/dev/kvm answers, so a KVM engine is running")
        return Outcome(Status.UNKNOWN, f"modules could not be listed: {facts.modules.error}")
    if facts.device.value is not None and facts.device.value.open == "ok":
        return Outcome(Status.PASS, "no known engine is listed, but /dev/kvm answers")
    wanted = facts.vendor_module
    states = {name: m.state for name, m in sorted(facts.modules.known.items())}
    evidence = (Evidence(facts.modules.source, ", ".join(f"{n}: {s}" for n, s in states.items())),)
    if not wanted:
        return Outcome(Status.UNKNOWN, "no KVM engine is running, and the CPU's vendor is not known", evidence)
    if not facts.feature:
        return Outcome(Status.FAIL, f"{wanted} is not running and cannot run without vmx or svm", evidence)
    if states.get(wanted) == "absent":
        summary = f"this kernel has no {wanted} module"
        return Outcome(Status.FAIL, summary, evidence, remedies.kernel_with_module(facts, wanted))
    return Outcome(Status.FAIL, f"{wanted} is not loaded", evidence, remedies.load_module(wanted))


@check(
    "nested.parameter",
    question="Is the `nested` parameter of the KVM module on?",
    why="With it off KVM hides vmx and svm from guests. It answers for the guests of this machine, not for this "
    "machine itself.",
    link=Link.NESTED_PARAMETER,
    needs=("kvm.module",),
)
def nested_parameter(facts: Facts) -> Outcome:
    backend = running_backend(facts)
    if backend is None:
        return Outcome(Status.SKIP, "no module: none is running")
    name, module = backend
    value = module.parameters.get("nested")
    if value is None:
        if name in ("kvm_intel", "kvm_amd"):
            return Outcome(Status.UNKNOWN, f"the nested parameter of {name} could not be read")
        return Outcome(Status.SKIP, f"no parameter: {name} has none called nested")
    evidence = (Evidence(f"/sys/module/{name}/parameters/nested", value),)
    if is_on(value):
        return Outcome(Status.PASS, f"{name} nested={value}", evidence)
    return Outcome(Status.FAIL, f"{name} runs with nested={value}", evidence, remedies.switch_nested_on(name))


@check(
    "nested.offered",
    question="Does KVM offer vmx or svm to its guests?",
    why="KVM_GET_SUPPORTED_CPUID is what libvirt and QEMU can give a VM: the one answer that needs no guessing about "
    "parameters, versions and formats.",
    link=Link.OFFERED,
    needs=("cpu.virtualization", "firmware.virtualization", "kvm.module", "nested.parameter", "kvm.access"),
)
def nested_offered(facts: Facts) -> Outcome:
    offered = facts.offered.known
    if offered is None:
        return Outcome(Status.UNKNOWN, f"KVM could not be asked: {facts.offered.error}")
    evidence = (Evidence(facts.offered.source, f"vmx={int(offered.vmx)} svm={int(offered.svm)}"),)
    if offered.vmx or offered.svm:
        paging = {True: ", with nested paging", False: ", without nested paging", None: ""}[offered.nested_paging]
        return Outcome(Status.PASS, f"{'vmx' if offered.vmx else 'svm'} is offered{paging}", evidence)
    return Outcome(Status.FAIL, "KVM offers neither vmx nor svm to guests", evidence)
