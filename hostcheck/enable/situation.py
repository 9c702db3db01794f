"""A host before anything is done: what runs, what is configured, who holds the module. Pure.

modprobe(8) reads modprobe.d by file name and takes the last value; a value on the kernel command line comes after all
of them (kmod, libkmod-config.c).
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from hostcheck.checks.modules import is_on
from hostcheck.enable.state import CONF, MODULES, Before, Node, Phase, Record, Survey, Use, User
from hostcheck.facts import Facts
from hostcheck.judge import judge
from hostcheck.model import Judgement
from hostcheck.report import Report
from hostcheck.shapes import Configured, Module, Option

COMMAND_LINE = "/proc/cmdline"
NESTED_BY_DEFAULT = (4, 20)
"""The first Linux whose kvm_intel has nesting on when nobody says anything; kvm_amd always had."""
ABSENT_MODULE = Module("absent")


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


def means_on(value: str) -> bool:
    """A value in modprobe.d; a bare `nested` means yes to the kernel's bool (lib/kstrtox.c knows on and off too)."""
    return value == "" or value.lower() == "on" or is_on(value)


def outranks(source: str) -> bool:
    """A place that modprobe reads after our file."""
    return source == COMMAND_LINE or posixpath.basename(source) > posixpath.basename(CONF)


def in_use(now: Situation) -> str:
    """Who holds the module, named."""
    named = _named(now.vms or now.survey.users)
    if now.vms:
        return f"VMs run: {named}"
    if named:
        return f"held by {named}"
    if now.use.holders:
        return f"needed by {', '.join(now.use.holders)}"
    return f"held {now.use.refcnt} times by processes that cannot be seen from here"


def _named(users: Iterable[User]) -> str:
    return ", ".join(f"{user.name or 'a process'} (pid {user.pid})" for user in users)
