"""The vSphere provider: plan, apply, observe, fetch the report, destroy."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import msgspec
from pyVmomi import vim, vmodl

from hostcheck import clock
from hostcheck.model import Evidence, Judgement, VmView
from hostcheck.report import Report
from provision.accounting import account
from provision.model import ProviderSpec, VmSpec
from provision.provider import Plan, Progress, ProviderError, Step
from provision.providers.vsphere import gates, guestinfo, networks, settings
from provision.providers.vsphere.connection import Connection, connect
from provision.providers.vsphere.faults import explain
from provision.providers.vsphere.hosts import VsphereEstate
from provision.providers.vsphere.inventory import HOST, Inventory, Place, read_inventory
from provision.providers.vsphere.notes import notes
from provision.providers.vsphere.observe import VM, view
from provision.providers.vsphere.ova import import_template
from provision.providers.vsphere.properties import Read, read_all, read_some
from provision.providers.vsphere.readback import settings_of
from provision.providers.vsphere.settings import OWNER, WHOLE, Settings
from provision.providers.vsphere.spec import clone_spec, config_spec, shown
from provision.providers.vsphere.tasks import TaskLost, run

NESTED = "VMClass spec.performanceProfile.nestedVirtualization"
IMAGE = "VirtualMachine spec.imageRef.name"
USER_DATA = "VirtualMachine spec.userData.cloudInit.inline"
DISK = "VMClass spec.diskDefaults.size"
AGAIN = 3
"""How often a task that vCenter lost is looked after anew."""
POLL = 2.0
"""Seconds between two looks for a report."""
GRACE = 60.0
"""Seconds for a guest to shut down before its power is cut."""
NEWER = (
    (vim.vm.FlagInfo, "vbsEnabled"), (vim.vm.FlagInfo, "vvtdEnabled"), (vim.vm.BootOptions, "efiSecureBootEnabled"),
    (vim.vm.ConfigSpec, "nestedHVEnabled"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VspherePlan(Plan):
    """A plan, and what of the VM's power it was agreed to."""

    stops: bool
    """It was said that the VM is stopped."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What was found of one wanted VM, and what it is to become."""

    inventory: Inventory
    there: gates.Surroundings
    wanted: Settings
    found: Settings
    """Of the VM, else of the template."""
    vm: Any
    """The VM's reference; None when there is none."""
    config: Any
    """Of the VM, else of the template."""
    running: bool
    whole: bool
    template: Any
    place: Place | None
    """None when the VM is there."""

    @property
    def differences(self) -> tuple[str, ...]:
        return self.found.differences(self.wanted)


MAKING = ("create", "rebuild", "reconfigure")
"""Changes that set something."""


UNKNOWN: Any = vim.vm.ConfigInfo(
    version="vmx-99", hardware=vim.vm.VirtualHardware(numCPU=0, memoryMB=0, device=[]), extraConfig=[]
)
"""Of an OVA that is not imported yet: what it has is seen, and held against the gates, when it is."""


def open_endpoint(spec: ProviderSpec) -> "VsphereProvider":
    """Log in. Raises ProviderError."""
    return VsphereProvider(connect(spec))


def open_estate(spec: ProviderSpec) -> VsphereEstate:
    """Log in to look at hosts and VMs. Raises ProviderError."""
    return VsphereEstate(connect(spec))


class VsphereProvider:
    """See `provision.provider.Provider`."""

    def __init__(self, connection: Connection) -> None:
        self.name = f"vsphere {connection.endpoint.shown}"
        self._connection = connection
        self._importing = threading.Lock()

    def host_report(self) -> Report | None:
        """None: ESXi runs no agent."""
        return None

    def plan(self, vm: VmSpec, host: Judgement | None = None) -> VspherePlan:  # noqa: ARG002 - of no machine here
        """What apply will do. Changes nothing."""
        situation = self._look(vm)
        self._check(vm, situation)
        seed = _variables(vm)
        change = _change(situation, vm)
        return VspherePlan(
            vm=vm,
            steps=_steps(change, situation, vm, networks.to_open(situation.inventory, vm)),
            accounts=account(vm, "vsphere"),
            notes=(*notes(vm), *networks.notes(situation.inventory, vm)),
            evidence=_evidence(situation),
            native=self._native(vm, situation, seed) if change in MAKING else "",
            stops=situation.running and change in ("rebuild", "reconfigure", "stop"),
        )

    def apply(self, plan: Plan, progress: Progress) -> None:
        """Carry out a plan. What is there is looked at again, also after a task that vCenter lost."""
        assert isinstance(plan, VspherePlan)
        for _ in range(AGAIN):
            try:
                self._converge(plan, progress)
                return
            except TaskLost:
                progress("vCenter lost the task: looking again")
        raise ProviderError(
            f"{self._connection.endpoint.shown}: vCenter lost its tasks {AGAIN} times", hint="apply again"
        )

    def observe(self, vm: VmSpec) -> VmView | None:
        """The live VM, read back; None when there is none."""
        ref = self._find(vm.namespace, vm.name)
        if ref is None:
            return None
        found = self._read(ref, (*VM, "config"))
        if found is None:
            return None
        host = self._read(found.get("runtime.host"), (*HOST, "hardware.cpuFeature", "config.product.fullName"))
        seen = view(found, host, self.name, vm.key, _at(vm, NESTED))
        config, inventory = found.get("config"), Inventory(self._groups())
        if config is None or host is None:
            return seen
        there = self._surroundings(vm, config, inventory.facts(host))
        wanted = settings.wanted(vm, there.host, there.fields)
        read = settings.present(config, vm, networks.names(inventory))
        return msgspec.structs.replace(seen, settings=settings_of(vm, wanted, read))

    def fetch_report(self, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
        """The latest report that the guest sent since it was switched on, by guestinfo."""
        deadline = clock.monotonic() + timeout
        said = False
        while True:
            ref = self._find(vm.namespace, vm.name)
            found = self._read(ref, VM) if ref is not None else None
            if found is None:
                raise ProviderError(
                    f"it does not exist at {self._connection.endpoint.shown}", hint="apply the manifests"
                )
            try:
                report = guestinfo.report(settings.options(found.get("config.extraConfig")))
            except ValueError as e:
                raise ProviderError(f"its report cannot be read: {e}") from e
            if report is not None:
                return report
            if str(found.get("runtime.powerState")) != "poweredOn":
                raise ProviderError("no report: it is powered off", hint="start it, or set spec.powerState: On")
            if not said:
                progress("waiting for its report by guestinfo")
                said = True
            if clock.monotonic() > deadline:
                raise ProviderError(f"no report within {timeout:g} s: {self._silence(ref)}", hint=SILENT)
            time.sleep(min(POLL, max(0.05, deadline - clock.monotonic())))

    def destroy(self, namespace: str, name: str) -> tuple[str, ...]:
        """Remove the VM with its disks; nothing else was made."""
        for _ in range(AGAIN):
            ref = self._find(namespace, name)
            if ref is None:
                return ()
            try:
                found = self._read(ref, ("name", "runtime.powerState", "config.extraConfig"))
                if found is None:
                    return ()
                if str(found.get("runtime.powerState")) != "poweredOff":
                    self._run(ref, "switching it off", ref.PowerOffVM_Task, _quiet)
                image = settings.options(found.get("config.extraConfig")).get(settings.IMAGE, "")
                self._run(ref, "removing it", ref.Destroy_Task, _quiet)
                return (f"VM {found.name} with its disks", *self._remove_unused(image))
            except TaskLost:
                continue
        raise ProviderError(
            f"{self._connection.endpoint.shown}: vCenter lost its tasks {AGAIN} times", hint="try again"
        )

    def _remove_unused(self, image: str) -> tuple[str, ...]:
        """The template that was made from an OVA goes with the last VM that was cloned from it."""
        if not image.startswith(settings.OVA):
            return ()
        paths = {vim.VirtualMachine: ("name", "config.extraConfig", "config.template")}
        machines: list[Read] = self._explained(lambda: read_all(self._connection, paths))
        users = (m for m in machines if not m.get("config.template"))
        if any(settings.options(m.get("config.extraConfig")).get(settings.IMAGE) == image for m in users):
            return ()
        self._remove_import(Inventory(machines), image)
        return (f"template {image}",)

    def close(self) -> None:
        """Log out; VMs go on."""
        self._connection.close()

    # What is there

    def _find(self, namespace: str, name: str) -> Any:
        """The reference of a VM of ours; None. Raises ProviderError for one that is not ours but has its identity."""
        index = self._connection.content.searchIndex
        uuid = settings.instance_uuid(namespace, name)
        ref = self._explained(lambda: index.FindByUuid(None, uuid, True, True))  # vmSearch, instanceUuid
        if ref is None:
            return None
        found = self._read(ref, ("name", "config.extraConfig"))
        if found is None:
            return None
        if settings.options(found.get("config.extraConfig")).get(OWNER) != f"{namespace}/{name}":
            raise ProviderError(f"VM {found.name} has the identity of {namespace}/{name} but was not made by nestproof")
        return ref

    def _groups(self) -> list[Read]:
        group = vim.dvs.DistributedVirtualPortgroup
        found: list[Read] = self._explained(lambda: read_all(self._connection, {group: ("name", "config.key")}))
        return found

    def _look(self, vm: VmSpec) -> Situation:
        ref = self._find(vm.namespace, vm.name)
        inventory = self._explained(lambda: read_inventory(self._connection))
        names = networks.names(inventory)
        if ref is not None:
            found = self._read(ref, ("config", "runtime.powerState", "runtime.host"))
            if found is not None and found.get("config") is not None:
                return self._of_vm(vm, ref, found, inventory, names)
        if self._connection.content.about.apiType == "HostAgent":
            raise ProviderError(
                f"{self._connection.endpoint.shown}: an ESXi host alone clones no templates",
                hint="give the vCenter that manages it as the endpoint",
                refused=True,
            )
        template = self._template(vm, inventory)
        place = inventory.place(vm.placement, nested=vm.nested)
        self._check_name(vm, place)
        read = self._read(template.ref, ("config",)) if template is not None else Read(None, {"config": UNKNOWN})
        config = read.get("config") if read else None
        if config is None:
            raise ProviderError(f"{_at(vm, IMAGE)}: the configuration of its template cannot be read")
        there = self._surroundings(vm, config, place.host)
        wanted = settings.wanted(vm, place.host, there.fields)
        return Situation(inventory, there, wanted, settings.present(config, vm, names), None, config,
                         False, False, template.ref if template else None, place)  # fmt: skip

    def _of_vm(self, vm: VmSpec, ref: Any, found: Read, inventory: Inventory, names: dict[str, str]) -> Situation:
        config, host = found.get("config"), inventory.by_ref(found.get("runtime.host"))
        if host is None:
            raise ProviderError(f"VM {settings.key_of(vm)} is on no host that this account may see")
        there = self._surroundings(vm, config, inventory.facts(host))
        wanted = settings.wanted(vm, there.host, there.fields)
        present = settings.present(config, vm, names)
        running = str(found.get("runtime.powerState")) == "poweredOn"
        anew = present.needs_new_vm(wanted)
        read = self._template(vm, inventory) if anew else None
        template = read.ref if read is not None else None
        place = inventory.place(vm.placement, nested=vm.nested) if anew else None
        whole = settings.options_of(config).get(WHOLE) == "yes"
        return Situation(inventory, there, wanted, present, ref, config, running, whole, template, place)

    def _template(self, vm: VmSpec, inventory: Inventory) -> Read | None:
        """What the VM is cloned from; None for an OVA that is not imported, or not wholly, yet."""
        if vm.image.url:
            name = settings.source_of(vm.image)
            found = [m for m in inventory.of(vim.VirtualMachine) if m.name == name and m.get("config.template")]
            return found[0] if found else None
        if not vm.image.template:
            raise ProviderError(
                f"{vm.image.origin}: on vSphere nestproof makes VMs from templates and OVAs: "
                f"image {vm.image.name} is neither",
                hint="make it a template once (govc library.deploy, govc vm.markastemplate): vsphere.templateName",
                refused=True,
            )
        try:
            return inventory.find(vim.VirtualMachine, vm.image.template, "template")
        except ProviderError as e:
            raise ProviderError(f"{vm.image.origin}: {e}", hint=e.hint) from e

    def _check_name(self, vm: VmSpec, place: Place) -> None:
        index, name = self._connection.content.searchIndex, settings.key_of(vm)
        if self._explained(lambda: index.FindChild(place.folder.ref, name)) is not None:
            raise ProviderError(
                f"VM {name} exists already in folder {place.folder.name} and was not made by nestproof",
                hint="rename the one or the other",
            )

    def _surroundings(self, vm: VmSpec, config: Any, host: gates.HostFacts) -> gates.Surroundings:
        fields = {name for kind, name in NEWER if self._connection.knows(kind, name)}
        if self._connection.knows_type(vim.vm.device.VirtualTPM):
            fields.add("VirtualTPM")
        hardware = gates.version_of(config.version or "")
        upgraded = int(settings.upgrade_to(vm) or 0)
        return gates.Surroundings(
            api=self._connection.api,
            fields=frozenset(fields),
            hardware=max(hardware, upgraded),
            host=host,
            key_providers=self._key_providers() if vm.tpm else None,
        )

    def _key_providers(self) -> tuple[str, ...] | None:
        manager = self._connection.content.cryptoManager
        if not isinstance(manager, vim.encryption.CryptoManagerKmip):
            return None
        found = self._read(manager, ("kmipServers",))
        if found is None or "kmipServers" not in found.values:
            return () if found is not None else None
        return tuple(str(server.clusterId.id) for server in found.values["kmipServers"])

    def _check(self, vm: VmSpec, situation: Situation) -> None:
        gates.check(vm, situation.there)
        if situation.there.host.unusable and not situation.running and vm.power_on:
            host = situation.there.host
            raise ProviderError(
                f"{_at(vm, 'vm')}: no VM can be started on host {host.name}: {host.unusable}",
                hint="choose another host in spec.placement, or bring that one back", refused=True,
            )  # fmt: skip
        size = situation.found.disk_gib
        if not situation.found.needs_new_vm(situation.wanted) or situation.vm is None:
            if size.isdecimal() and vm.disk_gib < int(size):
                raise ProviderError(
                    f"{_at(vm, DISK)}: its disk of {size} GiB cannot shrink to {vm.disk_gib} GiB",
                    hint="ask for at least the size of the template", refused=True,
                )  # fmt: skip
            if situation.found.disks and situation.found.disks != situation.wanted.disks:
                raise ProviderError(
                    f"{_at(vm, 'vm')}: the extra disks of an existing VM stay as they are "
                    f"({situation.found.disks}): what is on them would be lost",
                    hint="destroy the VM first, or change them in vCenter", refused=True,
                )  # fmt: skip

    # Making it so

    def _converge(self, plan: VspherePlan, progress: Progress) -> None:
        vm = plan.vm
        situation = self._look(vm)
        self._check(vm, situation)
        change = _change(situation, vm)
        if change in ("create", "rebuild") and situation.template is None:
            with self._importing:  # once for all VMs of the image
                situation = self._look(vm)
                if situation.template is None:
                    self._import(vm, situation, progress)
            situation = self._look(vm)
            self._check(vm, situation)
        for group in networks.to_open(situation.inventory, vm):
            self._open(group, progress)
        if situation.running and change in ("rebuild", "reconfigure", "stop"):
            if not plan.stops:
                raise ProviderError(
                    "it has to be powered off for this, which the plan did not say: it was started meanwhile",
                    hint="apply again",
                )
            self._stop(situation.vm, progress)
        if change == "rebuild":
            self._run(situation.vm, "removing it", situation.vm.Destroy_Task, progress)
            situation = replace(situation, vm=None)
        ref = situation.vm
        if change in ("create", "rebuild"):
            ref = self._clone(vm, situation, progress)
        if change in MAKING:
            self._configure(vm, ref, progress)
        if vm.power_on and change != "keep":
            self._start(ref, progress)

    def _import(self, vm: VmSpec, situation: Situation, progress: Progress) -> None:
        """Make the template of an OVA. What a killed run left of it is removed first."""
        assert situation.place is not None
        inventory, place = situation.inventory, situation.place
        self._remove_import(inventory, settings.source_of(vm.image))
        store = place.datastore or inventory.only(vim.Datastore, "datastore").ref
        import_template(self._connection, vm.image, place, store, progress)

    def _remove_import(self, inventory: Inventory, name: str) -> None:
        for machine in inventory.of(vim.VirtualMachine):
            if machine.name == name:
                found = self._read(machine.ref, ("config.extraConfig",))
                if settings.IMPORTED not in settings.options(found.get("config.extraConfig") if found else None):
                    raise ProviderError(f"VM {name} exists already and was not made by nestproof", hint="rename it")
                self._run(machine.ref, f"removing {name}", machine.ref.Destroy_Task, _quiet)

    def _clone(self, vm: VmSpec, situation: Situation, progress: Progress) -> Any:
        assert situation.place is not None
        template, place = situation.template, situation.place
        read = self._read(template, ("config.hardware.device",))
        devices = (read.get("config.hardware.device") if read else None) or ()
        disk = next((d for d in devices if isinstance(d, vim.vm.device.VirtualDisk)), None)
        spec = clone_spec(vm, place, disk)
        start: Callable[[], Any] = lambda: template.CloneVM_Task(place.folder.ref, settings.key_of(vm), spec)  # noqa: E731
        try:
            self._run(template, f"cloning {settings.source_of(vm.image)}", start, progress)
        except ProviderError as e:
            # A clone that a killed run began has come to its end meanwhile
            if isinstance(e.__cause__, vim.fault.DuplicateName) and (made := self._find(vm.namespace, vm.name)):
                return made
            raise
        # By its identity and not by the task's result: after a cut connection the task may be of another clone
        made = self._find(vm.namespace, vm.name)
        if made is None:
            raise TaskLost
        return made

    def _configure(self, vm: VmSpec, ref: Any, progress: Progress) -> None:
        """Everything in one ReconfigVM, and then read back: vSphere may take a setting and lose it."""
        situation = self._look(vm)
        upgrade = settings.upgrade_to(vm)
        if upgrade and int(upgrade) > gates.version_of(situation.config.version or ""):
            self._run(ref, f"upgrading to vmx-{int(upgrade):02}",
                      lambda: ref.UpgradeVM_Task(f"vmx-{int(upgrade):02}"), progress)  # fmt: skip
            situation = self._look(vm)
        spec = self._spec(vm, situation, _variables(vm))
        self._run(ref, "configuring", lambda: ref.ReconfigVM_Task(spec), progress)
        after = self._look(vm)
        if lost := after.differences:
            raise ProviderError(
                f"{self._connection.endpoint.shown}: vSphere accepted the settings but did not keep them: "
                f"{', '.join(lost)}",
                hint="see the events of the VM in vCenter",
            )

    def _spec(self, vm: VmSpec, situation: Situation, variables: dict[str, str]) -> Any:
        return config_spec(vm, situation.found, situation.wanted, situation.config,
                           networks.backings(situation.inventory, vm), variables, version("nestproof"))  # fmt: skip

    def _native(self, vm: VmSpec, situation: Situation, variables: dict[str, str]) -> str:
        lines = []
        if situation.vm is None and situation.place is not None:
            place, source = situation.place, settings.source_of(vm.image)
            lines.append(f"CloneVM_Task {source} -> {place.folder.name}/{settings.key_of(vm)} on {place.host.name}")
        return "\n".join([*lines, "ReconfigVM_Task", shown(self._spec(vm, situation, variables))])

    def _stop(self, ref: Any, progress: Progress) -> None:
        """By its guest where VMware Tools run, and by its power when that takes too long."""
        progress("shutting down")
        try:
            self._connection.write(ref.ShutdownGuest)
        except (vim.fault.VimFault, vmodl.MethodFault):
            pass
        else:
            deadline = clock.monotonic() + GRACE
            while clock.monotonic() < deadline:
                found = self._read(ref, ("runtime.powerState",))
                if found is None or str(found.get("runtime.powerState")) == "poweredOff":
                    return
                time.sleep(0.5)
        self._run(ref, "switching it off", ref.PowerOffVM_Task, progress)

    def _start(self, ref: Any, progress: Progress) -> None:
        found = self._read(ref, ("runtime.powerState",))
        if found is not None and str(found.get("runtime.powerState")) == "poweredOn":
            return
        self._run(ref, "starting", ref.PowerOnVM_Task, progress)

    def _open(self, group: Read, progress: Progress) -> None:
        progress(f"opening portgroup {group.name} for the VMs inside")
        found = self._read(group.ref, ("config.configVersion",))
        spec = networks.opening_spec(self._connection, str(found.get("config.configVersion") or "") if found else "")
        self._run(
            group.ref, f"changing portgroup {group.name}", lambda: group.ref.ReconfigureDVPortgroup_Task(spec), _quiet
        )

    # Calls

    def _run(self, entity: Any, what: str, start: Callable[[], Any], progress: Progress) -> Any:
        return run(self._connection, entity, what, start, progress)

    def _read(self, ref: Any, paths: tuple[str, ...]) -> Read | None:
        """Properties of one object; None when it is gone."""
        if ref is None:
            return None
        try:
            return next(iter(read_some(self._connection, [ref], paths)), None)
        except vmodl.fault.ManagedObjectNotFound:
            return None
        except (vim.fault.VimFault, vmodl.MethodFault) as e:
            raise explain(e, self._connection.endpoint.shown) from e

    def _explained(self, what: Callable[[], Any]) -> Any:
        try:
            return self._connection.read(what)
        except (vim.fault.VimFault, vmodl.MethodFault) as e:
            raise explain(e, self._connection.endpoint.shown) from e

    def _silence(self, ref: Any) -> str:
        found = self._read(ref, ("guest.toolsRunningStatus",))
        if found is None or str(found.get("guest.toolsRunningStatus") or "") != "guestToolsRunning":
            return "VMware Tools do not run in it"
        return "VMware Tools run in it, but the agent has set no guestinfo variable"


SILENT = (
    "its image needs cloud-init and open-vm-tools; isolation.tools.setInfo.disable must not be set; "
    "in the guest: systemctl status nestproof-agent"
)


def _change(situation: Situation, vm: VmSpec) -> str:
    """create, rebuild, reconfigure, start, stop or keep."""
    if situation.vm is None:
        return "create"
    if situation.whole and situation.found.needs_new_vm(situation.wanted):
        return "rebuild"
    if not situation.whole or situation.differences:
        return "reconfigure"
    if situation.running == vm.power_on:
        return "keep"
    return "start" if vm.power_on else "stop"


def _steps(change: str, situation: Situation, vm: VmSpec, groups: tuple[Read, ...]) -> tuple[Step, ...]:
    start = (Step("start", "VM", "nested" if vm.nested else "not nested"),) if vm.power_on else ()
    stop = (Step("stop", "VM", "shut down by its guest, else switched off"),) if situation.running else ()
    opening = tuple(
        Step("change", f"portgroup {g.name}", "let frames of the VMs inside pass: it is shared with other VMs")
        for g in groups
    )
    differences = ", ".join(situation.differences)
    configure = Step("configure", "VM", differences or "was left half done")
    match change:
        case "create" | "rebuild":
            place = situation.place
            at = f"of template {settings.source_of(vm.image)}" + (f" on host {place.host.name}" if place else "")
            if vm.image.url and situation.template is None:
                opening = (Step("import", "template", f"the OVA of image {vm.image.name}, once"), *opening)
            again = (*stop, Step("replace", "VM", f"what was written to its disks is lost: {differences}"))
            return (*opening, *(again if change == "rebuild" else ()), Step("create", "VM", at), configure, *start)
        case "reconfigure":
            return (*opening, *stop, configure, *start)
        case "start":
            return (*opening, *start)
        case "stop":
            return (*opening, *stop)
        case _:
            return (*opening, Step("keep", "VM", "running as wanted" if vm.power_on else "off, as wanted"))


def _evidence(situation: Situation) -> tuple[Evidence, ...]:
    host, there = situation.there.host, situation.there
    return (
        Evidence(f"capability.nestedHVSupported of {host.name}", str(host.nested).lower()),
        Evidence(
            "virtual hardware", f"vmx-{there.hardware:02}" if situation.config is not UNKNOWN else "as in the OVA"
        ),
        Evidence("API version", there.api),
    )


def _variables(vm: VmSpec) -> dict[str, str]:
    try:
        return guestinfo.variables(vm)
    except ValueError as e:
        raise ProviderError(
            f"{_at(vm, USER_DATA)}: {e}", hint="fetch what is large in the guest, by #include or write_files.source",
            refused=True,
        ) from e  # fmt: skip


def _at(vm: VmSpec, path: str) -> str:
    return str(vm.origins.get(path) or vm.origins["vm"])


def _quiet(_line: str) -> None:
    return
