"""From what a host says of itself to what has to be done so that its guests can nest. Pure.

The judge decides whether the module's `nested` parameter is the broken link: nothing else can be mended here, and what
is not broken is left alone. modprobe(8) reads modprobe.d by file name and takes the last value; a value on the kernel
command line comes after all of them (kmod, libkmod-config.c).
"""

import posixpath
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from hostcheck.checks.modules import is_on
from hostcheck.enable.state import CONF, MODULES, Before, Node, Phase, Record, Survey, Use, User
from hostcheck.enable.steps import Load, SetNode, Step, Unload, UpdateInitramfs, WriteFile
from hostcheck.exits import Exit, of_verdict
from hostcheck.facts import Facts
from hostcheck.judge import judge
from hostcheck.model import Judgement, Remedy, Where
from hostcheck.report import Report
from hostcheck.shapes import Configured, Module, Option

COMMAND_LINE = "/proc/cmdline"
NESTED_BY_DEFAULT = (4, 20)
"""The first Linux whose kvm_intel has nesting on when nobody says anything; kvm_amd always had."""
HEADER = "# Written by `nestproof enable --apply`; `nestproof enable --undo` takes it back.\n"


class Path(StrEnum):
    """Which way a change takes."""

    NOTHING = "nothing to do"
    CONFIGURE = "configure for the next boot"
    LOAD = "load the module"
    RELOAD = "reload the module"
    REBOOT = "reboot"
    REFUSED = "refused"


@dataclass(frozen=True)
class Situation:
    """All that is known of a host before anything is done: the agent's report, the survey, an earlier run's record."""

    report: Report
    survey: Survey
    record: Record | None

    @cached_property
    def facts(self) -> Facts:
        return Facts(self.report)

    @cached_property
    def judgement(self) -> Judgement:
        return judge(self.report)

    @cached_property
    def module(self) -> str:
        """kvm_intel or kvm_amd: the one that runs, else the one for this CPU; empty when neither is."""
        running = [name for name in MODULES if self._modules.get(name, ABSENT_MODULE).state in ("loaded", "builtin")]
        return self.facts.vendor_module if self.facts.vendor_module in running or not running else running[0]

    @property
    def _modules(self) -> dict[str, Module]:
        return self.facts.modules.known or {}

    @property
    def state(self) -> Module:
        return self._modules.get(self.module, ABSENT_MODULE)

    @property
    def nested(self) -> str | None:
        """The running value; None where the module does not run, or does not tell."""
        return self.state.parameters.get("nested")

    @property
    def configured(self) -> Configured:
        return self.facts.configured.known or Configured()

    @property
    def settings(self) -> list[Option]:
        """What is configured about nesting in the module."""
        return [o for o in self.configured.options if (o.module, o.parameter) == (self.module, "nested")]

    @property
    def on_after_boot(self) -> bool:
        """Nesting will be on whenever the module is loaded as configured."""
        if self.settings:
            return means_on(self.settings[-1].value)
        return self.module == "kvm_amd" or (self.facts.kernel_number or (0, 0)) >= NESTED_BY_DEFAULT

    @property
    def stronger(self) -> list[Option]:
        """Settings against nesting that our file could not override."""
        return [s for s in self.settings if not means_on(s.value) and outranks(s.source)]

    @property
    def use(self) -> Use:
        return self.survey.use.get(self.module, Use())

    @property
    def vms(self) -> list[User]:
        return [user for user in self.survey.users if user.vm]

    @property
    def busy(self) -> bool:
        """The kernel would not unload the module."""
        return bool(self.use.refcnt or self.use.holders)

    @property
    def interrupted(self) -> Record | None:
        """The record of a run that did not come to its end."""
        return self.record if self.record and self.record.phase is Phase.CHANGING else None

    @property
    def node_to_keep(self) -> tuple[Step, ...]:
        """Give /dev/kvm, which is made anew with the module, the owner and mode that it had, in this boot."""
        before = self.before
        if self.interrupted and self.interrupted.before.boot_id == before.boot_id:
            before = self.interrupted.before
        node = before.node if before.loaded else None
        return (SetNode(node.mode, node.uid, node.gid),) if node else ()

    @property
    def before(self) -> Before:
        """The host as it is now."""
        device = self.facts.device.value
        node = Node(int(device.mode, 8), device.uid, device.gid) if device and device.mode.isdigit() else None
        return Before(
            boot_id=self.report.subject.boot_id or "",
            conf=self.survey.conf,
            loaded=self.state.state == "loaded",
            parameters=self.state.parameters,
            node=node,
        )


ABSENT_MODULE = Module("absent")


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done and why; `reason` is one sentence. `remedies` are what a person has to do instead."""

    path: Path
    reason: str
    steps: tuple[Step, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    code: Exit = Exit.OK
    """The exit code when nothing more is done."""


def means_on(value: str) -> bool:
    """A value in modprobe.d; a bare `nested` means yes to the kernel's bool (lib/kstrtox.c knows on and off too)."""
    return value == "" or value.lower() == "on" or is_on(value)


def outranks(source: str) -> bool:
    """A place that modprobe reads after our file."""
    return source == COMMAND_LINE or posixpath.basename(source) > posixpath.basename(CONF)


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
            return Plan(Path.CONFIGURE, "an earlier run was interrupted", _configuration(now) + now.node_to_keep)
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
    again = (Unload(now.module), Load(now.module), *now.node_to_keep)
    return Plan(Path.RELOAD, reason, _configuration(now) + again)


def _load(now: Situation) -> Plan:
    barred = [entry for entry in now.configured.blacklisted if entry.module == now.module]
    if now.stronger:
        return _overruled(now)
    if barred:
        reason = f"{barred[-1].source} forbids to load {now.module}"
        remedy = Remedy(f"take {now.module} out of {barred[-1].source}", Where.HOST_SHELL, then="run this again")
        return Plan(Path.REFUSED, reason, remedies=(remedy,), code=Exit.FAIL)
    return Plan(Path.LOAD, f"{now.module} is not loaded", (*_configuration(now), Load(now.module), *now.node_to_keep))


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


def in_use(now: Situation) -> str:
    """Who holds the module, named."""
    named = named_users(now.vms or now.survey.users)
    if now.vms:
        return f"VMs run: {named}"
    if named:
        return f"held by {named}"
    if now.use.holders:
        return f"needed by {', '.join(now.use.holders)}"
    return f"held {now.use.refcnt} times by processes that cannot be seen from here"


def named_users(users: Iterable[User]) -> str:
    return ", ".join(f"{user.name or 'a process'} (pid {user.pid})" for user in users)
