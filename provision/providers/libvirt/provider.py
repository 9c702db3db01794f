"""The libvirt provider: plan, apply, observe, fetch the report, destroy."""

import contextlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import msgspec

from agent import VERSION
from hostcheck.model import Accelerator, Evidence, Judgement, Silence, VmView
from provision import images
from provision.accounting import account
from provision.images import LocalImage
from provision.model import AccelPolicy, ProviderSpec, VmSpec
from provision.provider import Artefact, NoReport, Plan, Progress, ProviderError, unchanged
from provision.providers.libvirt import domains
from provision.providers.libvirt.aim import Aim, aim_at, compared, layout_of, made_anew
from provision.providers.libvirt.capabilities import dry_run, read_offer
from provision.providers.libvirt.changes import Change, Present, power, renews_variables, steps
from provision.providers.libvirt.checks import check_accounts, check_consent, check_firmware
from provision.providers.libvirt.choose import NESTED, Choice, choose, where
from provision.providers.libvirt.connection import connect, errors
from provision.providers.libvirt.cpu import cpu_element
from provision.providers.libvirt.domain import domain_xml
from provision.providers.libvirt.edits import edits, moved_disks
from provision.providers.libvirt.endpoint import Endpoint, parse_endpoint
from provision.providers.libvirt.files import FileStorage
from provision.providers.libvirt.fitting import Answer, Fitting, answered, fit
from provision.providers.libvirt.guest_data import check_guest_data, guest_data, without_seed
from provision.providers.libvirt.machine import Machine, read_machine
from provision.providers.libvirt.offer import Offer
from provision.providers.libvirt.pools import Pools
from provision.providers.libvirt.record import Record, Settings
from provision.providers.libvirt.room import check_room
from provision.providers.libvirt.site import Site, site_of
from provision.providers.libvirt.storage import Stock, Storage, VmKey, stock_of
from provision.providers.libvirt.tpm import own_authority
from provision.providers.libvirt.xmltext import parse_xml
from provision.room import Need, Sums, check_space

LOGIN = "Provider spec.credentialSecretRef"


class LibvirtPlan(Plan, frozen=True, kw_only=True):
    """A plan with what was chosen for it."""

    choice: Choice
    fitting: Fitting
    needs: tuple[Need, ...]
    """Of what is to be made."""


def open_endpoint(spec: ProviderSpec) -> "LibvirtProvider":
    """Connect. Raises ProviderError."""
    endpoint = parse_endpoint(spec.endpoint)
    connection = connect(endpoint, spec)
    with errors(endpoint):
        return LibvirtProvider(endpoint, connection, read_machine(connection, endpoint))


class LibvirtProvider:
    """See `provision.provider.Provider`."""

    def __init__(self, endpoint: Endpoint, connection: "libvirt.virConnect", machine: Machine) -> None:
        self.name = f"libvirt {endpoint.written}"
        self._endpoint = endpoint
        self._connection = connection
        self._machine = machine
        self._files = FileStorage(endpoint.root) if endpoint.root else None
        self._pools = Pools(connection, endpoint.written, local=endpoint.local)

    def plan(self, vm: VmSpec, host: Judgement | None = None) -> LibvirtPlan:
        """What apply will do, without side effects. `host` is this machine's judgement, if the VM will run on it."""
        key = VmKey(vm.namespace, vm.name)
        with errors(self._endpoint):
            kvm = None if vm.accel is AccelPolicy.TCG else self._kvm
            choice = choose(vm, kvm, self._tcg, host if self._endpoint.local else None)
            offer = kvm if kvm and choice.accelerator is Accelerator.KVM else self._tcg
            crowded = check_room(vm, offer, self._machine)
            check_firmware(vm, offer, self._machine)
            fitting = fit(vm, choice, offer, self._machine)
            check_guest_data(vm, self._machine)
            accounts = without_seed(vm, answered(account(vm, "libvirt"), self._answers(vm, fitting)))
            check_accounts(accounts)
            if choice.accelerator is Accelerator.KVM:
                choice = msgspec.structs.replace(choice, evidence=(*choice.evidence, self._dry_run(vm, choice)))
            image = images.locate(vm.image)
            present = self._present(key)
            aim = aim_at(vm, choice, fitting, image, present)
            native = self._xml(vm, key, choice, fitting, aim.wanted, present.configured)
            present = compared(present, aim.wanted, vm, native)
            aim = aim_at(vm, choice, fitting, image, present)
            wanted, change = aim.wanted, aim.change
            needs = self._check_storage(vm, key, fitting, aim, image)
            return LibvirtPlan(
                vm=vm,
                steps=steps(change, present, wanted, power_on=vm.power_on, fetch=images.missing(vm.image, image)),
                accounts=accounts,
                notes=(*choice.notes, *crowded, *aim.notes),
                evidence=choice.evidence,
                native=native,
                choice=choice,
                fitting=fitting,
                needs=needs,
                differences=present.differences(wanted),
                power=power(change, present, power_on=vm.power_on),
                loses_disk=change is Change.REBUILD,
            )

    def apply(self, plan: Plan, progress: Progress) -> None:
        """Carry out a plan of this provider. What is there is looked at again: repeating after a crash converges."""
        assert isinstance(plan, LibvirtPlan)
        vm, choice, fitting = plan.vm, plan.choice, plan.fitting
        key = VmKey(vm.namespace, vm.name)
        layout = layout_of(vm, fitting)
        with unchanged(), errors(self._endpoint):
            image = images.locate(vm.image)
            present, aim = self._looked_again(plan, key, image)
            if aim.new_disk and images.missing(vm.image, image):
                image = images.resolve(vm.image, progress)
                present, aim = self._looked_again(plan, key, image)  # it may have taken an hour
            check_consent(plan, present, aim.change)
            self._check_storage(vm, key, fitting, aim, image)
            wanted, change = aim.wanted, aim.change
            domain = domains.find(self._connection, key)
            starts_with_its_host = domain is not None and domain.autostart()
            if aim.new_disk and domain is None:
                self._storage(wanted, vm).check_idle(key)
        with errors(self._endpoint):
            if aim.new_disk:
                if domain is not None:  # first: no domain must vouch for a disk that is half replaced
                    progress("removing what was there")
                    domains.remove(domain, self._machine)
                assert image is not None
                wanted = made_anew(vm, choice, fitting, image, aim)
                progress("making disk and seed")
                self._storage(wanted, vm).create(key, image, layout, guest_data(vm), progress)
                domain = None
            elif change in (Change.RECONFIGURE, Change.STOP) and domain is not None:
                domains.persist(domain)
                variables = domains.variables_of(domain) if renews_variables(present.settings, wanted) else ""
                if present.active:
                    progress("shutting down")
                    domains.stop(domain, gracefully=True)
                if change is Change.RECONFIGURE:
                    domains.make_way(domain, key, variables)
            if change in (Change.RECONFIGURE, Change.START):
                self._storage(wanted, vm).adjust(key, layout)
            if domain is None or change is Change.RECONFIGURE:
                xml = self._xml(vm, key, choice, fitting, wanted, present.configured)
                domain = self._connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
                if starts_with_its_host:
                    domain.setAutostart(1)
            if aim.new_disk:
                domains.stop(domain, gracefully=False)  # another run has started it on the disk that this one replaced
            if vm.power_on and not domains.is_running(domain):
                progress("starting")
                root = self._endpoint.root
                with own_authority(root) if fitting.tpm and root else contextlib.nullcontext():
                    domains.run(domain)

    def _looked_again(self, plan: LibvirtPlan, key: VmKey, image: LocalImage | None) -> tuple[Present, Aim]:
        """What there is by now, and what is to become of it."""
        vm, choice, fitting = plan.vm, plan.choice, plan.fitting
        present = self._present(key)
        present = compared(present, aim_at(vm, choice, fitting, image, present).wanted, vm, plan.native)
        return present, aim_at(vm, choice, fitting, image, present)

    def observe(self, vm: VmSpec) -> VmView | None:
        """The live VM, read back from libvirt; None when there is none."""
        from provision.providers.libvirt.observe import view  # late, like all that has to do with a VM that runs

        with errors(self._endpoint):
            domain = domains.find(self._connection, VmKey(vm.namespace, vm.name))
            return (
                view(domain, vm, self.name, where(vm, NESTED), self._machine, self._pools)
                if domain is not None
                else None
            )

    def fetch_report(self, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
        """The guest's fresh report by virtio-serial, within `timeout` seconds. Raises ProviderError."""
        from provision.providers.libvirt.console import FileConsole, StreamConsole
        from provision.providers.libvirt.hearing import Listener

        key = VmKey(vm.namespace, vm.name)
        with errors(self._endpoint), contextlib.ExitStack() as cleanup:
            domain = domains.find(self._connection, key)
            if domain is None:
                fault = f"it does not exist at {self._endpoint.written}"
                raise NoReport(fault, Silence.NOT_THERE, hint="apply the manifests first")
            record = domains.record_of(domain)
            places = self._storage(record.settings if record else None).places(key)
            if places.console:
                console = FileConsole(Path(places.console))
                return Listener(self._connection, domain, console, places.seed).listen(timeout, progress)
            stream = StreamConsole(self._connection, domain)
            cleanup.callback(stream.close)
            return Listener(self._connection, domain, stream, places.seed).listen(timeout, progress)

    def destroy(self, namespace: str, name: str) -> tuple[str, ...]:
        """Remove the VM and all that was made for it, also what a killed run left; what was removed, for people."""
        key = VmKey(namespace, name)
        with errors(self._endpoint):
            removed: tuple[str, ...] = ()
            domain = domains.find(self._connection, key)
            record = domains.record_of(domain) if domain is not None else None
            storage = self._storage(record.settings if record else None)
            files: tuple[str, ...] = ()
            if domain is None:
                storage.check_idle(key)
            else:
                storage.reach()  # first: without the domain nobody knows any more where its disks are
                files = domains.files(domain)
                domains.remove(domain, self._machine)
                removed += (f"domain {key}",)
            return removed + storage.remove(key, files)

    def artefacts(self, namespace: str, name: str) -> tuple[Artefact, ...]:
        """Configuration and logs of the VM, for a troubleshooting bundle."""
        from provision.providers.libvirt.artefacts import artefacts

        key = VmKey(namespace, name)
        logs = self._endpoint.root / "log" / "qemu" if self._endpoint.root else None
        with errors(self._endpoint):
            console = self._files.places(key).console if self._files else None
            return artefacts(self._connection, key, logs, str(console) if console else None)

    def sums(self, plans: Sequence[Plan]) -> Sums:
        """See `provision.provider.Adding`."""
        from provision.providers.libvirt.crowd import host_of  # late: only for what changes

        ours = [plan for plan in plans if isinstance(plan, LibvirtPlan)]
        with errors(self._endpoint):
            host = host_of(self._connection, self._endpoint, self._machine, ours)
        return Sums((host,) if host else (), tuple(need for plan in ours for need in plan.needs))

    def close(self) -> None:
        """Let go of the connection; VMs go on."""
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    @cached_property
    def _kvm(self) -> Offer:
        """What KVM gives to guests, as long as a command runs."""
        return read_offer(self._connection, Accelerator.KVM)

    @cached_property
    def _tcg(self) -> Offer:
        """What QEMU's emulator gives to guests."""
        return read_offer(self._connection, Accelerator.TCG)

    def _present(self, key: VmKey) -> Present:
        domain = domains.find(self._connection, key)
        record = domains.record_of(domain) if domain is not None else None
        if domain is None or record is None:
            return Present(None)
        configured = parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        storage = self._storage(record.settings)
        places = storage.places(key)
        return Present(
            record.settings,
            domains.life_of(domain),
            storage.complete(key),
            (*domains.displaced(domain, key), *edits(configured, places.seed, record.settings)),
            configured,
            moved_disks(configured, places, record.settings),
        )

    def _storage(self, settings: Settings | None, vm: VmSpec | None = None) -> Storage:
        """Where these settings say that disks are; None: that of a VM without a domain."""
        if self._files:
            return self._files
        from provision.providers.libvirt.pool import PoolStorage  # late: an embedded driver has no pools

        site = site_of(settings, pooled=self._machine.pooled, vm=vm) if settings else Site()
        return PoolStorage(self._pools, site)

    def _check_storage(
        self, vm: VmSpec, key: VmKey, fitting: Fitting, aim: Aim, image: LocalImage | None
    ) -> tuple[Need, ...]:
        """What is to be made can be made, and takes so much."""
        if not (aim.new_disk or aim.change is Change.RECONFIGURE):
            return ()
        storage = self._storage(aim.wanted, vm)
        stock: Stock | None = None
        downloads: tuple[Need, ...] = ()
        if aim.new_disk:
            images.check_import(vm.image, here=image is not None)
            storage.reach()
            stock, downloads = stock_of(vm.image, image)
        needs = (*storage.needs(key, layout_of(vm, fitting), stock), *downloads)
        check_space(needs)
        return needs

    def _xml(
        self, vm: VmSpec, key: VmKey, choice: Choice, fitting: Fitting, settings: Settings, before: ET.Element | None
    ) -> str:
        record, places = Record(vm.namespace, vm.name, VERSION, settings), self._storage(settings, vm).places(key)
        return domain_xml(vm, choice, fitting, self._machine, places, record, before)

    def _answers(self, vm: VmSpec, fitting: Fitting) -> Mapping[str, Answer]:
        """What this endpoint, unlike others, makes of a field."""
        if not any(field.path.startswith(LOGIN) for field in vm.fields):
            return fitting.answers
        from provision.providers.libvirt.login import handling

        answer = handling(vm.provider, self._endpoint)
        return {f"{LOGIN}.name": answer, f"{LOGIN}.namespace": answer, **fitting.answers}

    def _dry_run(self, vm: VmSpec, choice: Choice) -> Evidence:
        cpu = ET.tostring(cpu_element(choice, nested=vm.nested), encoding="unicode")
        fault = dry_run(self._connection, choice.accelerator, cpu)
        if fault:
            raise ProviderError(
                f"{where(vm, NESTED)}: its CPU would not start at {self._endpoint.written}: {fault}",
                refused=True,
            )
        return Evidence(f"compareHypervisorCPU ({choice.accelerator})", "the CPU of this VM would start")
