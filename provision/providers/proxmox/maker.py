"""Making, changing, starting, stopping and removing the VMs of one cluster. Threads may do so for different VMs."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version as version_of

import msgspec

from provision.agent_part import agent_part
from provision.model import VmSpec
from provision.network_config import network_config
from provision.provider import Progress, ProviderError
from provision.providers.proxmox import changes, cloudinit, config, guests, media, record, tasks
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.changes import Change, Wanted
from provision.providers.proxmox.console import DEVICE
from provision.providers.proxmox.faults import LOCKS
from provision.providers.proxmox.guests import Guest, Resource
from provision.providers.proxmox.plan import ProxmoxPlan
from provision.providers.proxmox.record import GONE, NATIVE, Record
from provision.providers.proxmox.vmid import Numbers
from provision.providers.proxmox.words import NESTED, refusal
from provision.seed import meta_data, seed_iso, user_data_multipart

GRACE = 60
"""Seconds that a guest gets to shut down before it is powered off."""
IGNORED = "ignoring 'nested-virt'"


_building = threading.Lock()
"""The agent's file is put together once, and not by many threads at the same time."""


class Maker:
    """Carries plans out, one call at a time, each safe to repeat."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._numbers = Numbers(api)
        self._media = media.Media(api)

    def settled(self, vm: VmSpec, progress: Progress) -> Guest | None:
        """The VM once no task of an earlier run works on it any more; None when there is none."""
        guest = guests.find(self._api, vm.namespace, vm.name)
        if guest is None:
            return None
        self.wait_for_tasks(guest, progress)
        guest = guests.find(self._api, vm.namespace, vm.name)
        if guest is not None and guest.lock:
            why = LOCKS.get(guest.lock, f"its lock is {guest.lock!r}")
            raise ProviderError(
                f"{guest.at} is locked: {why}, and no task of it is running here",
                hint=f"wait for that to end; if it never does: qm unlock {guest.vmid}",
            )
        return guest

    def wait_for_tasks(self, guest: Guest, progress: Progress) -> None:
        """Follow what is running; what became of it is read from the VM itself."""
        for upid in tasks.running(self._api, guest.node, guest.vmid):
            progress("waiting for a task that is running already")
            with suppress(ProviderError):
                tasks.follow(self._api, upid, guest.at, progress)

    def create(self, plan: ProxmoxPlan, wanted: Wanted, progress: Progress) -> Guest:
        """A new VM with its disks, not started, without its seed. Of two that two runs made, the older one stays."""
        vm, node, source = plan.vm, plan.node, plan.source
        made = Record(
            namespace=vm.namespace, name=vm.name, vmid=0, version=version_of("nestproof"), image=wanted.image.content,
            cloud_init=wanted.cloud_init, named=wanted.image.named,
        )  # fmt: skip
        if source.template is not None:
            number = self._clone(plan, source.template, wanted, made, progress)
        else:
            assert source.file is not None
            volume = self._media.put_image(node, source.file, vm.image.storage, progress)
            number = self._import(plan, volume, wanted, msgspec.structs.replace(made, source=volume), progress)
        guest = guests.find(self._api, vm.namespace, vm.name)
        if guest is None:
            raise ProviderError(f"VM {number} was made on {node.name}, but it is not there")
        if guest.vmid != number:
            progress(f"another run has made VM {guest.vmid} meanwhile: going on with that one")
            own = guests.read(self._api, node.name, number)
            if own is not None:
                self.remove(own, progress, keep_image=True)
            self.wait_for_tasks(guest, progress)
            guest = guests.find(self._api, vm.namespace, vm.name)
            assert guest is not None
        return msgspec.structs.replace(guest, doubles=())

    def _import(self, plan: ProxmoxPlan, volume: str, wanted: Wanted, made: Record, progress: Progress) -> int:
        vm, node = plan.vm, plan.node
        storage = media.for_disks(node, vm).storage
        values = {
            **wanted.settings, **wanted.nics, **config.image_disk(vm, storage, volume),
            **config.new_disks(vm, storage, {}),
        }  # fmt: skip
        progress(f"making the VM on {node.name}")
        number, upid = self._numbers.create(
            lambda free: self._api.post(
                f"nodes/{node.name}/qemu",
                vmid=free,
                pool=vm.placement.resource_pool,
                description=record.description(msgspec.structs.replace(made, vmid=free)),
                **values,
            )
        )
        self._done(tasks.follow(self._api, upid, f"VM {number}", progress), progress)
        return number

    def _clone(self, plan: ProxmoxPlan, template: Resource, wanted: Wanted, made: Record, progress: Progress) -> int:
        vm, node = plan.vm, plan.node
        full = vm.image.full_clone
        progress(f"cloning template {template.vmid}")
        number, upid = self._numbers.create(
            lambda free: self._api.post(
                f"nodes/{template.node}/qemu/{template.vmid}/clone",
                newid=free,
                name=wanted.settings["name"],
                description=record.description(msgspec.structs.replace(made, vmid=free)),
                full=int(full),
                storage=vm.placement.datastore if full else None,
                target=node.name if node.name != template.node else None,
                pool=vm.placement.resource_pool,
            )
        )
        self._done(tasks.follow(self._api, upid, f"VM {number}", progress), progress)
        return number

    def converge(self, plan: ProxmoxPlan, guest: Guest, wanted: Wanted, change: Change, progress: Progress) -> None:
        """From the VM that is there to the wanted one: settings, sizes, seed, power; each only where it differs."""
        if guest.doubles:
            for node, number in guest.doubles:
                double = guests.read(self._api, node, number)
                if double is not None and not double.running:
                    progress(f"removing VM {number}, which another run made at the same time")
                    self.remove(double, progress, keep_image=True)
        if change.cold or (guest.running and not wanted.power_on):
            self.must_consent(plan, guest)
            progress("shutting down")
            self._stop(guest, progress)
            guest = msgspec.structs.replace(guest, running=False)
        if change.values or change.delete:
            progress("changing its configuration")
            self._set(guest, change.values, change.delete, progress)
        for drive, gib in change.grow.items():
            progress(f"growing {drive} to {gib} GiB")
            upid = self._api.put(f"{guest.path}/resize", disk=drive, size=f"{gib}G")
            self._done(tasks.follow(self._api, upid, f"{guest.at}: growing {drive}", progress), progress)
        if change.seed:
            self._attach_seed(plan, guest, progress)
        if guest.running and not change.nothing:
            after = guests.read(self._api, guest.node, guest.vmid)
            ours = {*config.MANAGED, *change.values, *change.delete}
            waits = [key for key in after.pending if key in ours] if after else []
            if waits:
                raise ProviderError(
                    f"{guest.at}: {', '.join(waits)} take effect after a stop and a start, which the plan did not say",
                    hint="plan again: the new plan says it, and applying that one does it",
                )
        if wanted.power_on and not guest.running:
            self._start(plan.vm, guest, progress)

    def must_consent(self, plan: ProxmoxPlan, guest: Guest) -> None:
        if guest.running and not plan.stops:
            raise ProviderError(
                f"{guest.at} would have to be stopped, which the plan did not say",
                hint="it has changed since: plan again, and apply that plan",
            )

    def _set(self, guest: Guest, values: Mapping[str, str], delete: tuple[str, ...], progress: Progress) -> None:
        upid = self._api.post(f"{guest.path}/config", delete=",".join(delete) or None, **values)
        self._done(tasks.follow(self._api, upid, f"{guest.at}: its configuration", progress), progress)

    def _attach_seed(self, plan: ProxmoxPlan, guest: Guest, progress: Progress) -> None:
        vm = plan.vm
        assert guest.record is not None
        if cloudinit.native(vm):
            told = record.description(msgspec.structs.replace(guest.record, seed=NATIVE))
            drive = f"{media.for_disks(plan.node, vm).storage}:cloudinit"
            self._set(guest, {"description": told, cloudinit.SEED_DRIVE: drive}, (), progress)
            return
        made = guests.read(self._api, guest.node, guest.vmid) if any(nic.address for nic in vm.networks) else None
        keys = made.config if made else {}  # its NICs may have got their MACs a moment ago
        volume = self._media.put_seed(plan.node, vm.namespace, vm.name, seed_of(vm, keys), progress)
        told = record.description(msgspec.structs.replace(guest.record, seed=volume))
        self._set(guest, changes.with_seed({"description": told}, volume), (), progress)

    def take_seed_away(self, guest: Guest, progress: Progress) -> None:
        """After the guest has read it. That this may be forbidden is no failure: it is said."""
        if guest.record is None or guest.record.seed in ("", GONE, NATIVE):
            return
        try:
            told = record.description(msgspec.structs.replace(guest.record, seed=GONE))
            self._set(guest, changes.with_seed({"description": told}, GONE), (), progress)
            self._media.remove(guest.node, guest.record.seed, progress)
            progress("its seed was read, and is removed")
        except ProviderError as e:
            progress(f"its seed {guest.record.seed} stays, and with it whatever the user-data says: {e}")

    def _start(self, vm: VmSpec, guest: Guest, progress: Progress) -> None:
        progress("starting")
        upid = self._api.post(f"{guest.path}/status/start")
        outcome = tasks.follow(self._api, upid, f"{guest.at}: its start", progress)
        ignored = next((line for line in outcome.warnings if IGNORED in line), "")
        if ignored:
            raise refusal(
                vm, NESTED, f"{guest.at} was started without nesting: {ignored}",
                f"the CPU of {guest.node} offers neither vmx nor svm: nestproof check ssh://root@{guest.node}",
            )  # fmt: skip
        self._done(outcome, progress)

    def _stop(self, guest: Guest, progress: Progress) -> None:
        upid = self._api.post(f"{guest.path}/status/shutdown", timeout=GRACE, forceStop=1)
        tasks.follow(self._api, upid, f"{guest.at}: its shutdown", progress)

    def remove(self, guest: Guest, progress: Progress, *, keep_image: bool = False) -> tuple[str, ...]:
        """A VM of ours with its disks, its seed, and the uploaded image that no other VM came from."""
        found = guest.record
        assert found is not None
        if guest.running:
            upid = self._api.post(f"{guest.path}/status/stop")
            tasks.follow(self._api, upid, f"{guest.at}: its stop", progress)
        removed: tuple[str, ...] = ()
        if found.seed not in (GONE, NATIVE):
            for volume in self._media.seeds(guest.node, found.namespace, found.name):
                if self._media.remove(guest.node, volume, progress):
                    removed += (f"seed {volume}",)
        upid = self._api.delete(guest.path, purge=1)
        tasks.follow(self._api, upid, f"{guest.at}: its removal", progress)
        removed = (f"VM {guest.vmid} with its disks", *removed)
        if found.source and not keep_image:
            removed += self._forget_image(guest.node, found, progress)
        return removed

    def _forget_image(self, node: str, found: Record, progress: Progress) -> tuple[str, ...]:
        tag = record.source_tag(found.image)
        if any(each.has_tag(tag) for each in guests.everything(self._api)):
            return ()
        return (f"image {found.source}",) if self._media.remove(node, found.source, progress) else ()

    def _done(self, outcome: tasks.Outcome, progress: Progress) -> None:
        for line in outcome.warnings:
            progress(f"Proxmox warns: {line}")


def seed_of(vm: VmSpec, keys: Mapping[str, str]) -> bytes:
    """The NoCloud seed. `keys` tell the MACs that Proxmox chose.

    Raises ValueError for user-data or meta-data that cloud-init would ignore.
    """
    with _building:
        part = agent_part(vm, (f"console:{DEVICE}",))
    user_data = user_data_multipart(vm.user_data, part)
    meta = meta_data(vm.namespace, vm.name, user_data, vm.meta_data)
    return seed_iso(user_data, meta, network_config(vm.networks, config.macs(keys)))
