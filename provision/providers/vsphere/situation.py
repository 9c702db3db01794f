"""What there is of one wanted VM: itself or its template, its host and place, held against what is wanted."""

from typing import Any

import msgspec
from pyVmomi import vim

from provision.model import VmSpec
from provision.provider import Difference, ProviderError
from provision.providers.vsphere import gates, networks, settings
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.inventory import Inventory, Place, read_inventory
from provision.providers.vsphere.library import Libraries
from provision.providers.vsphere.properties import Read
from provision.providers.vsphere.settings import WHOLE, Settings

IMAGE = "VirtualMachine spec.imageRef.name"
DISK = "VMClass spec.diskDefaults.size"
NEWER = (
    (vim.vm.FlagInfo, "vbsEnabled"), (vim.vm.FlagInfo, "vvtdEnabled"), (vim.vm.BootOptions, "efiSecureBootEnabled"),
    (vim.vm.ConfigSpec, "nestedHVEnabled"),
)  # fmt: skip
UNKNOWN: Any = vim.vm.ConfigInfo(
    version="vmx-99", hardware=vim.vm.VirtualHardware(numCPU=0, memoryMB=0, device=[]), extraConfig=[]
)
"""Of an image that is not imported yet: what it has is seen, and held against the gates, when it is."""


class Situation(msgspec.Struct, frozen=True):
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
    half: bool
    """Its import was broken off."""
    alone: bool
    """An ESXi host without a vCenter."""
    template: Any
    place: Place | None
    """None when the VM is there."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Of the VM, else of the template, from what is wanted."""
        return self.found.differences(self.wanted)


class Looking:
    """Looks; changes nothing. Everything raises ProviderError."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.libraries = Libraries(calls)

    @property
    def alone(self) -> bool:
        """The endpoint is an ESXi host without a vCenter."""
        return bool(self._calls.connection.content.about.apiType == "HostAgent")

    def look(self, vm: VmSpec) -> Situation:
        """The VM when there is one, else its template."""
        ref = self._calls.find(vm.namespace, vm.name)
        inventory = self._calls.explained(lambda: read_inventory(self._calls.connection))
        names = networks.names(inventory)
        if ref is not None:
            found = self._calls.read(ref, ("config", "runtime.powerState", "runtime.host"))
            if found is not None and found.get("config") is not None:
                return self._of_vm(vm, ref, found, inventory, names)
        template = self._template(vm, inventory)
        place = _place(vm, inventory)
        self._check_name(vm, place)
        read = self._calls.read(template.ref, ("config",)) if template is not None else Read(None, {"config": UNKNOWN})
        config = read.get("config") if read else None
        if config is None:
            raise ProviderError(f"{at(vm, IMAGE)}: the configuration of its template cannot be read")
        there = self.surroundings(vm, config, place.host)
        wanted = settings.wanted(vm, place.host, there.fields)
        return Situation(inventory, there, wanted, settings.present(config, vm, names), None, config,
                         False, False, False, self.alone, template.ref if template else None, place)  # fmt: skip

    def _of_vm(self, vm: VmSpec, ref: Any, found: Read, inventory: Inventory, names: dict[str, str]) -> Situation:
        config, host = found.get("config"), inventory.by_ref(found.get("runtime.host"))
        if host is None:
            raise ProviderError(f"VM {settings.key_of(vm)} is on no host that this account may see")
        there = self.surroundings(vm, config, inventory.facts(host))
        wanted = settings.wanted(vm, there.host, there.fields)
        present = settings.present(config, vm, names)
        running = str(found.get("runtime.powerState")) == "poweredOn"
        marks = settings.options_of(config)
        anew = present.needs_new_vm(wanted) or settings.HALF in marks
        read = self._template(vm, inventory) if anew else None
        template = read.ref if read is not None else None
        place = _place(vm, inventory) if anew else None
        whole, half = marks.get(WHOLE) == "yes", settings.HALF in marks
        return Situation(
            inventory, there, wanted, present, ref, config, running, whole, half, self.alone, template, place
        )

    def _template(self, vm: VmSpec, inventory: Inventory) -> Read | None:
        """What the VM is cloned from; None for an image that is not made a template, or not wholly, yet.

        An ESXi host alone clones nothing: there an OVA becomes the VM itself, and there is no template either.
        """
        if self.alone:
            if not vm.image.url:
                raise ProviderError(
                    f"{vm.image.origin}: {self._calls.shown} is an ESXi host alone: it clones no templates and has no "
                    "content library",
                    hint="take the vCenter that manages it as the endpoint, or an OVA as the image (vsphere.ovaURL)",
                    refused=True,
                )
            return None
        if settings.is_imported(vm.image):
            name = settings.source_of(vm.image)
            found = [m for m in inventory.of(vim.VirtualMachine) if m.name == name and m.get("config.template")]
            if not found and vm.image.library_item is not None:
                self.libraries.item(vm.image)
            return found[0] if found else None
        if not vm.image.template:
            raise ProviderError(
                f"{vm.image.origin}: on vSphere nestproof makes VMs from templates, OVAs and content libraries: "
                f"image {vm.image.name} is none of them",
                refused=True,
            )
        try:
            return inventory.find(vim.VirtualMachine, vm.image.template, "template")
        except ProviderError as e:
            raise ProviderError(f"{vm.image.origin}: {e}", hint=e.hint) from e

    def _check_name(self, vm: VmSpec, place: Place) -> None:
        index, name = self._calls.connection.content.searchIndex, settings.key_of(vm)
        if self._calls.explained(lambda: index.FindChild(place.folder.ref, name)) is not None:
            raise ProviderError(
                f"VM {name} exists already in folder {place.folder.name} and was not made by nestproof",
                hint="rename the one or the other",
            )

    def surroundings(self, vm: VmSpec, config: Any, host: gates.HostFacts) -> gates.Surroundings:
        """What the gates ask of a VM with this configuration on this host."""
        fields = {name for kind, name in NEWER if self._calls.connection.knows(kind, name)}
        if self._calls.connection.knows_type(vim.vm.device.VirtualTPM):
            fields.add("VirtualTPM")
        hardware = gates.version_of(config.version or "")
        upgraded = int(settings.upgrade_to(vm) or 0)
        return gates.Surroundings(
            api=self._calls.connection.api,
            fields=frozenset(fields),
            hardware=max(hardware, upgraded),
            host=host,
            key_providers=self._key_providers() if vm.tpm else None,
            counters=settings.counters_of(vm) == "yes",
        )

    def _key_providers(self) -> tuple[str, ...] | None:
        manager = self._calls.connection.content.cryptoManager
        if not isinstance(manager, vim.encryption.CryptoManagerKmip):
            return None
        found = self._calls.read(manager, ("kmipServers",))
        if found is None or "kmipServers" not in found.values:
            return () if found is not None else None
        return tuple(str(server.clusterId.id) for server in found.values["kmipServers"])


def _place(vm: VmSpec, inventory: Inventory) -> Place:
    imports = vm.image.storage if settings.is_imported(vm.image) else None
    return inventory.place(vm.placement, nested=vm.nested, imports=imports)


def check(vm: VmSpec, situation: Situation) -> None:
    """Raises ProviderError when what is wanted cannot work here."""
    gates.check(vm, situation.there)
    if situation.there.host.unusable and not situation.running and vm.power_on:
        host = situation.there.host
        raise ProviderError(
            f"{at(vm, 'vm')}: no VM can be started on host {host.name}: {host.unusable}",
            hint="choose another host in spec.placement, or bring that one back", refused=True,
        )  # fmt: skip
    size = situation.found.disk_gib
    if not situation.found.needs_new_vm(situation.wanted) or situation.vm is None:
        if size.isdecimal() and vm.disk_gib < int(size):
            raise ProviderError(
                f"{at(vm, DISK)}: its disk of {size} GiB cannot shrink to {vm.disk_gib} GiB",
                hint="ask for at least the size of the template", refused=True,
            )  # fmt: skip
        if situation.found.disks and situation.found.disks != situation.wanted.disks:
            raise ProviderError(
                f"{at(vm, 'vm')}: the extra disks of an existing VM stay as they are "
                f"({situation.found.disks}): what is on them would be lost",
                hint="destroy the VM first, or change them in vCenter", refused=True,
            )  # fmt: skip


def at(vm: VmSpec, path: str) -> str:
    """Where the manifest says it, else where the VM stands."""
    return str(vm.origins.get(path) or vm.origins["vm"])
