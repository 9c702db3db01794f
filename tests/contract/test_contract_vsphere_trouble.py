"""vSphere when it goes wrong: log-in, certificates, sessions, faults of tasks, restarts, kills, Ctrl-C."""

import bisect
import itertools
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pyVmomi import vim
from vcsim_server import VCenter, start
from vm_factory import IMAGE, net
from vsphere_lab import VsphereLab, provider_spec, template

from commands.crew import Stopped
from provision.model import Credentials, ImageSpec, NetworkKind, VmSpec
from provision.provider import ProviderError
from provision.providers import open_provider
from provision.providers.vsphere import guestinfo, settings, tasks
from provision.providers.vsphere.connection import Connection
from provision.providers.vsphere.faults import _TOLD


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    lab = VsphereLab.of(start(tmp_path_factory.mktemp("trouble")))
    yield lab
    lab.close()


@pytest.fixture
def lab(one: VsphereLab) -> Iterator[VsphereLab]:
    """Found and left empty, with clones that take no time."""
    yield one
    one.vc.control("clone-seconds?seconds=0")
    one.provider.destroy("default", "tiny")
    assert one.remains() == set()


def refused(vc: VCenter, **changes: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        open_provider(provider_spec(vc, **changes))
    assert "\n" not in str(caught.value)
    return caught.value


def test_logging_in(lab: VsphereLab) -> None:
    error = refused(lab.vc, password="sesame")
    assert str(error) == f"127.0.0.1:{lab.vc.port}: wrong user name or password"
    assert error.hint == "they come from test"
    assert "sesame" not in repr(error)
    assert "GOVC_USERNAME" in refused(lab.vc, credentials=None).hint
    assert "GOVC_USERNAME" in refused(lab.vc, credentials=Credentials("test", username="user")).hint


def test_certificates(lab: VsphereLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "its certificate is not trusted" in str(refused(lab.vc, ca=None))
    assert "no certificate" in str(refused(lab.vc, ca="nonsense"))
    spec = provider_spec(lab.vc, ca=None)
    wrong = ":".join(["00"] * 20)
    with pytest.raises(ProviderError, match=f"has the thumbprint {lab.vc.thumbprint}, not {wrong}") as caught:
        open_provider(replace(spec, endpoint=f"{lab.vc.url}?thumbprint={wrong}"))
    assert "somebody else answers there" in caught.value.hint
    open_provider(replace(spec, endpoint=f"{lab.vc.url}?thumbprint={lab.vc.thumbprint}")).close()
    open_provider(provider_spec(lab.vc, ca=None, insecure=True)).close()
    known = tmp_path / "known_hosts"
    known.write_text(f"127.0.0.1:{lab.vc.port} {lab.vc.thumbprint}\n")
    monkeypatch.setenv("GOVC_TLS_KNOWN_HOSTS", str(known))
    open_provider(spec).close()
    monkeypatch.setenv("GOVC_TLS_KNOWN_HOSTS", str(tmp_path / "none"))
    assert "GOVC_TLS_KNOWN_HOSTS" in str(refused(lab.vc))


def test_a_pinned_certificate_is_accepted_after_its_last_day(tmp_path: Path) -> None:
    vc = start(tmp_path, expired=True)
    try:
        assert "certificate has expired" in str(refused(vc))
        spec = provider_spec(vc, ca=None)
        open_provider(replace(spec, endpoint=f"{vc.url}?thumbprint={vc.thumbprint}")).close()
        with pytest.raises(ProviderError, match="has the thumbprint"):
            open_provider(replace(spec, endpoint=f"{vc.url}?thumbprint={':'.join(['00'] * 20)}"))
    finally:
        vc.stop()


def test_the_endpoint_of_govc_with_its_user(lab: VsphereLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVC_URL", f"https://user:pass@127.0.0.1:{lab.vc.port}/sdk")
    spec = provider_spec(lab.vc, credentials=None)
    opened = open_provider(replace(spec, endpoint="vsphere://"))
    assert opened.name == f"vsphere 127.0.0.1:{lab.vc.port}"
    opened.close()
    monkeypatch.setenv("GOVC_URL", "")
    with pytest.raises(ProviderError, match="names no host, and GOVC_URL is empty"):
        open_provider(replace(spec, endpoint="vsphere://"))
    monkeypatch.delenv("GOVC_URL")
    with pytest.raises(ProviderError, match="names no host, and GOVC_URL is not set"):
        open_provider(replace(spec, endpoint="vsphere://"))


def test_nobody_answers() -> None:
    spec = provider_spec(VCenter(1, Path(__file__), None), ca=None)  # type: ignore[arg-type]
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:1: Connection refused") as caught:
        open_provider(spec)
    assert caught.value.hint == "check name, port and network"


def test_a_session_that_ended_is_renewed(lab: VsphereLab) -> None:
    lab.apply(lab.vm())
    lab.vc.control("expire")
    seen = lab.provider.observe(lab.vm())
    assert seen is not None
    assert seen.running
    lab.vc.control("expire")
    assert [step.action for step in lab.provider.plan(lab.vm()).steps] == ["keep"]


def test_a_session_that_ends_while_a_report_or_a_task_is_waited_for_is_renewed(lab: VsphereLab) -> None:
    """As after half an hour at a vCenter: nothing keeps it alive, and nothing is lost with it."""
    lab.vc.control("clone-seconds?seconds=1")
    lab.vc.calls()
    ended: list[str] = []

    def progress(line: str) -> None:
        if line.startswith(("cloning", "waiting")):
            ended.append(line)
            lab.vc.control("expire")

    lab.apply(lab.vm(), progress)
    assert lab.provider.fetch_report(lab.vm(), 60, progress)
    assert ended[0].startswith("cloning")
    assert lab.vc.calls()["CloneVM_Task"] == 1


FAULTS = [
    ("CloneVM_Task", "NoPermission",
     "<object type='VirtualMachine'>vm-1</object><privilegeId>A.B</privilegeId>", "privilege A.B"),
    ("CloneVM_Task", "NoDiskSpace", "<file>x</file><datastore>ds</datastore>", "datastore ds is full"),
    ("ReconfigVM_Task", "NotSupported", "", "does not support one of the settings"),
    ("ReconfigVM_Task", "ConcurrentAccess", "", "somebody else changed the VM"),
    ("ReconfigVM_Task", "TaskInProgress", "<task type='Task'>task-1</task>", "another task is at work"),
    ("ReconfigVM_Task", "InvalidVmConfig", "<property>nestedHVEnabled</property>", "the setting nestedHVEnabled"),
    ("ReconfigVM_Task", "InvalidPowerState",
     "<requestedState>poweredOff</requestedState><existingState>poweredOn</existingState>", "is powered on"),
    ("ReconfigVM_Task", "CpuHotPlugNotSupported", "", "CPU hot-add is not supported"),
    ("PowerOnVM_Task", "InsufficientMemoryResourcesFault",
     "<unreserved>1048576</unreserved><requested>2097152</requested>", "2 MiB are to be reserved, 1 MiB are free"),
    ("PowerOnVM_Task", "InsufficientCpuResourcesFault",
     "<unreserved>1</unreserved><requested>2</requested>", "2 MHz"),
    ("PowerOnVM_Task", "GenericVmConfigFault", "<reason>no way</reason>", "vSphere says: no way"),
    ("PowerOnVM_Task", "InvalidHostState", "<host type='HostSystem'>host-1</host>", "host host-1 is not fit"),
    ("PowerOnVM_Task", "FeatureRequirementsNotMet",
     "<featureRequirement><key>cpuid.VMX</key><featureName>cpuid.VMX</featureName><value>Bool:Min:1</value>"
     "</featureRequirement><host type='HostSystem'>host-1</host>", "lacks CPU features that the VM needs: cpuid.VMX"),
    ("PowerOnVM_Task", "NoCompatibleHost", "", "no host of the cluster can run it"),
    ("PowerOnVM_Task", "InsufficientResourcesFault", "", "not enough resources"),
    ("ReconfigVM_Task", "MemoryHotPlugNotSupported", "", "memory hot-add is not supported"),
    ("CloneVM_Task", "VirtualHardwareVersionNotSupported",
     "<hostName>esx1</hostName><host type='HostSystem'>host-1</host>", "host esx1 does not know this virtual hardware"),
    ("CloneVM_Task", "DuplicateName", "<name>x</name><object type='Folder'>group-v3</object>", "something named x"),
    ("CloneVM_Task", "RestrictedVersion", "", "a licence whose API only reads"),
    ("CloneVM_Task", "RequestCanceled", "", "the task was cancelled"),
    ("ReconfigVM_Task", "AlreadyUpgraded", "", "has this version already"),
    ("ReconfigVM_Task", "InvalidArgument", "<invalidProperty>spec.x</invalidProperty>", "spec.x is not valid"),
    ("ReconfigVM_Task", "InvalidRequest", "", "does not understand the request"),
    ("ReconfigVM_Task", "ManagedObjectNotFound", "<obj type='Datastore'>ds-9</obj>", "ds-9 does not exist any more"),
    ("ReconfigVM_Task", "VmToolsUpgradeFault", "", "VmToolsUpgradeFault: "),
]  # fmt: skip
"""A fault of each kind that nestproof knows, at the call that may have it, and one that it does not know."""


def test_every_known_fault_is_tried() -> None:
    tried = {fault for _, fault, _, _ in FAULTS} | {"InvalidLogin", "NotAuthenticated"}  # those are of logging in
    assert {kind.__name__.rpartition(".")[2] for kind, _ in _TOLD} <= tried


@pytest.mark.parametrize(("method", "fault", "inside", "says"), FAULTS)
def test_faults_are_one_line_and_the_next_apply_goes_on(
    lab: VsphereLab, method: str, fault: str, inside: str, says: str
) -> None:
    lab.vc.fail(method, fault, inside)
    with pytest.raises(ProviderError) as caught:
        lab.apply(lab.vm())
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"127.0.0.1:{lab.vc.port}: ")
    assert "\n" not in str(caught.value)
    lab.apply(lab.vm())
    assert [step.action for step in lab.provider.plan(lab.vm()).steps] == ["keep"]


def test_a_fault_names_its_object_by_its_path(lab: VsphereLab) -> None:
    lab.vc.fail("CloneVM_Task", "NoPermission", f"<object type='VirtualMachine'>{lab.machine('debian-12')._moId}"
                "</object><privilegeId>A.B</privilegeId>")  # fmt: skip
    with pytest.raises(ProviderError, match=r"this account lacks the privilege A\.B on /DC0/vm/debian-12"):
        lab.apply(lab.vm())
    lab.apply(lab.vm())
    host = lab.machine().runtime.host
    lab.machine().PowerOffVM_Task()
    lab.vc.fail("PowerOnVM_Task", "InvalidHostState", f"<host type='HostSystem'>{host._moId}</host>")
    with pytest.raises(ProviderError, match="host /DC0/host/DC0_C0/DC0_C0_H0 is not fit to start VMs"):
        lab.apply(lab.vm())


def test_a_setting_that_is_accepted_and_lost_is_noticed(lab: VsphereLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As vSphere does with what an API of another version knows: here the flag is left out on the way."""
    from provision.providers.vsphere import changes

    real = changes.config_spec

    def without(*arguments: Any) -> Any:
        spec = real(*arguments)
        spec.nestedHVEnabled = None
        return spec

    monkeypatch.setattr(changes, "config_spec", without)
    with pytest.raises(ProviderError, match="accepted the settings but did not keep them: nested no → yes"):
        lab.apply(lab.vm())


@pytest.mark.parametrize("method", ["CloneVM_Task", "ReconfigVM_Task", "PowerOnVM_Task"])
def test_a_connection_cut_before_the_answer_is_taken_up_at_the_task(lab: VsphereLab, method: str) -> None:
    lab.vc.calls()
    lab.vc.fail(method, cut=True)
    lab.apply(lab.vm())
    assert lab.vc.calls()[method] == 1, "what was carried out is not done twice"
    seen = lab.provider.observe(lab.vm())
    assert seen is not None
    assert (seen.running, seen.got) == (True, True)


@pytest.mark.parametrize(("alone", "fails"), [(False, False), (True, False), (True, True)])
def test_a_clone_whose_answer_was_lost_is_told_from_another_of_its_template(
    lab: VsphereLab, monkeypatch: pytest.MonkeyPatch, alone: bool, fails: bool
) -> None:
    """Another is begun before the provider looks for its task; `alone`: it sees none but that other task, which may
    fail: what went wrong with it is not told as ours."""
    real, looks = tasks._recent, 0

    def recent(connection: Connection, entity: Any) -> dict[str, Any]:
        nonlocal looks
        looks += 1
        if looks != 2:
            return real(connection, entity)
        if fails:
            lab.vc.fail("CloneVM_Task", "NoDiskSpace", "<file>x</file><datastore>ds</datastore>")
        of = lab.machine("debian-12")
        place = vim.vm.RelocateSpec(pool=of.runtime.host.parent.resourcePool)
        task = of.CloneVM_Task(of.parent, "other", vim.vm.CloneSpec(location=place, powerOn=False, template=False))
        return {key: t for key, t in real(connection, entity).items() if not alone or key == task._moId}

    plan = lab.provider.plan(lab.vm())
    monkeypatch.setattr(tasks, "_recent", recent)
    lab.vc.fail("CloneVM_Task", cut=True)
    lab.provider.apply(plan, lambda _: None)
    seen = lab.provider.observe(lab.vm())
    assert seen is not None
    assert (seen.running, seen.got) == (True, True)
    if fails:
        return
    assert settings.OWNER not in lab.options("other")
    other = lab.machine("other")
    assert other.runtime.powerState == "poweredOff"
    other.Destroy_Task()


def test_progress_is_told_while_a_clone_takes_its_time(lab: VsphereLab) -> None:
    lab.vc.control("clone-seconds?seconds=1")
    said: list[str] = []
    lab.apply(lab.vm(), said.append)
    assert any(line.startswith("cloning debian-12: ") and line.endswith(" %") for line in said)


def test_a_restart_of_vcenter_in_the_middle_of_a_clone(lab: VsphereLab) -> None:
    """Sessions and tasks are lost, the inventory stays: the clone is begun anew."""
    lab.vc.control("clone-seconds?seconds=1")
    said: list[str] = []
    restarted: list[bool] = []

    def progress(line: str) -> None:
        said.append(line)
        if line.startswith("cloning") and not restarted:
            restarted.append(True)
            lab.vc.control("restart?seconds=1")

    lab.apply(lab.vm(), progress)
    assert "vCenter lost the task: looking again" in said
    assert [step.action for step in lab.provider.plan(lab.vm()).steps] == ["keep"]


@pytest.mark.parametrize("until", ["cloning", "configuring", "starting"])
def test_killed_in_the_middle_the_next_apply_finishes_and_destroy_leaves_nothing(lab: VsphereLab, until: str) -> None:
    lab.vc.control("clone-seconds?seconds=1")
    process = lab.begun(until)
    process.kill()
    process.communicate()
    lab.apply(lab.vm())
    seen = lab.provider.observe(lab.vm())
    assert seen is not None
    assert (seen.running, seen.got) == (True, True)
    assert lab.remains() == {"default.tiny"}


def test_ctrl_c_cancels_the_clone(lab: VsphereLab) -> None:
    lab.vc.control("clone-seconds?seconds=30")
    process = lab.begun("cloning")
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert lab.vc.calls().get("CancelTask") == 1
    time.sleep(0.3)
    assert lab.remains() == set()


def test_a_worker_that_is_stopped_cancels_the_clone(lab: VsphereLab) -> None:
    """As Ctrl-C does in `nestproof apply`, where the main thread has its workers stop at their next word."""
    lab.vc.control("clone-seconds?seconds=30")
    lab.vc.calls()

    def progress(line: str) -> None:
        if line.startswith("cloning"):
            raise Stopped

    with ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(lab.apply, lab.vm(), progress).exception(60), Stopped)
    assert lab.vc.calls().get("CancelTask") == 1
    time.sleep(0.3)
    assert lab.remains() == set()


def test_an_image_that_is_no_template_and_a_missing_one(lab: VsphereLab) -> None:
    with pytest.raises(ProviderError, match=r"^vm\.yaml:20:3: there is no template 'gone'") as caught:
        lab.provider.plan(lab.vm(source=template("gone")))
    assert "debian-12" in caught.value.hint
    nothing = ImageSpec("nothing", None, None, "", None, IMAGE, template_id=100)
    with pytest.raises(ProviderError, match="image nothing is none of them") as caught:
        lab.provider.plan(lab.vm(source=nothing))
    assert caught.value.refused


def test_user_data_fits_up_to_the_last_byte_and_is_refused_at_its_place_from_then_on(lab: VsphereLab) -> None:
    """64 KiB when packed; base64 makes 4 characters of 3 bytes, so that the next longer one has 4 characters more."""
    letters = random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=60000)

    def vm(length: int, first: int = 0) -> VmSpec:
        return lab.vm(user_data="#!" + "".join(letters[first : first + length]))

    def over(length: int, first: int = 0) -> int:
        """Characters above the limit."""
        try:
            return len(guestinfo.variables(vm(length, first))["guestinfo.userdata"]) - guestinfo.LIMIT
        except ValueError as e:
            return int(str(e).rpartition(": ")[2].split()[0])

    near = bisect.bisect_left(range(len(letters)), 0, key=over)  # compressed, one letter more may take less
    found: dict[int, VmSpec] = {}
    for first, length in itertools.product(range(100), range(near - 10, near + 20)):
        found.setdefault(over(length, first), vm(length, first))
        if {0, 4} <= found.keys():
            break
    assert guestinfo.LIMIT == 64 << 10
    lab.apply(found[0])
    assert len(lab.options()["guestinfo.userdata"]) == guestinfo.LIMIT
    lab.provider.destroy("default", "tiny")
    says = r"^vm\.yaml:1:1: userdata has \d+ bytes, 65540 when packed; a guestinfo variable takes 65536: 4 too many$"
    with pytest.raises(ProviderError, match=says) as caught:
        lab.provider.plan(found[4])
    assert caught.value.refused


def test_one_byte_more_than_vmware_takes_is_refused_by_the_simulator_too(lab: VsphereLab) -> None:
    """What the provider never sends has to be refused, else its never sending it would prove nothing."""
    lab.apply(lab.vm())
    for size, fault in ((guestinfo.LIMIT, False), (guestinfo.LIMIT + 1, True)):
        option = vim.option.OptionValue(key="guestinfo.test", value="x" * size)
        assert (lab.reconfigure(extraConfig=[option]) is not None) is fault


def test_a_network_is_found_by_its_distributed_switch(lab: VsphereLab) -> None:
    lab.apply(lab.vm(networks=(net("DC0_DVPG0", NetworkKind.PORTGROUP, switch="DVS0"),)))
    with pytest.raises(ProviderError, match="there is no distributed switch 'other'"):
        lab.provider.plan(lab.vm(networks=(net("DC0_DVPG0", NetworkKind.PORTGROUP, switch="other"),)))
