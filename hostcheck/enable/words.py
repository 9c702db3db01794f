"""The plan and its outcome in words, as lines of text. Pure; what a host says is made harmless by who prints it."""

from hostcheck.enable.carry_out import End, Outcome
from hostcheck.enable.plan import Path, Plan
from hostcheck.enable.situation import Situation, in_use, outranks
from hostcheck.enable.state import CONF, RECORD
from hostcheck.enable.steps import WriteFile, command
from hostcheck.model import Remedy

LABEL = 14
HEADLINES = {
    Path.NOTHING: "nothing to do",
    Path.CONFIGURE: "would be configured; no reload, no reboot",
    Path.LOAD: "would load the module now",
    Path.RELOAD: "would reload the module now; no VM runs",
    Path.REBOOT: "would be configured now, and needs a reboot",
    Path.REFUSED: "cannot be switched on by nestproof",
}
STOPS = {
    Path.RELOAD: "nothing: the module is unloaded for a moment, and no VM can start meanwhile",
    Path.REBOOT: "nothing now; the reboot stops all VMs",
}
AFTER = "A VM gets it when it is started with a CPU that has {feature}: `nestproof check` inside it tells"


def plan_lines(name: str, now: Situation, plan: Plan) -> list[str]:
    """What is there, what would change, what it would stop."""
    lines = [f"{name}: {HEADLINES[plan.path]}: {plan.reason}", ""]
    lines += _row("module", _module(now))
    if plan.path is not Path.REFUSED:
        lines += _row("in use by", in_use(now) if now.busy else "nobody")
    for setting in now.settings:
        overrides = f", stronger than {CONF}" if outranks(setting.source) else ""
        lines += _row("configured", f"nested={setting.value} by {setting.source}{overrides}")
    if not now.settings:
        lines += _row("configured", "nothing about nested; the kernel's default holds")
    if now.record:
        state = "was interrupted" if now.interrupted else "changed this host; --undo takes it back"
        lines += _row("on record", f"an earlier run {state} ({RECORD})")
    if plan.steps:
        lines.append("")
        for step in plan.steps:
            lines += _row("would run", command(step))
            if isinstance(step, WriteFile):
                lines += [" " * (LABEL + 4) + text for text in step.content.decode("utf-8", "replace").splitlines()]
        if plan.path in STOPS:
            lines += _row("would stop", STOPS[plan.path])
    for number, remedy in enumerate(plan.remedies):
        lines += _remedy("Or instead" if number else "To mend it", remedy)
    return lines + _next(now, plan)


def _remedy(head: str, remedy: Remedy) -> list[str]:
    lines = ["", f"  {head} ({remedy.where.value}): {remedy.title}", *(f"    {text}" for text in remedy.commands)]
    return [*lines, f"  Then: {remedy.then}"] if remedy.then else lines


def outcome_lines(name: str, now: Situation, outcome: Outcome) -> list[str]:
    """How applying or undoing ended."""
    match outcome.end:
        case End.PROVEN:
            lines = [f"{name}: nested virtualization is on, and proven: {outcome.reason}"]
            others = ", ".join(outcome.changed)
            lines += [f"  {now.module} also has other parameters now: {others}"] if others else []
            lines.append("  " + AFTER.format(feature=now.judgement.feature or "vmx or svm"))
        case End.WAITS:
            done = "the configuration was put back" if outcome.left else "configured"
            lines = [f"{name}: {done}, and the rest waits: {outcome.reason}"]
            lines.append("  Then: stop the VMs and run this again, or reboot")
        case End.PUT_BACK:
            lines = [f"{name}: it failed, and everything was put back as it was: {outcome.reason}"]
        case End.STUCK:
            lines = [f"{name}: it failed, and not everything could be put back: {outcome.reason}"]
            lines.append(f"  {RECORD} keeps what was there: mend what follows, then run `nestproof enable --undo`")
        case End.UNDONE:
            lines = [f"{name}: {outcome.reason}"]
    return lines + [f"  not as before: {part.text}" for part in outcome.left]


def _module(now: Situation) -> str:
    if not now.module:
        return "none for this CPU"
    nested = f", nested={now.nested}" if now.nested is not None else ""
    return f"{now.module} is {now.state.state}{nested}"


def _next(now: Situation, plan: Plan) -> list[str]:
    if plan.path is Path.REFUSED or (plan.path is Path.NOTHING and not now.record):
        return []
    if plan.path is Path.NOTHING:
        return ["", "Take back what an earlier run changed: nestproof enable --undo"]
    proof = "" if plan.path is Path.REBOOT else ", proves it by running a guest in a guest"
    return ["", f"Do it: nestproof enable --apply{proof}; should anything fail, all is put back"]


def _row(label: str, text: str) -> list[str]:
    return [f"  {label:{LABEL}}{text}"]
