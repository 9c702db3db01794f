"""From what a host says of itself to what has to be done so that its guests can nest. Pure.

The judge decides whether the module's `nested` parameter is the broken link: nothing else can be mended here, and what
is not broken is left alone.
"""

import posixpath
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from hostcheck.enable.situation import COMMAND_LINE, Situation, in_use
from hostcheck.enable.state import CONF, MODULES
from hostcheck.enable.steps import Load, SetNode, Step, Unload, UpdateInitramfs, WriteFile
from hostcheck.exits import Exit, of_verdict
from hostcheck.model import Remedy, Where

HEADER = "# Written by `nestproof enable --apply`; `nestproof enable --undo` takes it back.\n"


class Path(StrEnum):
    """Which way a change takes."""

    NOTHING = "nothing to do"
    CONFIGURE = "configure for the next boot"
    LOAD = "load the module"
    RELOAD = "reload the module"
    REBOOT = "reboot"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done and why; `reason` is one sentence. `remedies` are what a person has to do instead."""

    path: Path
    reason: str
    steps: tuple[Step, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    code: Exit = Exit.OK
    """The exit code when nothing more is done."""


def plan(now: Situation) -> Plan:
    """What has to be done on this host."""
    answer = now.judgement.guests_nest
    if now.survey.conf.kind in ("other", "large"):
        return Plan(Path.REFUSED, f"{CONF} is not a small regular file: it is left alone", code=Exit.FAIL)
    if answer.verdict.works:
        return _already_on(now)
    if answer.decided_by == "nested.parameter" and now.module in MODULES:
        return _switch(now)
    if answer.decided_by == "kvm.module" and now.module in MODULES and now.state.state == "available":
        return _load(now)
    remedies = next((f.remedies for f in now.judgement.findings if f.check == answer.decided_by), ())
    return Plan(Path.REFUSED, answer.reason, remedies=remedies, code=of_verdict(answer.verdict))


def _already_on(now: Situation) -> Plan:
    reason = now.judgement.guests_nest.reason
    if now.module not in MODULES or now.on_after_boot:
        if now.interrupted:
            return Plan(Path.CONFIGURE, "an earlier run was interrupted", _configuration(now) + _node_kept(now))
        return Plan(Path.NOTHING, f"it works: {reason}")
    if now.stronger or now.state.state == "builtin":
        return _overruled(now)
    return Plan(Path.CONFIGURE, "it works now, and would be off after the next boot", _configuration(now))


def _switch(now: Situation) -> Plan:
    if now.stronger or now.state.state == "builtin":
        return _overruled(now)
    reason = f"{now.module} runs with nested={now.nested}"
    if now.busy:
        return Plan(Path.REBOOT, f"{reason}, and cannot be reloaded: {in_use(now)}", _configuration(now))
    again = (Unload(now.module), Load(now.module), *_node_kept(now))
    return Plan(Path.RELOAD, reason, _configuration(now) + again)


def _load(now: Situation) -> Plan:
    barred = [entry for entry in now.configured.blacklisted if entry.module == now.module]
    if now.stronger:
        return _overruled(now)
    if barred:
        reason = f"{barred[-1].source} forbids to load {now.module}"
        remedy = Remedy(f"take {now.module} out of {barred[-1].source}", Where.HOST_SHELL, then="run this again")
        return Plan(Path.REFUSED, reason, remedies=(remedy,), code=Exit.FAIL)
    return Plan(Path.LOAD, f"{now.module} is not loaded", (*_configuration(now), Load(now.module), *_node_kept(now)))


def _configuration(now: Situation) -> tuple[Step, ...]:
    """Write our file unless nesting is configured; renew the initial RAM disk's copy, also after an interrupted run."""
    writes: tuple[Step, ...] = ()
    if not now.settings or not now.on_after_boot:
        conf = now.survey.conf
        ending = b"\n" if conf.content.endswith(b"\n") else b"\n\n"  # an empty line: a backslash goes no further
        kept = conf.content + ending if conf.content else b""
        content = kept + f"{HEADER}options {now.module} nested=1\n".encode()
        writes = (WriteFile(CONF, content, conf.mode, conf.uid, conf.gid),)
    if now.survey.initramfs and (writes or now.interrupted):
        return (*writes, UpdateInitramfs(now.survey.initramfs))
    return writes


def _node_kept(now: Situation) -> tuple[Step, ...]:
    """Give /dev/kvm, which is made anew with the module, the owner and mode that it had, in this boot."""
    before = now.before
    if now.interrupted and now.interrupted.before.boot_id == before.boot_id:
        before = now.interrupted.before
    node = before.node if before.loaded else None
    return (SetNode(node.mode, node.uid, node.gid),) if node else ()


def _overruled(now: Situation) -> Plan:
    """Somebody decided against nesting where our file does not reach: they have to decide anew."""
    places = [s for s in now.stronger if s.source != COMMAND_LINE]
    if places:
        place = places[-1]
        line = f"/^ *options  *{now.module.replace('_', '[-_]')} /"
        expression = shlex.quote(f"{line}s/nested={re.escape(place.value)}/nested=1/")
        remedy = Remedy(
            f"set nested=1 in {place.source}: modprobe reads it after {posixpath.basename(CONF)}",
            Where.HOST_SHELL,
            (f"sed -i {expression} {shlex.quote(place.source)}",),
            "run this again",
        )
        return Plan(Path.REFUSED, f"{place.source} says nested={place.value}", remedies=(remedy,), code=Exit.FAIL)
    built_in = now.state.state == "builtin"
    on_line = [s.value for s in now.stronger if s.source == COMMAND_LINE]
    reason = f"{now.module} is built into the kernel and runs with nested={now.nested}"
    if on_line:
        reason = f"the kernel command line says {now.module}.nested={on_line[-1]}"
    off = f" --remove-args={now.module}.nested" if on_line else ""
    on = f" --args={now.module}.nested=1" if built_in else ""
    do = f"put {now.module}.nested=1 on" if built_in else f"take {now.module}.nested out of"
    remedies = (
        Remedy(
            f"{do} the kernel command line (GRUB_CMDLINE_LINUX)",
            Where.HOST_SHELL,
            ("editor /etc/default/grub", "update-grub"),
            "reboot",
        ),
        Remedy(
            "the same with grubby (Fedora, RHEL)", Where.HOST_SHELL, (f"grubby --update-kernel=ALL{off}{on}",), "reboot"
        ),
    )
    return Plan(Path.REFUSED, reason, remedies=remedies, code=Exit.FAIL)
