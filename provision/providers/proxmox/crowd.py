"""What many plans need of the nodes and storages of a cluster together. Pure."""

from collections.abc import Sequence

from provision.fetching import coming
from provision.provider import Power
from provision.providers.proxmox import media
from provision.providers.proxmox.facts import Node, Storage
from provision.providers.proxmox.guests import Resource
from provision.providers.proxmox.plan import ProxmoxPlan
from provision.providers.proxmox.record import identity_tag
from provision.room import Host, Load, Need, Place, Sums

TAKING = ("lvm", "iscsi", "iscsidirect")
"""Types of storage whose disks take all of their space when they are made; those of others grow."""


def sums_of(plans: Sequence[ProxmoxPlan], running: Sequence[Resource]) -> Sums:
    """`running` are all VMs and containers of the cluster that run."""
    hosts = []
    for node in {plan.node.name: plan.node for plan in plans}.values():
        starts = [p for p in plans if p.node.name == node.name and any(step.action == "start" for step in p.steps)]
        if starts:
            hosts.append(_host(node, starts, [each for each in running if each.node == node.name]))
    return Sums(tuple(hosts), tuple(need for plan in plans if _is_made(plan) for need in _needs(plan)))


def _host(node: Node, starts: Sequence[ProxmoxPlan], running: Sequence[Resource]) -> Host:
    ending = {identity_tag(p.vm.namespace, p.vm.name) for p in starts if p.power is not Power.UNTOUCHED}
    goes_on = [each for each in running if not any(map(each.has_tag, ending))]
    return Host(
        name=node.name,
        cpus=node.cpus,
        memory_mib=node.memory_mib,
        starts=Load(len(starts), sum(p.vm.cpus for p in starts), sum(p.vm.memory_mib for p in starts)),
        runs=Load(len(goes_on), round(sum(r.maxcpu for r in goes_on)), sum(r.maxmem for r in goes_on) >> 20),
        free_mib=node.free_mib or None,
        swap_mib=node.swap_mib,
    )


def _is_made(plan: ProxmoxPlan) -> bool:
    return any((step.action, step.what) == ("create", "VM") for step in plan.steps)


def _needs(plan: ProxmoxPlan) -> list[Need]:
    vm, node, source = plan.vm, plan.node, plan.source
    storage = media.for_disks(node, vm)
    place, linked = _place(node, storage), source.template is not None and not vm.image.full_clone
    taking = storage.type in TAKING and not linked
    sizes = {"the disk of the image": vm.disk_gib} | {f"disk {disk.name}": disk.size_gib for disk in vm.disks}
    needs = [Need(place, what, gib << 30 if taking else 0, 0 if taking else gib << 30) for what, gib in sizes.items()]
    if source.template is None:
        download = coming(vm.image) if source.file is None else None
        size = source.file.path.stat().st_size if source.file else download.now if download else 0
        key = source.file.sha256 if source.file else vm.image.url or vm.image.name
        there = _place(node, media.for_import(node, vm.image.storage))
        needs += [Need(there, f"the image {vm.image.name}", size, shared=key), *([download] if download else [])]
    return [need for need in needs if need.place.free]


def _place(node: Node, storage: Storage) -> Place:
    """A storage whose free space may not be seen has 0: nothing is known of it."""
    at = "" if storage.shared else f" on {node.name}"
    return Place(
        f"{storage.storage}{at}", f"storage {storage.storage}{at}", storage.avail,
        "free space there, or name another one in placement.datastore",
    )  # fmt: skip
