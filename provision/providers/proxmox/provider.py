"""The Proxmox VE provider: plan, apply, observe, fetch the report, destroy. Any number of threads may use one."""

import os
from collections.abc import Mapping, Sequence

import msgspec

from hostcheck.model import HostView, Judgement, Silence, VmView
from provision import images
from provision.model import ProviderSpec, VmSpec
from provision.provider import Artefact, NoReport, Plan, Progress, ProviderError, unchanged
from provision.providers.proxmox import changes, cloudinit, facts, guests, media, observe, readback
from provision.providers.proxmox import plan as plans
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.artefacts import artefacts
from provision.providers.proxmox.changes import Change, Wanted
from provision.providers.proxmox.choose import node_for
from provision.providers.proxmox.cpu import choose
from provision.providers.proxmox.credentials import login
from provision.providers.proxmox.endpoint import parse_endpoint
from provision.providers.proxmox.estate import ProxmoxEstate, host_view
from provision.providers.proxmox.facts import Node
from provision.providers.proxmox.guests import Guest
from provision.providers.proxmox.listen import Listener
from provision.providers.proxmox.maker import Maker, seed_of
from provision.providers.proxmox.plan import ProxmoxPlan
from provision.providers.proxmox.source import Source, check_size, source_of
from provision.providers.proxmox.version import Version
from provision.providers.proxmox.words import NESTED, USER_DATA, refusal, where
from provision.room import Sums


def open_endpoint(spec: ProviderSpec) -> "ProxmoxProvider":
    """Connect. Raises ProviderError."""
    return ProxmoxProvider(*_connect(spec))


def open_estate(spec: ProviderSpec) -> ProxmoxEstate:
    """Connect, to look at nodes and VMs. Raises ProviderError."""
    return ProxmoxEstate(*_connect(spec))


def _connect(spec: ProviderSpec) -> tuple[Api, Version]:
    api = Api(parse_endpoint(spec.endpoint, os.environ), login(spec, os.environ))
    try:
        return api, facts.read_version(api)
    except ProviderError:
        api.close()
        raise


class ProxmoxProvider:
    """See `provision.provider.Provider`."""

    def __init__(self, api: Api, version: Version) -> None:
        self.name = f"proxmox {api.endpoint.written}"
        self._api = api
        self._version = version
        self._maker = Maker(api)

    def plan(self, vm: VmSpec, host: Judgement | None = None) -> ProxmoxPlan:  # noqa: ARG002 - of this machine
        """What apply will do, without side effects."""
        resources = guests.everything(self._api)
        guest = guests.find(self._api, vm.namespace, vm.name, resources)
        source = source_of(self._api, vm, resources)
        node = self._node(vm, guest, source)
        cpu = choose(vm, node)
        _check_cloud_init(vm)
        brought = source.template_config or {} if guest is None else {}
        plans.check_networks(vm, node)
        wanted = plans.wanted_of(vm, node, cpu, source, guest)
        change = plans.change_of(vm, guest, wanted) if guest else Change()
        disks: Mapping[str, str] = {}
        if guest is None or change.rebuild:
            check_size(vm, source)
            storage = media.for_disks(node, vm).storage
            disks = plans.new_disks(vm, source, storage)
            media.for_files(node.storages, "iso", node.name)
            if source.template is None:
                images.check_import(vm.image, here=source.file is not None)
                media.for_import(node, vm.image.storage)
        return ProxmoxPlan(
            vm=vm,
            steps=changes.steps(guest, change, wanted, plans.made(vm, node, source)),
            differences=change.differences,
            power=changes.power(guest, change, power_on=vm.power_on),
            loses_disk=bool(change.rebuild),
            accounts=plans.accounts_of(vm, source),
            notes=(
                *cpu.notes,
                *cloudinit.notes(vm, vm.image.name, brought),
                *(f"could not look: {text}" for text in node.unread),
            ),
            evidence=cpu.evidence,
            native=plans.native(node, wanted, guest, {**change.values, **disks}),
            node=node,
            cpu=cpu,
            source=source,
        )

    def apply(self, plan: Plan, progress: Progress) -> None:
        """Carry out a plan of this provider. What is there is looked at again: repeating after a crash converges."""
        assert isinstance(plan, ProxmoxPlan)
        vm, maker = plan.vm, self._maker
        with unchanged():
            guest = maker.settled(vm, progress)
            wanted, change = _compared(plan, guest)
            anew = guest is None or bool(change.rebuild)
            if anew and plan.source.template is None and images.missing(vm.image, plan.source.file):
                plan = msgspec.structs.replace(plan, source=Source(file=images.resolve(vm.image, progress)))
                wanted, change = _compared(plan, guest)
            if guest is None or change.rebuild:
                check_size(vm, plan.source)
            if guest is not None and change.rebuild:
                maker.must_consent(plan, guest)
        if guest is not None and change.rebuild:
            progress("removing what was there")
            maker.remove(guest, progress)
            guest = None
        if guest is None:
            wanted, _ = _compared(plan, None)
            guest = maker.create(plan, wanted, progress)
            change = plans.change_of(vm, guest, wanted)
        maker.converge(plan, guest, wanted, change, progress)

    def observe(self, vm: VmSpec) -> VmView | None:
        """The live VM, read back; None when there is none."""
        guest = guests.find(self._api, vm.namespace, vm.name)
        if guest is None:
            return None
        native = observe.native_of(facts.read_vendor(self._api, guest.node))
        view = observe.view(self._api, guest, vm.key, self.name, native, where(vm, NESTED))
        shown = readback.settings(vm, guest.running_config, view.got)
        return msgspec.structs.replace(view, settings=shown)

    def fetch_report(self, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
        """The guest's report through the QEMU guest agent, within `timeout` seconds. Raises ProviderError.

        It shows that the guest has read its seed, which may hold secrets: that is taken away then.
        """
        guest = guests.find(self._api, vm.namespace, vm.name)
        if guest is None:
            fault = f"it does not exist at {self._api.endpoint.written}"
            raise NoReport(fault, Silence.NOT_THERE, hint="apply the manifests first")
        report = Listener(self._api, guest, self._version).listen(timeout, progress)
        self._maker.take_seed_away(guest, progress)
        return report

    def destroy(self, namespace: str, name: str) -> tuple[str, ...]:
        """Remove the VM and all that was made for it, also what a killed run left; what was removed, for people."""
        removed: tuple[str, ...] = ()
        while (guest := guests.find(self._api, namespace, name)) is not None:
            self._maker.wait_for_tasks(guest, _quiet)
            removed += self._maker.remove(guest, _quiet)
        return removed

    def sums(self, plans: Sequence[Plan]) -> Sums:
        """See `provision.provider.Adding`."""
        from provision.providers.proxmox.crowd import sums_of  # late: only for what changes

        return sums_of([plan for plan in plans if isinstance(plan, ProxmoxPlan)], guests.running(self._api))

    def host_view(self, name: str) -> HostView | None:
        """See `provision.provider.Seeing`."""
        online = facts.node_names(self._api)
        if name not in online:
            return None
        (node,) = facts.read_nodes(self._api, self._version, {name: online[name]}, _quiet)
        return host_view(node, self.name)

    def artefacts(self, namespace: str, name: str) -> tuple[Artefact, ...]:
        """See `provision.provider.Diagnosing`."""
        return artefacts(self._api, namespace, name)

    def close(self) -> None:
        """Let go of the connection; VMs go on."""
        self._api.close()

    def _node(self, vm: VmSpec, guest: Guest | None, source: Source) -> Node:
        """The node that the VM is on or goes to."""
        pinned = guest.node if guest else None
        if pinned is None and source.template is not None and not vm.placement.host:
            pinned = source.template.node
        online = facts.node_names(self._api)
        named = pinned or vm.placement.host or vm.image.node
        ask = {named: online[named]} if named in online else online
        return node_for(vm, facts.read_nodes(self._api, self._version, ask, _quiet), pinned)


def _compared(plan: ProxmoxPlan, guest: Guest | None) -> tuple[Wanted, Change]:
    """What is wanted, and what has to be done with the VM that is there."""
    wanted = plans.wanted_of(plan.vm, plan.node, plan.cpu, plan.source, guest)
    return wanted, plans.change_of(plan.vm, guest, wanted) if guest else Change()


def _quiet(_line: str) -> None:
    return


def _check_cloud_init(vm: VmSpec) -> None:
    cloudinit.check(vm)
    try:
        seed_of(vm, {})
    except ValueError as e:
        raise refusal(vm, USER_DATA, str(e)) from e
