"""vSphere beyond the contract of all providers: classes, versions, drift, networks, privileges, reports."""

import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pyVmomi import vim
from vcsim_server import ESXI_8, TEMPLATE, guest, start
from vm_factory import net
from vsphere_lab import VsphereLab, provider_spec, template

from commands.drift import status_of
from commands.intent import intent
from provision.model import ExtraDisk, Firmware, Limits, NetworkKind, Placement
from provision.patience import BOUND
from provision.provider import Diagnosing, Difference, Power, ProviderError
from provision.providers import open_provider
from provision.proving import hear

SECURE: dict[str, Any] = {"secure_boot": True, "vtd": True, "tpm": True}
CLASSES: dict[str, dict[str, Any]] = {
    "nested": {},
    "nested, hot-add, limits": {
        "cpus": 2, "cpu_hot_add": True, "memory_hot_add": True,
        "limits": Limits(cpu_limit=4000, cpu_reservation=500, cpu_shares=2000, memory_reservation_mib=512),
    },
    "nested, low latency": {"latency_sensitivity": "high", "hyper_threading": "avoid"},
    "nested, secure": SECURE,
    "nested, VBS": SECURE | {"vbs": True},
}  # fmt: skip
"""What a class of the mission's examples asks for, in the fields of a wanted VM."""
NEEDS = {"nested, low latency": 14, "nested, secure": 14, "nested, VBS": 14}
"""Hardware version that a class needs, where 9 is not enough."""


@pytest.fixture
def lab(vsphere: VsphereLab) -> Iterator[VsphereLab]:
    """Found and left empty."""
    assert vsphere.remains() == set()
    yield vsphere
    for name in ("tiny", "other", *(f"vm{n}" for n in range(4))):
        vsphere.provider.destroy("default", name)
    assert vsphere.remains() == set()


@pytest.fixture(scope="module")
def old_vcenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    """vCenter 6.5, whose API has no VBS, IOMMU and TPM, and no key provider."""
    names = {"vmx-11": "vmx-11", "vmx-13": "vmx-13", "debian-12": "vmx-13"}
    templates = [TEMPLATE | {"name": name, "hardware": hardware} for name, hardware in names.items()]
    place = tmp_path_factory.mktemp("old")
    hosts = [ESXI_8 | {"version": "6.5.0"}]
    found = VsphereLab.of(start(place, api="6.5", product="6.5.0", hosts=hosts, templates=templates, keyProviders=[]))
    yield found
    found.close()


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("hardware", [11, 14, 19])
def test_classes_on_hardware_versions_are_read_back_or_refused(lab: VsphereLab, name: str, hardware: int) -> None:
    source = template("debian-12" if hardware == 19 else f"vmx-{hardware}")
    vm = lab.vm(source=source, **CLASSES[name])
    if hardware < NEEDS.get(name, 9):
        with pytest.raises(ProviderError, match=rf"vmx-1[34].*the VM's is vmx-{hardware}") as caught:
            lab.provider.plan(vm)
        assert caught.value.refused
        return
    lab.apply(vm)
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert (seen.running, seen.got, [s for s in seen.settings if s.differs]) == (True, True, [])
    assert lab.machine().config.nestedHVEnabled is True
    assert [step.action for step in lab.provider.plan(vm).steps] == ["keep"]


@pytest.mark.parametrize("name", CLASSES)
def test_classes_on_an_old_api(old_vcenter: VsphereLab, name: str) -> None:
    vm = old_vcenter.vm(source=template("vmx-13"), **CLASSES[name])
    if name in NEEDS:
        with pytest.raises(
            ProviderError, match=r"vm\.yaml:.*(needs API 6\.7; 6\.5 was negotiated|needs virtual hardware)"
        ):
            old_vcenter.provider.plan(vm)
        return
    old_vcenter.apply(vm)
    seen = old_vcenter.provider.observe(vm)
    assert seen is not None
    assert (seen.got, [s for s in seen.settings if s.differs]) == (True, [])
    old_vcenter.provider.destroy("default", "tiny")
    assert old_vcenter.remains() == set()


def test_vcenters_own_check_is_told_and_refuses_nothing(tmp_path: Path, old_vcenter: VsphereLab) -> None:
    lab = VsphereLab.of(start(tmp_path, objection="Not on a Monday.\n"))
    try:
        lab.vc.calls()
        plan = lab.apply(lab.vm())
        assert "vCenter's own check: vSphere says: Not on a Monday." in plan.notes
        assert [e.text for e in plan.evidence if e.source == "CheckVmConfig_Task"] == ["1 objections"]
        again = lab.provider.plan(lab.vm(cpus=2))
        assert any("Not on a Monday" in note for note in again.notes)
        assert not any("powered" in note for note in again.notes), "it is switched off first, as the plan says"
        lab.vc.calls()
        assert lab.provider.plan(lab.vm()).steps[0].action == "keep"
        assert "CheckVmConfig_Task" not in lab.vc.calls()
        lab.vc.fail("CheckVmConfig_Task", "NoPermission",
                    "<object type='VirtualMachine'>vm-1</object><privilegeId>A.B</privilegeId>")  # fmt: skip
        unseen = lab.provider.plan(lab.vm(cpus=2))
        assert any("could not look: " in e.text and "A.B" in e.text for e in unseen.evidence)
    finally:
        lab.close()
    old_vcenter.vc.calls()
    old_vcenter.provider.plan(old_vcenter.vm(source=template("vmx-13")))
    assert "CheckVmConfig_Task" not in old_vcenter.vc.calls(), "6.5 has no such check"


def test_hardware_is_upgraded_only_when_asked(lab: VsphereLab) -> None:
    old = lab.vm(source=template("old"), firmware=Firmware.BIOS)
    with pytest.raises(
        ProviderError, match=r"vm\.yaml:14:5: nested virtualization needs virtual hardware vmx-09"
    ) as caught:
        lab.provider.plan(old)
    assert "virtualHW.version" in caught.value.hint
    asked = replace(old, extra_config={"virtualHW.version": "19"})
    lab.apply(asked)
    assert (lab.machine().config.version, lab.machine().config.nestedHVEnabled) == ("vmx-19", True)
    assert [step.action for step in lab.provider.plan(asked).steps] == ["keep"]


def test_the_keys_of_the_vmx_file_are_never_relied_on(lab: VsphereLab) -> None:
    vm = lab.vm(extra_config={"vhv.enable": "TRUE", "svga.autodetect": "TRUE"}, nested=False)
    plan = lab.apply(vm)
    assert any("vhv.enable is not sent" in note and "nestedHVEnabled" in note for note in plan.notes)
    assert any("the VM will not nest" in note for note in plan.notes)
    assert lab.options()["svga.autodetect"] == "TRUE"
    assert "vhv.enable" not in lab.options()
    assert lab.machine().config.nestedHVEnabled is False


def test_performance_counters_are_asked_for_by_their_key_and_sent_by_their_field(lab: VsphereLab) -> None:
    vm = lab.vm(extra_config={"vpmc.enable": "TRUE"})
    plan = lab.apply(vm)
    assert any("vpmc.enable is not sent" in note and note.endswith("vPMCEnabled") for note in plan.notes)
    assert lab.machine().config.vPMCEnabled is True
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert [(s.asked, s.found) for s in seen.settings if "vpmc" in s.path] == [("yes", "yes")]
    assert [step.action for step in lab.provider.plan(vm).steps] == ["keep"]
    assert "counters yes → no" in lab.provider.plan(lab.vm(extra_config={"vpmc.enable": "FALSE"})).steps[1].detail


def test_what_somebody_else_switched_off_is_seen_and_mended(lab: VsphereLab) -> None:
    lab.apply(lab.vm(power_on=False))
    assert lab.reconfigure(nestedHVEnabled=False) is None
    plan = lab.provider.plan(lab.vm(power_on=False))
    assert [(step.action, step.detail) for step in plan.steps] == [("configure", "nested no → yes")]
    assert (plan.differences, plan.power) == ((Difference("nested", "no", "yes"),), Power.UNTOUCHED)
    lab.provider.apply(plan, lambda _: None)
    assert lab.machine().config.nestedHVEnabled is True


def test_a_plan_says_what_differs_and_what_a_running_vm_goes_through(lab: VsphereLab) -> None:
    new = lab.apply(lab.vm())
    assert (new.differences, new.power, new.loses_disk) == ((), Power.UNTOUCHED, False)
    more = lab.provider.plan(lab.vm(cpus=3))
    assert (more.differences, more.power) == ((Difference("cpus", "1", "3"),), Power.POWER_CYCLE)
    assert intent(more) == "to change"
    status = status_of(lab.vm(cpus=3), "vc", more, lab.provider.observe(lab.vm()), None)
    assert status.drift == ("cpus: is 1, asked is 3",)
    assert lab.provider.plan(lab.vm(power_on=False)).power is Power.OFF
    anew = lab.provider.plan(lab.vm(user_data="#cloud-config\n{}\n"))
    assert ([d.setting for d in anew.differences], anew.power, anew.loses_disk) == (
        ["cloud init"], Power.POWER_CYCLE, True,
    )  # fmt: skip
    assert lab.machine().runtime.powerState == "poweredOn", "a plan changes nothing"


def test_what_there_is_of_a_vm_for_a_bundle_is_without_secrets(lab: VsphereLab) -> None:
    assert isinstance(lab.provider, Diagnosing)
    assert lab.provider.artefacts("default", "tiny") == ()
    lab.apply(
        lab.vm(user_data="#cloud-config\nruncmd: [sesame]\n", extra_config={"RemoteDisplay.vnc.password": "open"})
    )
    found = {a.name: a.data.decode() for a in lab.provider.artefacts("default", "tiny")}
    assert sorted(found) == ["config.txt", "events.txt", "tasks.txt"]
    assert "nestedHVEnabled = True" in found["config.txt"]
    assert '["RemoteDisplay.vnc.password"] = (4 characters)' in found["config.txt"]
    assert lab.options()["guestinfo.userdata"] not in found["config.txt"]
    assert "VmPoweredOnEvent" in found["events.txt"]
    assert "success" in found["tasks.txt"]
    lab.vc.fail(
        "QueryEvents", "NoPermission", "<object type='VirtualMachine'>vm-1</object><privilegeId>A.B</privilegeId>"
    )
    found = {a.name: a.data.decode() for a in lab.provider.artefacts("default", "tiny")}
    assert found["events.txt"].startswith("could not look: ")
    assert "nestedHVEnabled = True" in found["config.txt"]


def test_a_vm_that_was_started_meanwhile_is_not_stopped_without_consent(lab: VsphereLab) -> None:
    lab.apply(lab.vm(power_on=False, nested=False, placement=Placement(host="DC0_C0_H0")))
    plan = lab.provider.plan(lab.vm())
    assert [step.action for step in plan.steps] == ["configure", "start"]
    lab.machine().PowerOnVM_Task()
    with pytest.raises(ProviderError, match="powered off for this, which the plan did not say"):
        lab.provider.apply(plan, lambda _: None)
    assert lab.machine().runtime.powerState == "poweredOn"


def test_an_ordinary_vm_is_a_source_too_and_is_left_as_it_is(lab: VsphereLab) -> None:
    before = lab.machine("plain").config.changeVersion
    lab.apply(lab.vm(source=template("plain")))
    assert lab.machine("plain").config.changeVersion == before


def test_disks_and_their_kinds(lab: VsphereLab) -> None:
    vm = lab.vm(disk_gib=5, disk_type="eagerzeroedthick", disks=(ExtraDisk("a", 1, "thin"), ExtraDisk("b", 2, "thick")))
    lab.apply(vm)
    disks = [d for d in lab.machine().config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)]
    assert [d.capacityInBytes >> 30 for d in disks] == [5, 1, 2]
    assert [bool(d.backing.thinProvisioned) for d in disks] == [False, True, False]
    assert disks[0].backing.eagerlyScrub
    with pytest.raises(ProviderError, match="the extra disks of an existing VM stay as they are"):
        lab.provider.plan(replace(vm, disks=()))


def test_nics_are_moved_added_and_removed(lab: VsphereLab) -> None:
    one = net("DC0_DVPG0", NetworkKind.PORTGROUP, mac="00:50:56:00:00:01")
    two = net("VM Network", NetworkKind.PORTGROUP, model="e1000e")
    lab.apply(lab.vm(networks=(one, two)))
    nics = [d for d in lab.machine().config.hardware.device if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    assert [type(n).__name__.rpartition(".")[2] for n in nics] == ["VirtualVmxnet3", "VirtualE1000e"]
    assert nics[0].macAddress == "00:50:56:00:00:01"
    assert [step.action for step in lab.provider.plan(lab.vm(networks=(one, two))).steps] == ["keep"]
    lab.apply(lab.vm(networks=(one,)))
    nics = [d for d in lab.machine().config.hardware.device if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    assert len(nics) == 1
    with pytest.raises(ProviderError, match=r"^vm\.yaml:20:3: there is no network 'nowhere'") as caught:
        lab.provider.plan(lab.vm(networks=(net("nowhere", NetworkKind.PORTGROUP),)))
    assert "DC0_DVPG0" in caught.value.hint


def test_a_portgroup_that_drops_frames_of_inner_vms_is_explained_and_opened_only_when_asked(tmp_path: Path) -> None:
    lab = VsphereLab.of(start(tmp_path))
    try:
        plan = lab.apply(lab.vm(networks=(net("DC0_DVPG0", NetworkKind.PORTGROUP),)))
        assert any("drops frames of VMs that are bridged out of this VM" in note for note in plan.notes)
        assert not any(step.what.startswith("portgroup") for step in plan.steps)
        lab.provider.destroy("default", "tiny")
        asked = lab.vm(networks=(net("DC0_DVPG0", NetworkKind.PORTGROUP, promiscuous=True),))
        plan = lab.apply(asked)
        assert plan.steps[0].what == "portgroup DC0_DVPG0"
        assert "it is shared with other VMs" in plan.steps[0].detail
        assert [step.action for step in lab.provider.plan(asked).steps] == ["keep"]
    finally:
        lab.close()


def security(promiscuous: bool | None = None, forged: bool | None = None) -> dict[str, bool | None]:
    return {"promiscuous": promiscuous, "forged": forged}


@pytest.mark.parametrize(
    ("levels", "lacks"),
    [  # switch, portgroup, what the host says comes of both
        ((security(True, True), security(), security()), ""),
        ((security(True, True), security(promiscuous=False), security()), "promiscuous mode"),
        ((security(False, True), security(promiscuous=True), security()), ""),
        ((security(True, True), security(), security(False, False)), "promiscuous mode and forged transmits"),
        ((security(), security(), security()), "which this account cannot see"),
    ],
)
def test_the_policy_of_a_standard_switch_is_read_with_its_inheritance(
    tmp_path: Path, levels: tuple[dict[str, bool | None], ...], lacks: str
) -> None:
    lab = VsphereLab.of(start(tmp_path, standard=levels))
    try:
        vm = lab.vm(networks=(net("VM Network", NetworkKind.PORTGROUP),))
        notes = [line for line in lab.provider.plan(vm).notes if "VM Network" in line]
        assert len(notes) == (1 if lacks else 0)
        assert all(lacks in line for line in notes)
        if lacks.startswith("promiscuous"):
            assert notes[0].startswith(
                "portgroup VM Network of host DC0_C0_H0 drops frames of VMs that are bridged out"
            )
            assert f"it lacks {lacks}; on every host" in notes[0]
            assert "security set -p 'VM Network' -o true -f true" in notes[0]
        assert lab.provider.plan(replace(vm, nested=False)).notes == ()
    finally:
        lab.close()


def test_a_nested_vm_goes_to_a_host_that_nests_and_a_wrong_one_is_refused(lab: VsphereLab) -> None:
    lab.apply(lab.vm())
    assert lab.machine().runtime.host.name == "DC0_C0_H0"
    with pytest.raises(
        ProviderError, match=r"vm\.yaml:14:5: host DC0_C0_H1 does not offer nested virtualization"
    ) as caught:
        lab.provider.plan(lab.vm(name="other", placement=Placement(host="DC0_C0_H1")))
    assert caught.value.refused
    with pytest.raises(ProviderError, match="no VM can be started on host DC0_C0_H2: it is in maintenance mode"):
        lab.provider.plan(lab.vm(name="other", placement=Placement(host="DC0_C0_H2")))


@pytest.mark.parametrize(
    ("placement", "says"),
    [
        (Placement(datacenter="DC9"), "there is no datacenter 'DC9'"),
        (Placement(cluster="nope"), "there is no cluster 'nope'"),
        (Placement(host="nope"), "there is no host 'nope'"),
        (Placement(datastore="nope"), "there is no datastore 'nope'"),
        (Placement(storage_pod="nope"), "there is no datastore cluster 'nope'"),
        (Placement(folder="nope"), "there is no folder 'nope'"),
        (Placement(resource_pool="nope"), "there is no resource pool 'nope'"),
    ],
)
def test_places_that_are_not_there(lab: VsphereLab, placement: Placement, says: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        lab.provider.plan(lab.vm(placement=placement))
    assert caught.value.hint.startswith("there are: ")


def test_places_by_name_and_by_path(lab: VsphereLab) -> None:
    by_path = Placement(
        datacenter="/DC0", cluster="/DC0/host/DC0_C0", datastore="LocalDS_0", folder="DC0/vm", resource_pool="Resources"
    )
    lab.apply(lab.vm(placement=by_path))
    assert lab.machine().parent.name == "vm"


def test_a_vm_that_is_not_ours_is_left_alone(lab: VsphereLab) -> None:
    source = lab.machine("plain")
    spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(pool=source.resourcePool), powerOn=False, template=False)
    source.CloneVM_Task(source.parent, "default.tiny", spec)
    try:
        with pytest.raises(
            ProviderError, match=r"VM default\.tiny exists already in folder vm and was not made by nestproof"
        ):
            lab.provider.plan(lab.vm())
        assert lab.provider.destroy("default", "tiny") == ()
        assert "default.tiny" in lab.remains()
    finally:
        lab.machine().Destroy_Task()


def test_another_template_or_cloud_init_makes_a_new_vm_and_says_so(lab: VsphereLab) -> None:
    lab.apply(lab.vm())
    changed = lab.vm(user_data="#cloud-config\n")
    plan = lab.apply(changed)
    assert [step.action for step in plan.steps] == ["stop", "replace", "create", "configure", "start"]
    assert "what was written to its disks is lost" in plan.steps[1].detail
    assert [step.action for step in lab.provider.plan(changed).steps] == ["keep"]


def test_the_report_of_the_guest_is_its_own(lab: VsphereLab) -> None:
    vm = lab.vm()
    lab.apply(vm)
    heard = hear(lab.provider, vm, 60, lambda _: None)
    assert heard.report is not None, heard.detail
    assert json.loads(heard.report)["subject"]["vm"] == "default/tiny"
    lab.machine().PowerOffVM_Task()
    lab.apply(lab.vm(nested=False, power_on=False))
    assert lab.options().get("guestinfo.nestproof.report", "") == "", "the report of an earlier boot is gone"


def test_the_real_agent_speaks_a_foreign_report_is_refused_and_silence_is_told(tmp_path: Path) -> None:
    for command, silent, says in ((guest("agent"), False, ""), (guest("recorded", "default/other"), False, "refused"),
                                  (guest(), True, "VMware Tools run in it, but the agent has set no")):  # fmt: skip
        lab = VsphereLab.of(start(tmp_path, guest=command, guestSilent=silent))
        try:
            lab.apply(lab.vm())
            heard = hear(lab.provider, lab.vm(), 120 if not silent else 1, lambda _: None)
            assert says in heard.detail
            assert (heard.report is not None) is (says == "")
        finally:
            lab.close()


def test_a_guest_that_is_getting_on_is_waited_for_longer(tmp_path: Path) -> None:
    lab = VsphereLab.of(start(tmp_path, guest=guest(), guestSilent=True))
    heard = threading.Event()

    def boot() -> None:
        for step in itertools.count():
            if heard.wait(0.2):
                return
            lab.reconfigure(extraConfig=[vim.option.OptionValue(key="guestinfo.step", value=str(step))])

    booting = threading.Thread(target=boot)
    try:
        lab.apply(lab.vm())
        booting.start()
        silent = hear(lab.provider, lab.vm(), 2, lambda _: None)
        waited = re.search(r"no report within (\d+) s", silent.detail)
        assert waited is not None, silent.detail
        assert 2 < int(waited[1]) <= BOUND * 2 + 1
    finally:
        heard.set()
        booting.join()
        lab.close()


MINIMUM = [
    "System.Anonymous", "System.Read", "System.View", "Datastore.AllocateSpace", "Network.Assign",
    "Resource.AssignVMToPool", "VirtualMachine.Config.AddNewDisk", "VirtualMachine.Config.AddRemoveDevice",
    "VirtualMachine.Config.AdvancedConfig", "VirtualMachine.Config.CPUCount", "VirtualMachine.Config.DiskExtend",
    "VirtualMachine.Config.Memory", "VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings",
    "VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn",
    "VirtualMachine.Inventory.CreateFromExisting", "VirtualMachine.Inventory.Delete",
    "VirtualMachine.Provisioning.DeployTemplate",
]  # fmt: skip


def test_the_documented_role_is_enough_and_nothing_in_it_is_idle(tmp_path: Path) -> None:
    """Everything that nestproof does, as an account with the role of docs/vsphere.md; then without each privilege."""
    documented = (Path(__file__).parents[2] / "docs" / "vsphere.md").read_text()
    assert [line for line in MINIMUM if f"`{line}`" not in documented] == []
    needed = [privilege for privilege in MINIMUM if not privilege.startswith("System.")]
    users = {"user": {"password": "pass"}, "least": {"password": "pass", "privileges": MINIMUM}}
    users |= {f"without {p}": {"password": "pass", "privileges": [q for q in MINIMUM if q != p]} for p in needed}
    lab = VsphereLab.of(start(tmp_path, users=users))
    everything = lab.vm(
        cpus=2, disk_gib=3, disks=(ExtraDisk("a", 1, "thin"),), limits=Limits(cpu_shares=500), tpm=True,
        networks=(net("DC0_DVPG0", NetworkKind.PORTGROUP),),
    )  # fmt: skip
    try:
        for user in users:
            provider = open_provider(provider_spec(lab.vc, user=user))
            try:
                missing = user.removeprefix("without ")
                if missing == user:
                    provider.apply(provider.plan(everything), lambda _: None)
                    assert provider.destroy("default", "tiny")
                    continue
                said = ""
                try:
                    provider.apply(provider.plan(everything), lambda _: None)
                    provider.destroy("default", "tiny")
                except ProviderError as e:
                    said = f"{e} ({e.hint})"
                assert f"this account lacks the privilege {missing} on" in said, f"{missing}: {said or 'no fault'}"
                assert "docs/vsphere.md" in said
                lab.provider.destroy("default", "tiny")
            finally:
                provider.close()
    finally:
        lab.close()


def test_several_threads_share_one_session(lab: VsphereLab) -> None:
    faults: list[BaseException] = []

    def one(n: int) -> None:
        try:
            vm = lab.vm(name=f"vm{n}", nested=n % 2 == 0)
            lab.apply(vm)
            heard = hear(lab.provider, vm, 60, lambda _: None)
            assert heard.report is not None, heard.detail
            assert heard.view.got is (n % 2 == 0)
        except BaseException as e:  # asserted on below
            faults.append(e)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert faults == []
    assert lab.remains() == {f"default.vm{n}" for n in range(4)}
