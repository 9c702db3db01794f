"""Making a VM what is wanted, step by step. What is there is looked at first, so that it can be begun anew."""

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from pyVmomi import vim, vmodl

from hostcheck import clock
from provision.model import VmSpec
from provision.provider import Power, Progress, ProviderError
from provision.providers.vsphere import changes, gates, networks, ova, settings
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.inventory import Inventory, Place
from provision.providers.vsphere.properties import Read
from provision.providers.vsphere.situation import Looking, Situation, check
from provision.providers.vsphere.spec import clone_spec, option_values
from provision.providers.vsphere.tasks import TaskLost

GRACE = 60.0
"""Seconds for a guest to shut down before its power is cut."""


class Converging:
    """Everything raises ProviderError, and TaskLost: then it is to be called again."""

    def __init__(self, calls: Calls, looking: Looking) -> None:
        self._calls = calls
        self._looking = looking
        self._importing = threading.Lock()

    def converge(self, vm: VmSpec, agreed: Power, progress: Progress) -> None:
        """`agreed`: what the plan says of the VM's power."""
        situation = self._looking.look(vm)
        check(vm, situation)
        change = changes.kind_of(situation, vm)
        if change in ("create", "rebuild") and situation.template is None and not situation.alone:
            with self._importing:  # once for all VMs of the image
                situation = self._looking.look(vm)
                if situation.template is None:
                    self._import(vm, situation, progress)
            situation = self._looking.look(vm)
            check(vm, situation)
        for group in networks.to_open(situation.inventory, vm):
            self._open(group, progress)
        if changes.power(change, situation, vm) is not Power.UNTOUCHED:
            if agreed is Power.UNTOUCHED:
                raise ProviderError(
                    "it has to be powered off for this, which the plan did not say: it was started meanwhile",
                    hint="apply again",
                )
            self._stop(situation.vm, progress)
        if change == "rebuild":
            self._calls.run(situation.vm, "removing it", situation.vm.Destroy_Task, progress)
            situation = msgspec.structs.replace(situation, vm=None)
        ref = situation.vm
        if change in ("create", "rebuild"):
            ref = (self._import_itself if situation.alone else self._clone)(vm, situation, progress)
        if change in changes.MAKING:
            self._configure(vm, ref, progress)
        if vm.power_on and change != "keep":
            self._start(ref, progress)

    def _import(self, vm: VmSpec, situation: Situation, progress: Progress) -> None:
        """Make the template of an image. What a killed run left of it is removed first."""
        assert situation.place is not None
        inventory, place = situation.inventory, situation.place.of_image
        self.remove_import(inventory, settings.source_of(vm.image))
        if vm.image.library_item is not None:
            self._looking.libraries.import_template(vm.image, place, progress)
            return
        wanted = ova.Wanted(settings.source_of(vm.image), {settings.IMPORTED: "yes"})
        entity = ova.import_ova(
            self._calls.connection, vm.image, wanted, place, self._store(situation, place), progress
        )
        self._calls.changed(entity.MarkAsTemplate, f"importing {vm.image.name}")

    def _import_itself(self, vm: VmSpec, situation: Situation, progress: Progress) -> Any:
        """Make the VM of an OVA where nothing can be cloned. It is whole when its mark is gone."""
        assert situation.place is not None
        place = situation.place
        marks = {settings.OWNER: vm.key, settings.IMAGE: settings.source_of(vm.image), settings.HALF: "yes"}
        wanted = ova.Wanted(settings.key_of(vm), marks, settings.instance_uuid(vm.namespace, vm.name))
        ref = ova.import_ova(self._calls.connection, vm.image, wanted, place, self._store(situation, place), progress)
        done: Any = vim.vm.ConfigSpec(extraConfig=option_values({settings.HALF: ""}))
        self._calls.run(ref, "marking it", lambda: ref.ReconfigVM_Task(done), quiet)
        return ref

    def _store(self, situation: Situation, place: Place) -> Any:
        return place.datastore or place.imports or situation.inventory.only(vim.Datastore, "datastore").ref

    def remove_import(self, inventory: Inventory, name: str) -> bool:
        """Remove what an import made, wholly or not; whether there was any."""
        removed = False
        for machine in inventory.of(vim.VirtualMachine):
            if machine.name == name:
                found = self._calls.read(machine.ref, ("config.extraConfig", "config.annotation"))
                if found is None:
                    continue
                marked = settings.IMPORTED in settings.options(found.get("config.extraConfig"))
                if not marked and found.get("config.annotation") != settings.DEPLOYED:
                    raise ProviderError(f"VM {name} exists already and was not made by nestproof", hint="rename it")
                self._calls.run(machine.ref, f"removing {name}", machine.ref.Destroy_Task, quiet)
                removed = True
        return removed

    def _clone(self, vm: VmSpec, situation: Situation, progress: Progress) -> Any:
        assert situation.place is not None
        template, place = situation.template, situation.place
        read = self._calls.read(template, ("config.hardware.device",))
        devices = (read.get("config.hardware.device") if read else None) or ()
        disk = next((d for d in devices if isinstance(d, vim.vm.device.VirtualDisk)), None)
        spec = clone_spec(vm, place, disk)
        start: Callable[[], Any] = lambda: template.CloneVM_Task(place.folder.ref, settings.key_of(vm), spec)  # noqa: E731
        try:
            self._calls.run(template, f"cloning {settings.source_of(vm.image)}", start, progress)
        except ProviderError as e:
            # A clone that a killed run began has come to its end meanwhile
            if isinstance(e.__cause__, vim.fault.DuplicateName) and (made := self._calls.find(vm.namespace, vm.name)):
                return made
            raise
        # By its identity and not by the task's result: after a cut connection the task may be of another clone
        made = self._calls.find(vm.namespace, vm.name)
        if made is None:
            raise TaskLost
        return made

    def _configure(self, vm: VmSpec, ref: Any, progress: Progress) -> None:
        """Everything in one ReconfigVM, and then read back: vSphere may take a setting and lose it."""
        situation = self._looking.look(vm)
        upgrade = settings.upgrade_to(vm)
        if upgrade and int(upgrade) > gates.version_of(situation.config.version or ""):
            self._calls.run(ref, f"upgrading to vmx-{int(upgrade):02}",
                      lambda: ref.UpgradeVM_Task(f"vmx-{int(upgrade):02}"), progress)  # fmt: skip
            situation = self._looking.look(vm)
        spec = changes.spec(vm, situation, changes.variables(vm))
        self._calls.run(ref, "configuring", lambda: ref.ReconfigVM_Task(spec), progress)
        after = self._looking.look(vm)
        if lost := after.differences:
            raise ProviderError(
                f"{self._calls.shown}: vSphere accepted the settings but did not keep them: {changes.told(lost)}",
                hint="see the events of the VM in vCenter",
            )

    def _stop(self, ref: Any, progress: Progress) -> None:
        """By its guest where VMware Tools run, and by its power when that takes too long."""
        progress("shutting down")
        try:
            self._calls.connection.write(ref.ShutdownGuest)
        except (vim.fault.VimFault, vmodl.MethodFault):
            pass
        else:
            deadline = clock.monotonic() + GRACE
            while clock.monotonic() < deadline:
                found = self._calls.read(ref, ("runtime.powerState",))
                if found is None or str(found.get("runtime.powerState")) == "poweredOff":
                    return
                time.sleep(0.5)
        self._calls.run(ref, "switching it off", ref.PowerOffVM_Task, progress)

    def _start(self, ref: Any, progress: Progress) -> None:
        found = self._calls.read(ref, ("runtime.powerState",))
        if found is not None and str(found.get("runtime.powerState")) == "poweredOn":
            return
        self._calls.run(ref, "starting", ref.PowerOnVM_Task, progress)

    def _open(self, group: Read, progress: Progress) -> None:
        progress(f"opening portgroup {group.name} for the VMs inside")
        found = self._calls.read(group.ref, ("config.configVersion",))
        spec = networks.opening_spec(
            self._calls.connection, str(found.get("config.configVersion") or "") if found else ""
        )
        self._calls.run(
            group.ref, f"changing portgroup {group.name}", lambda: group.ref.ReconfigureDVPortgroup_Task(spec), quiet
        )


def quiet(_line: str) -> None:
    """Progress for nobody."""
    return
