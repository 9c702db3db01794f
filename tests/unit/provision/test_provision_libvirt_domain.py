"""The domain XML against goldens, the record in it, and what a change of settings leads to.

NESTPROOF_REGENERATE=1 writes the goldens anew.
"""

import os
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vm_factory import image, net, wanted

from hostcheck.model import Accelerator
from provision.model import Firmware, VmSpec
from provision.providers.libvirt.changes import Change, Present, change_to, shrinks, steps
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.domain import Places, domain_name, domain_uuid, domain_xml
from provision.providers.libvirt.record import Record, Settings, read_record, settings_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "libvirt"
VM = wanted(image(Path("tiny.img")))
FILES = Places(*(PurePosixPath("/s/vms/default.tiny") / n for n in ("disk.qcow2", "seed.iso", "console.log")),
               port=PurePosixPath("/s/sockets/0e9077acc87d"))  # fmt: skip
POOL = Places(
    PurePosixPath("/pool/nestproof.default.tiny.disk.qcow2"), PurePosixPath("/pool/nestproof.default.tiny.seed.iso")
)
TCG = Choice(Accelerator.TCG, "svm")
CASES: dict[str, tuple[VmSpec, Choice, Places]] = {
    "tcg-nested": (VM, TCG, FILES),
    "tcg-off": (replace(VM, nested=False), TCG, FILES),
    "kvm-intel-nested": (VM, Choice(Accelerator.KVM, "vmx"), POOL),
    "kvm-amd-off": (replace(VM, nested=False), Choice(Accelerator.KVM, "svm"), POOL),
    "kvm-unknown-vendor-off": (replace(VM, nested=False), Choice(Accelerator.KVM, ""), POOL),
    "uefi": (replace(VM, firmware=Firmware.UEFI, cpus=4, memory_mib=8192), TCG, FILES),
    "secure-boot-networks": (
        replace(VM, firmware=Firmware.UEFI, secure_boot=True, networks=(net("default"), net("storage"))), TCG, FILES,
    ),
}  # fmt: skip


def made(vm: VmSpec, choice: Choice, places: Places) -> str:
    settings = settings_of(vm, choice, "1" * 64, "2" * 64)
    return domain_xml(vm, choice, places, Record(vm.namespace, vm.name, "1.2.3", settings))


@pytest.mark.parametrize("case", CASES)
def test_domain_xml_is_the_golden_one(case: str) -> None:
    golden = FIXTURES / f"domain-{case}.xml"
    xml = made(*CASES[case])
    if os.environ.get("NESTPROOF_REGENERATE"):
        golden.write_text(xml)
    assert xml == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_never_both_vendors_features(case: str) -> None:
    names = [f.get("name") for f in ET.fromstring(made(*CASES[case])).findall("cpu/feature")]
    assert len({"vmx", "svm"} & set(names)) <= 1
    assert len(names) == len(set(names))


def test_name_and_uuid_follow_from_the_key_alone() -> None:
    assert domain_name("default", "tiny") == "default.tiny"
    assert domain_uuid("default", "tiny") == domain_uuid("default", "tiny") == "432c7af0-1bb5-5da7-9ad7-0e9077acc87d"
    assert domain_uuid("a", "b.c") != domain_uuid("b", "a.c")


plain = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=30)


@given(plain, plain, st.lists(plain, min_size=len(fields(Settings)), max_size=len(fields(Settings))))
def test_a_record_survives_the_domain_xml(namespace: str, name: str, values: list[str]) -> None:
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


SETTINGS = settings_of(VM, TCG, "1" * 64, "2" * 64)
RUNNING = Present(SETTINGS, running=True, disks=True)
OFF = Present(SETTINGS, running=False, disks=True)


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
    ],
)
def test_change(present: Present, target: Settings, power_on: bool, change: Change) -> None:
    assert change_to(present, target, power_on=power_on) is change


def actions(present: Present, target: Settings, *, power_on: bool = True, download: str = "") -> list[str]:
    change = change_to(present, target, power_on=power_on)
    return [f"{s.action} {s.what}" for s in steps(change, present, target, power_on=power_on, download=download)]


def test_steps_say_in_order_what_happens() -> None:
    assert actions(Present(None), SETTINGS, download="http://x/y") == [
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
    assert shrinks(RUNNING, replace(SETTINGS, disk_gib="0"))
    assert not shrinks(RUNNING, replace(SETTINGS, disk_gib="2"))
    assert not shrinks(RUNNING, replace(SETTINGS, disk_gib="0", image="3" * 64)), "a new disk may be smaller"
    assert not shrinks(Present(None), SETTINGS)
