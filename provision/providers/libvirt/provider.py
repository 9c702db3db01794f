"""The libvirt provider: plan, apply, observe, fetch the report, destroy."""

import contextlib
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import msgspec

from agent import VERSION
from hostcheck.model import Accelerator, Evidence, Judgement, Silence, VmView
from provision import images
from provision.accounting import account
from provision.identity import identify
from provision.images import LocalImage
from provision.model import ProviderSpec, VmSpec
from provision.provider import Artefact, NoReport, Plan, Progress, ProviderError
from provision.providers.libvirt import domains
from provision.providers.libvirt.capabilities import dry_run, read_offer
from provision.providers.libvirt.changes import Change, Present, change_to, power, steps
from provision.providers.libvirt.checks import check_accounts, check_firmware, check_shrinking, check_size
from provision.providers.libvirt.choose import NESTED, Choice, choose, where
from provision.providers.libvirt.connection import connect, errors
from provision.providers.libvirt.cpu import cpu_element
from provision.providers.libvirt.domain import domain_xml
from provision.providers.libvirt.edits import edits
from provision.providers.libvirt.endpoint import Endpoint, parse_endpoint
from provision.providers.libvirt.files import FileStorage
from provision.providers.libvirt.fitting import Fitting, answered, fit
from provision.providers.libvirt.guest_data import check_guest_data, guest_data, guest_digest, without_seed
from provision.providers.libvirt.machine import Machine, read_machine
from provision.providers.libvirt.pool import PoolStorage
from provision.providers.libvirt.record import Record, Settings, settings_of
from provision.providers.libvirt.storage import Layout, Storage, VmKey
from provision.providers.libvirt.tpm import own_authority
from provision.providers.libvirt.xmltext import parse_xml


class LibvirtPlan(Plan, frozen=True, kw_only=True):
    """A plan with what was chosen for it."""

    choice: Choice
    fitting: Fitting


def open_endpoint(spec: ProviderSpec) -> "LibvirtProvider":
    """Connect. Raises ProviderError."""
    endpoint = parse_endpoint(spec.endpoint)
    connection = connect(endpoint)
    with errors(endpoint):
        return LibvirtProvider(endpoint, connection, read_machine(connection, endpoint))


class LibvirtProvider:
    """See `provision.provider.Provider`."""

    def __init__(self, endpoint: Endpoint, connection: "libvirt.virConnect", machine: Machine) -> None:
        self.name = f"libvirt {endpoint.written}"
        self._endpoint = endpoint
        self._connection = connection
        self._machine = machine
        self._storage: Storage = (
            FileStorage(endpoint.root) if endpoint.root else PoolStorage(connection, endpoint.written)
        )

    def plan(self, vm: VmSpec, host: Judgement | None = None) -> LibvirtPlan:
        """What apply will do, without side effects. `host` is this machine's judgement, if the VM will run on it."""
        key = VmKey(vm.namespace, vm.name)
        with errors(self._endpoint):
            kvm, tcg = (read_offer(self._connection, accelerator) for accelerator in (Accelerator.KVM, Accelerator.TCG))
            choice = choose(vm, kvm, tcg, host if self._endpoint.local else None)
            offer = kvm if choice.accelerator is Accelerator.KVM else tcg
            check_firmware(vm, offer)
            fitting = fit(vm, choice, offer, self._machine)
            accounts = without_seed(vm, answered(account(vm, "libvirt"), fitting))
            check_accounts(accounts)
            if choice.accelerator is Accelerator.KVM:
                choice = msgspec.structs.replace(choice, evidence=(*choice.evidence, self._dry_run(vm, choice)))
            check_guest_data(vm, self._machine)
            image = images.locate(vm.image)
            if image:
                check_size(vm, image)
            present = self._present(key)
            wanted = _wanted(vm, choice, fitting, image, present)
            check_shrinking(vm, present, wanted)
            native = self._xml(vm, key, choice, fitting, wanted)
            present = _compared(present, wanted, vm, native)
            change = change_to(present, wanted, power_on=vm.power_on)
            return LibvirtPlan(
                vm=vm,
                steps=steps(change, present, wanted, power_on=vm.power_on, fetch=images.missing(vm.image, image)),
                accounts=accounts,
                notes=choice.notes,
                evidence=choice.evidence,
                native=native,
                choice=choice,
                fitting=fitting,
                differences=present.differences(wanted),
                power=power(change, present, power_on=vm.power_on),
                loses_disk=change is Change.REBUILD,
            )

    def apply(self, plan: Plan, progress: Progress) -> None:
        """Carry out a plan of this provider. What is there is looked at again: repeating after a crash converges."""
        assert isinstance(plan, LibvirtPlan)
        vm, choice, fitting = plan.vm, plan.choice, plan.fitting
        key = VmKey(vm.namespace, vm.name)
        layout = _layout(vm, fitting)
        with errors(self._endpoint):
            image = images.locate(vm.image)
            present = self._present(key)
            wanted = _wanted(vm, choice, fitting, image, present)
            present = _compared(present, wanted, vm, plan.native)
            change = change_to(present, wanted, power_on=vm.power_on)
            if image is None and change in (Change.CREATE, Change.REBUILD):
                image = images.resolve(vm.image, progress)
                wanted = _wanted(vm, choice, fitting, image, present)
                change = change_to(present, wanted, power_on=vm.power_on)
            if image is not None:
                check_size(vm, image)
            check_shrinking(vm, present, wanted)
            domain = domains.find(self._connection, key)
            if change in (Change.CREATE, Change.REBUILD):
                if domain is not None:  # first: no domain must vouch for a disk that is half replaced
                    progress("removing what was there")
                    domains.remove(domain, self._machine)
                assert image is not None
                wanted = _wanted(vm, choice, fitting, image, Present(None))
                progress("making disk and seed")
                self._storage.create(key, image, layout, guest_data(vm), progress)
                domain = None
            elif change in (Change.RECONFIGURE, Change.STOP) and domain is not None and domain.isActive():
                progress("shutting down")
                domains.stop(domain, gracefully=True)
            if change in (Change.RECONFIGURE, Change.START):
                self._storage.adjust(key, layout)
            if domain is None or change is Change.RECONFIGURE:
                domain = self._connection.defineXMLFlags(
                    self._xml(vm, key, choice, fitting, wanted), libvirt.VIR_DOMAIN_DEFINE_VALIDATE
                )
            if vm.power_on and not domains.is_running(domain):
                progress("starting")
                domains.stop(domain, gracefully=False)  # paused or crashed
                root = self._endpoint.root
                with own_authority(root) if fitting.tpm and root else contextlib.nullcontext():
                    domain.create()

    def observe(self, vm: VmSpec) -> VmView | None:
        """The live VM, read back from libvirt; None when there is none."""
        from provision.providers.libvirt.observe import view  # late, like all that has to do with a VM that runs

        with errors(self._endpoint):
            domain = domains.find(self._connection, VmKey(vm.namespace, vm.name))
            return view(domain, vm, self.name, where(vm, NESTED), self._machine) if domain is not None else None

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
            places = self._storage.places(key)
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
            if domain is not None:
                domains.remove(domain, self._machine)
                removed += (f"domain {key}",)
            return removed + self._storage.remove(key)

    def artefacts(self, namespace: str, name: str) -> tuple[Artefact, ...]:
        """Configuration and logs of the VM, for a troubleshooting bundle."""
        from provision.providers.libvirt.artefacts import artefacts

        key = VmKey(namespace, name)
        logs = self._endpoint.root / "log" / "qemu" if self._endpoint.root else None
        with errors(self._endpoint):
            console = self._storage.places(key).console
            return artefacts(self._connection, key, logs, str(console) if console and self._endpoint.local else None)

    def close(self) -> None:
        """Let go of the connection; VMs go on."""
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    def _present(self, key: VmKey) -> Present:
        domain = domains.find(self._connection, key)
        record = domains.record_of(domain) if domain is not None else None
        if domain is None or record is None:
            return Present(None)
        configured = parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        changed = edits(configured, self._storage.places(key).seed, record.settings)
        return Present(
            record.settings, bool(domains.is_running(domain)), self._storage.complete(key), changed, configured
        )

    def _xml(self, vm: VmSpec, key: VmKey, choice: Choice, fitting: Fitting, settings: Settings) -> str:
        record = Record(vm.namespace, vm.name, VERSION, settings)
        return domain_xml(vm, choice, fitting, self._machine, self._storage.places(key), record)

    def _dry_run(self, vm: VmSpec, choice: Choice) -> Evidence:
        cpu = ET.tostring(cpu_element(choice, nested=vm.nested), encoding="unicode")
        fault = dry_run(self._connection, choice.accelerator, cpu)
        if fault:
            raise ProviderError(
                f"{where(vm, NESTED)}: its CPU would not start at {self._endpoint.written}: {fault}",
                refused=True,
            )
        return Evidence(f"compareHypervisorCPU ({choice.accelerator})", "the CPU of this VM would start")


def _wanted(vm: VmSpec, choice: Choice, fitting: Fitting, image: LocalImage | None, present: Present) -> Settings:
    """`image` is None while it is not downloaded."""
    identity = identify(vm.image, image)
    if present.settings is not None:
        identity = identity.seen_from(present.settings.identity)
    return settings_of(vm, choice, fitting, identity, guest_digest(vm))


def _compared(present: Present, wanted: Settings, vm: VmSpec, native: str) -> Present:
    """With what else somebody changed in a domain that is to stay; one that is redefined anyway needs no comparison."""
    if present.configured is None or present.settings != wanted:
        return present
    from provision.providers.libvirt.readback import strayed  # late: most VMs are new

    return msgspec.structs.replace(present, edits=present.edits + strayed(vm, present.configured, parse_xml(native)))


def _layout(vm: VmSpec, fitting: Fitting) -> Layout:
    return Layout(vm.disk_gib, fitting.preallocation, fitting.disks)
