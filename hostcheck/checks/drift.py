"""Configured against running: what the next boot or reload will change, or refuse."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.checks.modules import is_on
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Remedy, Severity
from hostcheck.remedies.modules import COMMAND_LINE, ETC, FIX_OPTION, NESTED_COMMAND_LINE, PERSIST, RELOAD, unblock
from hostcheck.shapes import Module, Option

BOOLS = ("y", "n", "0", "1")
INTEGERS = {"kvm_amd": ("nested", "vgif", "vls", "nrips", "lbrv", "tsc_scaling")}
SWITCHES = {
    "kvm_intel": (
        "nested", "ept", "vpid", "unrestricted_guest", "enable_shadow_vmcs", "enable_apicv", "flexpriority", "eptad",
        "pml", "preemption_timer", "vnmi",
    ),
    "kvm_amd": ("npt", "avic", "vnmi", "sev", "sev_es", "sev_snp"),
    "kvm_hv": ("nested",),
}  # fmt: skip
"""Parameters by the type that their module declares (Linux 6.12): an integer takes no Y, a switch takes no 2."""
RUNNING = ("loaded", "builtin")
MODPROBE = "modprobe.d(5)"


def _same(configured: str, running: str) -> bool:
    ours, theirs = configured.strip().lower(), running.strip().lower()
    if ours == theirs:
        return True
    switches = ("", "on", "off", "yes", "no", "true", "false", *BOOLS)
    if theirs in BOOLS and ours in switches:
        return (ours in ("", "on", "yes", "true") or is_on(ours)) == is_on(theirs)
    return ours.isdecimal() and theirs.isdecimal() and ours.lstrip("0") == theirs.lstrip("0")


def _last(options: list[Option]) -> dict[tuple[str, str], Option]:
    """What decides each parameter: a later entry overrides an earlier one."""
    return {(option.module, option.parameter): option for option in options}


@check(
    "module.drift",
    question="Do KVM's modules run with what is configured for them?",
    why="A parameter is read when its module is loaded. What was written since then waits for a reload; what was set "
    "by hand is gone after one: a host that nests today and does not after its next reboot, or the reverse.",
    judged="What modprobe.d and the kernel's command line say is compared with /sys/module; the last entry counts. "
    "Options in modprobe.d are never read for modules that are built in. Warns when they differ.",
    severity=Severity.DEGRADES,
    facts=("kvm.modules", "kvm.configured"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("module.reload", "module.persist", "module.nested-command-line"),
    links=(MODPROBE,),
)
def module_drift(facts: Facts) -> Outcome:
    modules, configured = facts.modules.known, facts.configured.known
    if modules is None or configured is None:
        return Outcome(UNKNOWN, f"there is nothing to compare: {facts.modules.error or facts.configured.error}")
    if not any(module.state in RUNNING for module in modules.values()):
        return Outcome(SKIP, "no KVM module is running")
    different: list[tuple[Option, Module]] = []
    for (name, parameter), option in _last(configured.options).items():
        module = modules.get(name)
        if module is None or module.state not in RUNNING or parameter not in module.parameters:
            continue
        if not _same(option.value, module.parameters[parameter]):
            different.append((option, module))
    if not different:
        count = len(configured.options)
        return Outcome(PASS, f"{count} configured parameters run as written" if count else "nothing is configured")
    different.sort(key=lambda pair: pair[0].parameter != "nested")
    first, module = different[0]
    running = module.parameters[first.parameter]
    summary = f"{first.module} runs with {first.parameter}={running}, and {first.source} says {first.value or 'on'}"
    evidence = tuple(
        Evidence(o.source, f"{o.module} {o.parameter}={o.value}; running: {m.parameters[o.parameter]}")
        for o, m in different
    )
    return Outcome(WARN, summary, evidence, _mend(facts, first, module))


def _mend(facts: Facts, option: Option, module: Module) -> tuple[Remedy, ...]:
    running = module.parameters[option.parameter]
    if module.state == "builtin" and option.source != COMMAND_LINE and option.parameter == "nested":
        return (NESTED_COMMAND_LINE.fill(facts, module=option.module),)
    places = {"module": option.module, "parameter": option.parameter, "source": option.source}
    persist = PERSIST.fill(facts, **places, value="1" if running == "Y" else "0" if running == "N" else running)
    if option.parameter == "nested" and is_on(running):  # a reload would switch nesting off
        return (persist,)
    return (RELOAD.fill(facts, module=option.module), persist)


@check(
    "module.options",
    question="Will KVM's modules accept the options that are configured for them?",
    why="nested is a switch in kvm_intel and a number in kvm_amd: nested=Y makes kvm_amd refuse to load at the next "
    "boot, and until then everything works.",
    judged="Configured values are held against the type that the module declares. Warns when the module would refuse.",
    severity=Severity.DEGRADES,
    facts=("kvm.configured",),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("module.fix-option",),
    links=(MODPROBE, "Linux, arch/x86/kvm/svm/svm.c: module_param(nested, int, 0444)"),
)
def module_options(facts: Facts) -> Outcome:
    configured = facts.configured.known
    if configured is None:
        return Outcome(UNKNOWN, f"what is configured could not be read: {facts.configured.error}")
    if not configured.options:
        return Outcome(SKIP, "no options are configured")
    refused = [option for option in configured.options if _refused(option)]
    if not refused:
        return Outcome(PASS, "no configured option is known to be refused")
    first = refused[0]
    evidence = tuple(Evidence(o.source, f"options {o.module} {o.parameter}={o.value}") for o in refused)
    summary = f"{first.module} will refuse to load with {first.parameter}={first.value}"
    mend = FIX_OPTION.fill(
        facts, module=first.module, parameter=first.parameter, value=first.value, source=first.source
    )
    return Outcome(WARN, summary, evidence, (mend,) if first.source.startswith(ETC) else ())


def _refused(option: Option) -> bool:
    """kstrtoint and kstrtobool of the kernel; an empty value cannot be told from none, which is fine for a switch."""
    if not option.value:
        return False
    if option.parameter in INTEGERS.get(option.module, ()):
        digits = option.value.lower().removeprefix("-").removeprefix("+").removeprefix("0x")
        return not digits or any(c not in "0123456789abcdef" for c in digits)
    if option.parameter in SWITCHES.get(option.module, ()):
        return option.value[0] not in "yYtTnNfF01" and option.value[:2].lower() not in ("on", "of")
    return False


@check(
    "module.blacklist",
    question="Will the KVM module that runs now also load at the next boot?",
    why="A module that was loaded by hand in spite of a blacklist is not there after a reboot.",
    judged="blacklist and install lines of modprobe.d, and module_blacklist= on the kernel's command line. Warns "
    "when they name a module that runs; where it does not run, kvm.module says so.",
    severity=Severity.DEGRADES,
    facts=("kvm.modules", "kvm.configured"),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("module.unblock", "module.override", "module.unblock-elsewhere"),
    links=(MODPROBE,),
)
def module_blacklist(facts: Facts) -> Outcome:
    modules, configured = facts.modules.known, facts.configured.known
    if modules is None or configured is None:
        return Outcome(UNKNOWN, f"there is nothing to compare: {facts.modules.error or facts.configured.error}")
    running = [name for name, module in modules.items() if module.state == "loaded"]
    if not running:
        return Outcome(SKIP, "no KVM module is loaded")
    barred = [entry for entry in configured.blacklisted if entry.module in running]
    if not barred:
        return Outcome(PASS, "nothing keeps the loaded modules from loading again")
    first = barred[0]
    evidence = tuple(Evidence(entry.source, f"keeps {entry.module} from loading") for entry in barred)
    summary = f"{first.module} runs, but {first.source} keeps it from loading"
    return Outcome(WARN, summary, evidence, (unblock(facts, first.module, first.source),))
