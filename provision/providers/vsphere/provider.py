"""The vSphere provider: plan, apply, observe, fetch the report, destroy."""

import msgspec
from pyVmomi import vim

from hostcheck.model import Evidence, HostView, Judgement, VmView
from provision.accounting import account
from provision.model import ProviderSpec, VmSpec
from provision.provider import Artefact, Plan, Progress, ProviderError
from provision.providers.vsphere import changes, dryrun, hearing, networks, settings
from provision.providers.vsphere.artefacts import artefacts
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.connection import Connection, connect
from provision.providers.vsphere.converge import Converging, quiet
from provision.providers.vsphere.hosts import VsphereEstate
from provision.providers.vsphere.inventory import HOST, Inventory
from provision.providers.vsphere.notes import notes
from provision.providers.vsphere.observe import VM, view
from provision.providers.vsphere.properties import Read, read_all
from provision.providers.vsphere.readback import settings_of
from provision.providers.vsphere.situation import Looking, Situation, at, check
from provision.providers.vsphere.tasks import TaskLost

NESTED = "VMClass spec.performanceProfile.nestedVirtualization"
AGAIN = 3
"""How often a task that vCenter lost is looked after anew."""


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
        self._calls = Calls(connection)
        self._looking = Looking(self._calls)
        self._converging = Converging(self._calls, self._looking)

    def plan(self, vm: VmSpec, host: Judgement | None = None) -> Plan:  # noqa: ARG002 - of no machine here
        """What apply will do. Changes nothing."""
        situation = self._looking.look(vm)
        check(vm, situation)
        seed = changes.variables(vm)
        change = changes.kind_of(situation, vm)
        at_host = situation.there.host.ref if vm.nested and vm.networks else None
        switches = self._calls.read(at_host, networks.STANDARD)
        objections, checked = self._dry_run(vm, situation, seed) if change in changes.MAKING else ((), ())
        return Plan(
            vm=vm,
            steps=changes.steps(change, situation, vm, networks.to_open(situation.inventory, vm)),
            accounts=account(vm, "vsphere"),
            notes=(*notes(vm), *networks.notes(situation.inventory, vm, switches), *objections),
            evidence=(*changes.evidence(situation), *checked),
            native=changes.native(vm, situation, seed) if change in changes.MAKING else "",
            differences=situation.differences if situation.vm is not None else (),
            power=changes.power(change, situation, vm),
            loses_disk=change == "rebuild",
        )

    def _dry_run(
        self, vm: VmSpec, situation: Situation, seed: dict[str, str]
    ) -> tuple[tuple[str, ...], tuple[Evidence, ...]]:
        subject = situation.template or situation.vm
        return dryrun.check(self._calls, subject, situation.there.host.ref, changes.spec(vm, situation, seed))

    def apply(self, plan: Plan, progress: Progress) -> None:
        """Carry out a plan. What is there is looked at again, also after a task that vCenter lost."""
        for _ in range(AGAIN):
            try:
                self._converging.converge(plan.vm, plan.power, progress)
                return
            except TaskLost:
                progress("vCenter lost the task: looking again")
        raise ProviderError(f"{self._calls.shown}: vCenter lost its tasks {AGAIN} times", hint="apply again")

    def observe(self, vm: VmSpec) -> VmView | None:
        """The live VM, read back; None when there is none."""
        ref = self._calls.find(vm.namespace, vm.name)
        if ref is None:
            return None
        found = self._calls.read(ref, (*VM, "config"))
        if found is None:
            return None
        host = self._calls.read(found.get("runtime.host"), (*HOST, "hardware.cpuFeature", "config.product.fullName"))
        seen = view(found, host, self.name, vm.key, at(vm, NESTED))
        config, inventory = found.get("config"), Inventory(self._groups())
        if config is None or host is None:
            return seen
        there = self._looking.surroundings(vm, config, inventory.facts(host))
        wanted = settings.wanted(vm, there.host, there.fields)
        read = settings.present(config, vm, networks.names(inventory))
        return msgspec.structs.replace(seen, settings=settings_of(vm, wanted, read))

    def fetch_report(self, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
        """The latest report that the guest sent since it was switched on, by guestinfo."""
        return hearing.fetch(self._calls, vm, timeout, progress)

    def destroy(self, namespace: str, name: str) -> tuple[str, ...]:
        """Remove the VM with its disks; nothing else was made."""
        for _ in range(AGAIN):
            ref = self._calls.find(namespace, name)
            if ref is None:
                return ()
            try:
                found = self._calls.read(ref, ("name", "runtime.powerState", "config.extraConfig"))
                if found is None:
                    return ()
                if str(found.get("runtime.powerState")) != "poweredOff":
                    self._calls.run(ref, "switching it off", ref.PowerOffVM_Task, quiet)
                image = settings.options(found.get("config.extraConfig")).get(settings.IMAGE, "")
                self._calls.run(ref, "removing it", ref.Destroy_Task, quiet)
                return (f"VM {found.name} with its disks", *self._remove_unused(image))
            except TaskLost:
                continue
        raise ProviderError(f"{self._calls.shown}: vCenter lost its tasks {AGAIN} times", hint="try again")

    def host_view(self, name: str) -> HostView | None:
        """See `provision.provider.Seeing`."""
        return VsphereEstate(self._calls.connection).host(name)

    def artefacts(self, namespace: str, name: str) -> tuple[Artefact, ...]:
        """Configuration, tasks and events of the VM, for a troubleshooting bundle."""
        ref = self._calls.find(namespace, name)
        return artefacts(self._calls, ref) if ref is not None else ()

    def close(self) -> None:
        """Log out; VMs go on."""
        self._looking.libraries.close()
        self._calls.connection.close()

    def _remove_unused(self, image: str) -> tuple[str, ...]:
        """The template that was made from an image goes with the last VM that was cloned from it."""
        if not image.startswith(settings.OVA):
            return ()
        paths = {vim.VirtualMachine: ("name", "config.extraConfig", "config.template")}
        machines: list[Read] = self._calls.explained(lambda: read_all(self._calls.connection, paths))
        users = (m for m in machines if not m.get("config.template"))
        if any(settings.options(m.get("config.extraConfig")).get(settings.IMAGE) == image for m in users):
            return ()
        return (f"template {image}",) if self._converging.remove_import(Inventory(machines), image) else ()

    def _groups(self) -> list[Read]:
        group = vim.dvs.DistributedVirtualPortgroup
        found: list[Read] = self._calls.explained(
            lambda: read_all(self._calls.connection, {group: ("name", "config.key")})
        )
        return found
