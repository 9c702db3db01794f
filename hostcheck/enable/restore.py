"""Putting a host back to what it was: the file byte for byte, the module with its parameters, /dev/kvm.

Every part is looked at first and after: what is as it was is left alone, and what could not be put back is said.
"""

from dataclasses import dataclass

from hostcheck.checks.modules import is_on
from hostcheck.enable.host import Host, HostError
from hostcheck.enable.situation import Situation
from hostcheck.enable.state import CONF, RECORD, Before, Survey, Use
from hostcheck.enable.steps import Load, RemoveFile, SetNode, Step, Unload, UpdateInitramfs, WriteFile
from hostcheck.facts import Facts
from hostcheck.shapes import Module

REMOVE_RECORD = RemoveFile(RECORD, with_directory=True)


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is not as it was, and why; `waits` when stopping VMs or a reboot mends it."""

    text: str
    waits: bool = False


def put_back(host: Host, before: Before, module: str, initramfs: str) -> tuple[Left, ...]:
    """Put everything back that can be; what is left is returned. Raises HostError when the host cannot be asked."""
    survey = host.survey()
    left = []
    changed = survey.conf != before.conf
    if changed:
        left += _try(host, CONF, _file_step(before))
    if initramfs:  # also when the file is as it was: a run may have been killed before it came to this
        left += _try(host, "the initial RAM disk", UpdateInitramfs(initramfs))
    report = host.report()
    running = module_of(Facts(report), module)
    this_boot = (report.subject.boot_id or "") == before.boot_id
    if this_boot and before.loaded:
        left += _reload(host, survey, module, running, before.parameters)
        left += (
            _try(host, "/dev/kvm", SetNode(before.node.mode, before.node.uid, before.node.gid)) if before.node else []
        )
    elif this_boot and running.state == "loaded":
        left += _in_use(survey, module, running) or _try(host, module, Unload(module))
    elif running.state == "loaded" and (changed or _overtaken(Situation(report, survey, None))):
        # another boot: what was loaded by hand is gone, and the parameters are to be those of the configuration
        left += _in_use(survey, module, running) or _try(host, module, Unload(module), Load(module))
    elif before.loaded and running.state == "available":  # killed between the two
        left += _try(host, module, Load(module))
    return tuple(left)


def module_of(facts: Facts, module: str) -> Module:
    """What the report says of a module. Raises HostError when it does not tell."""
    if facts.modules.known is None:
        raise HostError(f"the modules could not be looked at: {facts.modules.error}")
    return facts.modules.known.get(module, Module("absent"))


def differing(parameters: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """Those parameters that are not what they were, with the old values."""
    return {name: value for name, value in sorted(parameters.items()) if now.get(name) != value}


def _overtaken(now: Situation) -> bool:
    """Nesting is on although it is configured to be off."""
    return bool(now.settings) and not now.on_after_boot and is_on(now.nested or "0")


def _file_step(before: Before) -> Step:
    conf = before.conf
    return RemoveFile(CONF) if conf.kind == "absent" else WriteFile(CONF, conf.content, conf.mode, conf.uid, conf.gid)


def _try(host: Host, what: str, *steps: Step) -> list[Left]:
    try:
        for step in steps:
            host.do(step)
    except HostError as e:
        return [Left(f"{what}: {e}")]
    return []


def _in_use(survey: Survey, module: str, running: Module) -> list[Left]:
    use = survey.use.get(module, Use())
    if not use.refcnt and not use.holders:
        return []
    nested = running.parameters.get("nested")
    return [Left(f"{module} is in use and goes on with nested={nested} until it is reloaded", waits=True)]


def _reload(host: Host, survey: Survey, module: str, running: Module, before: dict[str, str]) -> list[Left]:
    """Load the module with the parameters that it had, wherever they came from.

    First as configured; should the configuration not load, or give other values, then with the old ones by name; last
    without the configuration.
    """
    if running.state == "loaded" and not differing(before, running.parameters):
        return []
    if busy := _in_use(survey, module, running):
        return busy
    said = ""
    for bare in (False, True):
        given: dict[str, str] = {}
        for _ in range(2):
            try:
                if running.state == "loaded":
                    host.do(Unload(module))
                host.do(Load(module, tuple(given.items()), bare))
            except HostError as e:
                said = str(e)
                running = module_of(Facts(host.report()), module)
                break
            running = module_of(Facts(host.report()), module)
            given = differing(before, running.parameters)
            if not given:
                return []
    now = ", ".join(f"{name}={running.parameters.get(name)}" for name in differing(before, running.parameters))
    was = ", ".join(f"{name}={value}" for name, value in differing(before, running.parameters).items())
    if running.state != "loaded":
        return [Left(f"{module} is not loaded: {said}")]
    return [Left(f"{module} runs with {now} and not with {was} as before")]
