"""What an apply changes: told as steps and in vSphere's own language, without doing any of it."""

from importlib.metadata import version
from typing import Any

from hostcheck.model import Evidence
from provision.model import VmSpec
from provision.provider import Difference, Power, ProviderError, Step
from provision.providers.vsphere import guestinfo, networks, settings
from provision.providers.vsphere.properties import Read
from provision.providers.vsphere.situation import UNKNOWN, Situation, at
from provision.providers.vsphere.spec import config_spec, shown

USER_DATA = "VirtualMachine spec.userData.cloudInit.inline"
MAKING = ("create", "rebuild", "reconfigure")
"""Changes that set something."""


def kind_of(situation: Situation, vm: VmSpec) -> str:
    """create, rebuild, reconfigure, start, stop or keep."""
    if situation.vm is None:
        return "create"
    if situation.half or (situation.whole and situation.found.needs_new_vm(situation.wanted)):
        return "rebuild"
    if not situation.whole or situation.differences:
        return "reconfigure"
    if situation.running == vm.power_on:
        return "keep"
    return "start" if vm.power_on else "stop"


def steps(change: str, situation: Situation, vm: VmSpec, groups: tuple[Read, ...]) -> tuple[Step, ...]:
    """In their order."""
    start = (Step("start", "VM", "nested" if vm.nested else "not nested"),) if vm.power_on else ()
    stop = (Step("stop", "VM", "shut down by its guest, else switched off"),) if situation.running else ()
    opening = tuple(
        Step("change", f"portgroup {g.name}", "let frames of the VMs inside pass: it is shared with other VMs")
        for g in groups
    )
    differences = told(situation.differences)
    configure = Step("configure", "VM", differences or "was left half done")
    match change:
        case "create" | "rebuild":
            again = (*stop, Step("replace", "VM", _lost(situation, differences))) if change == "rebuild" else ()
            create = Step("create", "VM", _origin(situation, vm))
            return (*_importing(situation, vm), *opening, *again, create, configure, *start)
        case "reconfigure":
            return (*opening, *stop, configure, *start)
        case "start":
            return (*opening, *start)
        case "stop":
            return (*opening, *stop)
        case _:
            return (*opening, Step("keep", "VM", "running as wanted" if vm.power_on else "off, as wanted"))


def _importing(situation: Situation, vm: VmSpec) -> tuple[Step, ...]:
    if situation.alone or situation.template is not None or not settings.is_imported(vm.image):
        return ()
    item = vm.image.library_item
    source = f"item {item.item} of library {item.library}" if item else f"the OVA of image {vm.image.name}"
    return (Step("import", "template", f"{source}, once"),)


def _origin(situation: Situation, vm: VmSpec) -> str:
    what = f"the OVA of image {vm.image.name}" if situation.alone else f"template {settings.source_of(vm.image)}"
    return f"of {what}" + (f" on host {situation.place.host.name}" if situation.place else "")


def _lost(situation: Situation, differences: str) -> str:
    return "its import was broken off" if situation.half else f"what was written to its disks is lost: {differences}"


def told(differences: tuple[Difference, ...]) -> str:
    """In one line."""
    return ", ".join(f"{d.setting} {d.observed or 'none'} → {d.wanted}" for d in differences)


def power(change: str, situation: Situation, vm: VmSpec) -> Power:
    """What the change does to a VM that runs."""
    if not situation.running or change not in ("rebuild", "reconfigure", "stop"):
        return Power.UNTOUCHED
    return Power.POWER_CYCLE if vm.power_on else Power.OFF


def evidence(situation: Situation) -> tuple[Evidence, ...]:
    """What the plan rests on."""
    host, there = situation.there.host, situation.there
    return (
        Evidence(f"capability.nestedHVSupported of {host.name}", str(host.nested).lower()),
        Evidence(
            "virtual hardware", f"vmx-{there.hardware:02}" if situation.config is not UNKNOWN else "as in the image"
        ),
        Evidence("API version", there.api),
    )


def native(vm: VmSpec, situation: Situation, variables: dict[str, str]) -> str:
    """The calls with all that they set, secrets left out."""
    lines = []
    if situation.vm is None and situation.place is not None:
        place, source = situation.place, settings.source_of(vm.image)
        call = "ImportVApp" if situation.alone else "CloneVM_Task"
        lines.append(f"{call} {source} -> {place.folder.name}/{settings.key_of(vm)} on {place.host.name}")
    return "\n".join([*lines, "ReconfigVM_Task", shown(spec(vm, situation, variables))])


def spec(vm: VmSpec, situation: Situation, variables: dict[str, str]) -> Any:
    """What one ReconfigVM makes of the VM."""
    return config_spec(vm, situation.found, situation.wanted, situation.config,
                       networks.backings(situation.inventory, vm), variables, version("nestproof"))  # fmt: skip


def variables(vm: VmSpec) -> dict[str, str]:
    """What the guest gets by guestinfo. Raises ProviderError."""
    try:
        return guestinfo.variables(vm)
    except ValueError as e:
        raise ProviderError(
            f"{at(vm, USER_DATA)}: {e}", hint="fetch what is large in the guest, by #include or write_files.source",
            refused=True,
        ) from e  # fmt: skip
