"""A plan for one VM on Proxmox, with what was chosen for it. Its making is pure but for the facts that it is given."""

import hashlib
from collections.abc import Mapping

from provision import images
from provision.accounting import account
from provision.accounting_common import FETCHING
from provision.model import FieldAccount, Handling, VmSpec
from provision.provider import Plan, Power, ProviderError, Step
from provision.providers.proxmox import changes, cloudinit, config, record
from provision.providers.proxmox.changes import Change, Wanted
from provision.providers.proxmox.cpu import Cpu
from provision.providers.proxmox.facts import Node
from provision.providers.proxmox.guests import Guest
from provision.providers.proxmox.source import Source
from provision.providers.proxmox.words import DISK, SECURE_BOOT, refusal


class ProxmoxPlan(Plan, frozen=True, kw_only=True):
    """A plan with what was chosen for it."""

    node: Node
    cpu: Cpu
    source: Source

    @property
    def stops(self) -> bool:
        """It says that the VM will be stopped: who carries it out consents to that."""
        return self.power is not Power.UNTOUCHED


def wanted_of(vm: VmSpec, node: Node, cpu: Cpu, source: Source, guest: Guest | None) -> Wanted:
    """The VM in Proxmox's keys."""
    template = source.template_config
    if template is not None and guest is not None:
        template = guest.config  # what it brought is there, and the template may be another by now
    image = source.identity(vm.image)
    if guest is not None and guest.record is not None:
        image = image.seen_from(guest.record.identity)
    name = record.guest_name(vm.namespace, vm.name)
    tags = record.tags(vm, "" if source.template else image.content)
    return Wanted(
        settings=config.settings(vm, cpu, node, tags, name, template),
        nics=config.nics(vm, node.bridges, source.template_config),
        sizes=changes.wanted_sizes(vm, source.drive),
        image=image,
        cloud_init=cloud_init_digest(vm),
        power_on=vm.power_on,
        native=cloudinit.native(vm),
        iops=vm.disk_iops,
    )


def change_of(vm: VmSpec, guest: Guest, wanted: Wanted) -> Change:
    """What has to be done with a VM that is there. Raises ProviderError, refused, for what cannot be done to it."""
    efi = guest.config.get("efidisk0")
    if vm.secure_boot and efi is not None and "pre-enrolled-keys=1" not in efi:
        raise refusal(
            vm, SECURE_BOOT, f"the EFI disk of {guest.at} has no keys enrolled, and only a new one can have them",
            "use a template whose EFI disk has them (pre-enrolled-keys=1), or one without an EFI disk",
        )  # fmt: skip
    volume = guest.config.get(config.boot_drive(guest.config), "")
    storage = vm.placement.datastore or volume.partition(":")[0]
    change = changes.compare(guest, wanted, config.new_disks(vm, storage, guest.config))
    drive = "" if change.rebuild else changes.shrunk(guest, wanted)
    if drive:
        size = config.disk_gib(guest.config, drive)
        why = f"its disk of {size:g} GiB cannot shrink to {wanted.sizes[drive]} GiB"
        raise refusal(vm, DISK, why, "destroy the VM first, or keep the size")
    return change


def accounts_of(vm: VmSpec, source: Source) -> tuple[FieldAccount, ...]:
    """What becomes of each field. Nothing of a template is fetched."""
    accounts = account(vm, "proxmox")
    if source.template is None:
        return accounts
    said = (Handling.UNSUPPORTED, "a template is there as it is: nothing of it is fetched")
    return tuple(
        FieldAccount(a.path, a.value, *said, a.origin)
        if a.path in FETCHING or f"{a.path}={a.value}" in FETCHING else a
        for a in accounts
    )  # fmt: skip


def made(vm: VmSpec, node: Node, source: Source) -> tuple[Step, ...]:
    """How a new VM comes to be, in words."""
    if source.template is not None:
        how = "a full copy of" if vm.image.full_clone else "linked to"
        return (Step("create", "VM", f"on {node.name}, {how} template {source.template.vmid} {source.template.name}"),)
    disk = Step("create", "disk", f"{vm.disk_gib} GiB from the image")
    return (*images.missing(vm.image, source.file), Step("create", "VM", f"on {node.name}"), disk)


def check_networks(vm: VmSpec, node: Node) -> None:
    """Raises ProviderError, refused, for a bridge that the node does not have."""
    for network in vm.networks:
        if node.bridges and network.source not in node.bridges:
            known = ", ".join(sorted(node.bridges))
            why = f"{network.origin}: {node.name} has no bridge {network.source}"
            raise ProviderError(why, hint=f"it has: {known}", refused=True)


def new_disks(vm: VmSpec, source: Source, storage: str) -> dict[str, str]:
    """The disks of a new VM, as they are asked for."""
    image = {} if source.template else config.image_disk(vm, storage, f"<{vm.image.name}>")
    return {**image, **config.new_disks(vm, storage, source.template_config or {})}


def native(node: Node, wanted: Wanted, guest: Guest | None, values: Mapping[str, str]) -> str:
    """The configuration in the words of /etc/pve."""
    at = f"# {guest.at}" if guest else f"# a new VM on {node.name}"
    keys = {**wanted.settings, **wanted.nics, **values}
    return "\n".join([at, *(f"{key}: {keys[key]}" for key in sorted(keys))])


def cloud_init_digest(vm: VmSpec) -> str:
    """Over what the user says only: a newer agent is no reason to throw a disk away."""
    said = f"{vm.user_data or ''}\0{vm.meta_data or ''}"
    addressed = any(network.address for network in vm.networks)
    if addressed and not cloudinit.native(vm):  # of a seed cloud-init takes addresses up once, like all of its data
        said += f"\0{[network.address for network in vm.networks]}"
    return hashlib.sha256(said.encode()).hexdigest()
