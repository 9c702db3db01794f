"""The domain XML against goldens, the record in it, and what a change of settings leads to."""

from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

import pytest
from golden_files import Golden
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from vm_factory import image, net, wanted

from hostcheck.model import Accelerator
from provision.identity import Identity
from provision.model import ExtraDisk, Firmware, Limits, NetworkKind, VmSpec
from provision.provider import Difference, Power, Step
from provision.providers.libvirt.changes import Change, Life, Moved, Present, change_to, power, shrinking, steps
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.domain import domain_xml
from provision.providers.libvirt.edits import edits, moved_disks, seed_bus
from provision.providers.libvirt.fitting import fit
from provision.providers.libvirt.hyperv import WANTED
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import Offer
from provision.providers.libvirt.places import Places, domain_name, domain_uuid
from provision.providers.libvirt.record import Record, Settings, read_record, settings_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "libvirt"
VM = wanted(image(Path("tiny.img")))
PLACE = PurePosixPath("/s/vms/default.tiny")
FILES = Places(
    PLACE / "disk.qcow2", PLACE / "seed.iso", f"{PLACE}/extra_{{}}", PLACE / "console.log",
    PurePosixPath("/s/sockets/0e9077acc87d"),
)  # fmt: skip
POOL = Places(
    PurePosixPath("/pool/nestproof.default.tiny.disk.qcow2"),
    PurePosixPath("/pool/nestproof.default.tiny.seed.iso"),
    "/pool/nestproof.default.tiny.extra_{}",
)
TCG, INTEL = Choice(Accelerator.TCG, "svm"), Choice(Accelerator.KVM, "vmx")
MACHINE = Machine(9_000_000, cpus=16, memory_mib=65536, mhz=2500, cgroups=True)
OLD = replace(MACHINE, version=6_000_000)
OFFER = Offer(Accelerator.KVM, True, tpm=("1.2", "2.0"), hyperv=frozenset(WANTED), max_cpus=255)
UEFI = replace(VM, firmware=Firmware.UEFI, cpus=4, memory_mib=8192)
SECURE = replace(UEFI, secure_boot=True)
FITTED = replace(
    VM,
    cpus=2,
    tpm=True,
    tpm_version="1.2",
    vtd=True,
    cpu_hot_add=True,
    memory_hot_add=True,
    disk_iops=500,
    disks=(ExtraDisk("data", 3, "thin"), ExtraDisk("a-very-long-name-of-a-disk", 1, "thick")),
    limits=Limits(cpu_limit=1500, cpu_shares=512, memory_reservation_mib=64),
    networks=(
        net("br0", NetworkKind.BRIDGE, mac="52:54:00:12:34:56", model="e1000e"),
        net("default", mtu=9000, queues=2, filter="clean-traffic"),
    ),
)
CASES: dict[str, tuple[VmSpec, Choice, Places, Machine]] = {
    "tcg-nested": (VM, TCG, FILES, MACHINE),
    "tcg-off": (replace(VM, nested=False), TCG, FILES, MACHINE),
    "kvm-intel-nested": (VM, INTEL, POOL, MACHINE),
    "kvm-amd-off": (replace(VM, nested=False), Choice(Accelerator.KVM, "svm"), POOL, MACHINE),
    "kvm-unknown-vendor-off": (replace(VM, nested=False), Choice(Accelerator.KVM, ""), POOL, MACHINE),
    "kvm-passthrough": (VM, replace(INTEL, passthrough=True), POOL, MACHINE),
    "uefi": (UEFI, TCG, FILES, MACHINE),
    "uefi-old-libvirt": (UEFI, TCG, FILES, OLD),
    "secure-boot-networks": (replace(SECURE, networks=(net("default"), net("storage"))), TCG, FILES, MACHINE),
    "secure-boot-old-libvirt": (SECURE, TCG, FILES, OLD),
    "windows-vbs": (replace(SECURE, vbs=True, vtd=True, tpm=True), INTEL, POOL, MACHINE),
    "ignition": (replace(VM, ignition="{}"), TCG, FILES, MACHINE),
    "fitted": (FITTED, TCG, POOL, MACHINE),
}


def made(vm: VmSpec, choice: Choice, places: Places, machine: Machine) -> str:
    fitting = fit(vm, choice, OFFER, machine)
    settings = settings_of(vm, choice, fitting, Identity("1" * 64), "2" * 64)
    return domain_xml(vm, choice, fitting, machine, places, Record(vm.namespace, vm.name, "1.2.3", settings))


@pytest.mark.parametrize("case", CASES)
def test_domain_xml_is_the_golden_one(case: str, golden: Golden) -> None:
    golden(FIXTURES / f"domain-{case}.xml", made(*CASES[case]))


@pytest.mark.parametrize("case", CASES)
def test_never_both_vendors_features(case: str) -> None:
    names = [f.get("name") for f in ET.fromstring(made(*CASES[case])).findall("cpu/feature")]
    assert len({"vmx", "svm"} & set(names)) <= 1
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", CASES)
def test_a_domain_as_it_was_made_has_no_edits(case: str) -> None:
    domain, (_, _, places, _) = ET.fromstring(made(*CASES[case])), CASES[case]
    record = read_record(domain)
    assert record is not None
    assert edits(domain, places.seed, record.settings) == ()
    assert seed_bus(domain, places.seed) is None


@pytest.mark.parametrize(
    ("old", "new", "setting", "observed"),
    [
        ('name="org.nestproof.report.0"', 'name="other"', "report port", "none"),
        ('dev="vdb" bus="virtio"', 'dev="sda" bus="sata"', "bus of the seed", "sata"),
        ('policy="require" name="svm"', 'policy="disable" name="svm"', "CPU feature svm", "disable"),
        ('policy="require" name="svm"', 'policy="require" name="vmx"', "CPU feature svm", "not named"),
    ],
)
def test_each_edit_that_the_proof_depends_on_is_seen(old: str, new: str, setting: str, observed: str) -> None:
    xml = made(*CASES["tcg-nested"])
    assert old in xml
    (found,) = edits(ET.fromstring(xml.replace(old, new)), FILES.seed, SETTINGS)
    assert (found.setting, found.observed) == (setting, observed)


def test_a_seed_that_was_taken_out_is_no_edit_but_is_seen() -> None:
    domain = ET.fromstring(made(*CASES["tcg-nested"]).replace("seed.iso", "other.iso"))
    assert (edits(domain, FILES.seed, SETTINGS), seed_bus(domain, FILES.seed)) == ((), "")


def test_name_and_uuid_follow_from_the_key_alone() -> None:
    assert domain_name("default", "tiny") == "default.tiny"
    assert domain_uuid("default", "tiny") == domain_uuid("default", "tiny") == "432c7af0-1bb5-5da7-9ad7-0e9077acc87d"
    assert domain_uuid("a", "b.c") != domain_uuid("b", "a.c")


plain = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=30)


@given(
    plain, plain, st.lists(plain, min_size=len(Settings.__struct_fields__), max_size=len(Settings.__struct_fields__))
)
def test_a_record_survives_the_domain_xml(namespace: str, name: str, values: tuple[str, ...]) -> None:
    record = Record(namespace, name, "1", Settings(*values))
    domain = ET.Element("domain")
    ET.SubElement(domain, "metadata").append(record.element())
    assert read_record(ET.fromstring(ET.tostring(domain))) == record


def test_a_foreign_domain_has_no_record_and_a_damaged_one_reads_as_empty() -> None:
    assert read_record(ET.fromstring("<domain><metadata/></domain>")) is None
    found = read_record(ET.fromstring(
        '<domain><metadata><n:vm xmlns:n="https://nestproof.org/xmlns/libvirt/1" namespace="a"/></metadata></domain>'
    ))  # fmt: skip
    assert found is not None
    assert (found.namespace, found.name, found.settings.cpus) == ("a", "", "")


SETTINGS = settings_of(VM, TCG, fit(VM, TCG, OFFER, MACHINE), Identity("1" * 64), "2" * 64)
RUNNING = Present(SETTINGS, Life.RUNNING, disks=True)
OFF = Present(SETTINGS, disks=True)


@pytest.mark.parametrize(
    ("present", "target", "power_on", "change"),
    [
        (Present(None), SETTINGS, True, Change.CREATE),
        (Present(None), SETTINGS, False, Change.CREATE),
        (RUNNING, SETTINGS, True, Change.KEEP),
        (OFF, SETTINGS, False, Change.KEEP),
        (OFF, SETTINGS, True, Change.START),
        (RUNNING, SETTINGS, False, Change.STOP),
        (RUNNING, replace(SETTINGS, cpus="2"), True, Change.RECONFIGURE),
        (RUNNING, replace(SETTINGS, nested="no"), True, Change.RECONFIGURE),
        (RUNNING, replace(SETTINGS, image="3" * 64), True, Change.REBUILD),
        (OFF, replace(SETTINGS, cloud_init="3" * 64), False, Change.REBUILD),
        (replace(RUNNING, disks=False), SETTINGS, True, Change.REBUILD),
        (replace(RUNNING, edits=(Difference("report port", "none", "there"),)), SETTINGS, True, Change.RECONFIGURE),
    ],
)
def test_change(present: Present, target: Settings, power_on: bool, change: Change) -> None:
    assert change_to(present, target, power_on=power_on) is change


@pytest.mark.parametrize(
    ("life", "power_on", "does", "power_is"),
    [
        (Life.PAUSED, True, ["resume domain"], Power.UNTOUCHED),
        (Life.ASLEEP, True, ["wake domain"], Power.UNTOUCHED),
        (Life.BROKEN, True, ["stop domain", "start domain"], Power.POWER_CYCLE),
        (Life.SAVED, True, ["start domain"], Power.UNTOUCHED),
        (Life.SAVED, False, ["keep domain"], Power.UNTOUCHED),
        (Life.PAUSED, False, ["stop domain"], Power.OFF),
        (Life.BROKEN, False, ["stop domain"], Power.OFF),
    ],
)
def test_what_is_in_a_vms_memory_is_lost_only_where_it_cannot_go_on(
    life: Life, power_on: bool, does: list[str], power_is: Power
) -> None:
    present = replace(RUNNING, life=life)
    assert actions(present, SETTINGS, power_on=power_on) == does
    assert power(change_to(present, SETTINGS, power_on=power_on), present, power_on=power_on) is power_is


def test_a_change_costs_what_was_saved_of_a_vm_and_variables_of_other_firmware() -> None:
    saved = replace(OFF, life=Life.SAVED)
    assert actions(saved, replace(SETTINGS, cpus="2"))[0] == "discard saved memory"
    uefi = replace(SETTINGS, firmware=Firmware.UEFI)
    secure = replace(uefi, secure_boot="yes")
    for before, after, renewed in ((uefi, secure, True), (secure, uefi, True), (uefi, SETTINGS, True),
                                   (SETTINGS, uefi, False), (uefi, replace(uefi, cpus="2"), False)):  # fmt: skip
        found = actions(replace(OFF, settings=before), after)
        assert ("discard firmware variables" in found) is renewed


def test_a_disk_that_is_somewhere_else_is_seen_on_whatever_it_is() -> None:
    vm = replace(VM, disks=(ExtraDisk("data", 3, "thin"),))
    settings = replace(SETTINGS, extra_disks="data:3")
    text = made(vm, TCG, POOL, MACHINE)
    assert moved_disks(ET.fromstring(text), POOL, settings) == ()
    layer = text.replace(str(POOL.disk), "/pool/layer & more".replace("&", "&amp;"))
    assert moved_disks(ET.fromstring(layer), POOL, settings) == (Moved("vda", "/pool/layer & more", str(POOL.disk)),)
    data = f'file="{POOL.extra_disk("data")}"'
    for source, seen in (
        ('dev="/dev/vg/data"', "/dev/vg/data"),
        ('protocol="rbd" name="p/v"', "p/v"),
        ("", "something else"),
    ):
        (moved,) = moved_disks(ET.fromstring(text.replace(data, source)), POOL, settings)
        assert (moved.device, moved.found) == ("vdc", seen)


def test_a_domain_made_anew_keeps_macs_and_what_others_wrote() -> None:
    vm = replace(VM, networks=(net("a"), net("b", mac="52:54:00:00:00:0b"), net("c")))
    before = ET.fromstring(made(*CASES["tcg-nested"]))
    ET.SubElement(before, "title").text = "<ours> & others"
    ET.SubElement(before, "metadata").append(ET.Element("{https://inventory.example/1}rack", number="4"))
    devices = ET.SubElement(before, "devices")
    for mac in ("52:54:00:00:00:02", "52:54:00:00:00:03"):
        ET.SubElement(ET.SubElement(devices, "interface"), "mac", address=mac)
    record = Record(vm.namespace, vm.name, "1", SETTINGS)
    after = ET.fromstring(domain_xml(vm, TCG, fit(vm, TCG, OFFER, MACHINE), MACHINE, FILES, record, before))
    assert after.findtext("title") == "<ours> & others"
    assert [each.tag for each in after.findall("metadata/*")] == [
        "{https://nestproof.org/xmlns/libvirt/1}vm", "{https://inventory.example/1}rack",
    ]  # fmt: skip
    macs = [mac.get("address") for mac in after.findall("devices/interface/mac")]
    assert macs == ["52:54:00:00:00:0b", "52:54:00:00:00:03"], "the first of before had none of its own"


def actions(present: Present, target: Settings, *, power_on: bool = True, fetch: tuple[Step, ...] = ()) -> list[str]:
    change = change_to(present, target, power_on=power_on)
    return [f"{s.action} {s.what}" for s in steps(change, present, target, power_on=power_on, fetch=fetch)]


def test_steps_say_in_order_what_happens() -> None:
    assert actions(Present(None), SETTINGS, fetch=(Step("download", "image"),)) == [
        "download image", "create disk", "create seed", "define domain", "start domain",
    ]  # fmt: skip
    assert actions(Present(None), SETTINGS, power_on=False)[-1] == "define domain"
    assert actions(RUNNING, replace(SETTINGS, memory_mib="128")) == ["stop domain", "redefine domain", "start domain"]
    assert actions(RUNNING, replace(SETTINGS, image="3" * 64)) == [
        "stop domain", "replace disk", "create seed", "redefine domain", "start domain",
    ]  # fmt: skip
    assert actions(RUNNING, SETTINGS) == ["keep domain"]
    assert actions(RUNNING, SETTINGS, power_on=False) == ["stop domain"]


def test_steps_name_what_differs_and_that_a_disk_is_lost() -> None:
    target = replace(SETTINGS, memory_mib="128", nested="no", image="3" * 64)
    redone = steps(Change.REBUILD, RUNNING, target, power_on=True)
    text = " ".join(step.detail for step in redone)
    assert "memory mib 64 → 128" in text
    assert "nested yes → no" in text
    assert "image 111111111111 → 333333333333" in text
    assert "lost" in next(step.detail for step in redone if step.action == "replace")


def test_a_disk_grows_but_does_not_shrink() -> None:
    assert shrinking(RUNNING, replace(SETTINGS, disk_gib="0")) == "its disk of 1 GiB cannot shrink to 0 GiB"
    assert not shrinking(RUNNING, replace(SETTINGS, disk_gib="2"))
    assert not shrinking(RUNNING, replace(SETTINGS, disk_gib="0", image="3" * 64)), "a new disk may be smaller"
    assert not shrinking(Present(None), SETTINGS)


def test_extra_disks_grow_come_and_go_but_do_not_shrink() -> None:
    before = replace(RUNNING, settings=replace(SETTINGS, extra_disks="data:3 log:1"))
    assert shrinking(before, replace(SETTINGS, extra_disks="data:2 log:1")) == (
        "its disk data of 3 GiB cannot shrink to 2 GiB"
    )
    anew = replace(SETTINGS, extra_disks="data:2 log:1", image="3" * 64)
    assert shrinking(before, anew), "an extra disk outlives the image's"
    assert not shrinking(before, replace(SETTINGS, extra_disks="data:4 more:1"))
    lost = next(s for s in steps(Change.RECONFIGURE, before, SETTINGS, power_on=True) if s.what == "disk data")
    assert (lost.action, lost.detail) == ("remove", "what was written to it is lost")
