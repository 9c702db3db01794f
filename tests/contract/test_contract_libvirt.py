"""What every provider promises, on real libvirt and QEMU: idempotent on (namespace, name), read back, nothing left."""

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab
from msgspec.structs import replace
from vm_factory import image, net, tiny_image

from agent.cloudinit import PORT
from hostcheck.model import Accelerator, Asked
from provision.model import AccelPolicy, Firmware, VmSpec
from provision.patience import BOUND
from provision.provider import NoReport, Plan, ProviderError
from provision.providers.libvirt import domains

pytestmark = pytest.mark.libvirt


def quiet(_line: str) -> None:
    return


def apply(lab: Lab, vm: VmSpec) -> Plan:
    plan = lab.provider.plan(vm)
    lab.provider.apply(plan, quiet)
    return plan


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.what}" for step in plan.steps]


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot sector does not hear ACPI: it would be waited for in vain."""
    monkeypatch.setattr(domains, "GRACE", 0.0)


@pytest.mark.versions
def test_from_nothing_to_running_to_nothing(lab: Lab) -> None:
    vm = lab.vm()
    assert lab.provider.observe(vm) is None
    plan = lab.provider.plan(vm)
    assert actions(plan) == ["create disk", "create seed", "define domain", "start domain"]
    assert lab.remains() == set(), "a plan has no side effects"
    lab.provider.apply(plan, quiet)
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert (seen.name, seen.running, seen.accelerator) == ("default/tiny", True, Accelerator.TCG)
    assert (seen.asked, seen.feature, seen.got) == (Asked.ON, "svm", True)
    assert seen.asked_where == "vm.yaml:14:5"
    assert len(lab.running()) == 1
    removed = lab.provider.destroy("default", "tiny")
    assert any("domain" in name for name in removed)
    assert any("base image" in name for name in removed)
    assert lab.remains() == set()
    assert lab.running() == []
    assert lab.provider.destroy("default", "tiny") == ()


def test_applying_twice_changes_nothing(lab: Lab) -> None:
    apply(lab, lab.vm())
    before = lab.remains()
    assert actions(apply(lab, lab.vm())) == ["keep domain"]
    assert lab.remains() == before
    assert len(lab.running()) == 1


def test_nesting_switched_off_is_read_back_as_off(lab: Lab) -> None:
    apply(lab, lab.vm())
    off = lab.vm(nested=False)
    plan = apply(lab, off)
    assert actions(plan) == ["stop domain", "redefine domain", "start domain"]
    assert "nested yes → no" in plan.steps[1].detail
    seen = lab.provider.observe(off)
    assert seen is not None
    assert (seen.asked, seen.feature, seen.got) == (Asked.OFF, "svm", False)


def test_changed_settings_are_taken_up_and_the_disk_stays(lab: Lab) -> None:
    apply(lab, lab.vm())
    bigger = lab.vm(cpus=2, memory_mib=96, disk_gib=2)
    plan = apply(lab, bigger)
    assert plan.steps[1].detail == "cpus 1 → 2, memory mib 64 → 96, disk gib 1 → 2"
    assert actions(lab.provider.plan(bigger)) == ["keep domain"]
    with pytest.raises(ProviderError, match=r"vm\.yaml:16:5: its disk of 2 GiB cannot shrink to 1 GiB"):
        lab.provider.plan(lab.vm(cpus=2, memory_mib=96))


@pytest.mark.parametrize("change", ["image", "user_data"])
def test_another_image_or_user_data_makes_a_new_disk_and_says_so(lab: Lab, change: str, tmp_path: Path) -> None:
    apply(lab, lab.vm())
    if change == "image":
        changed = replace(lab.vm(), image=image(tiny_image(tmp_path, said="another")))
    else:
        changed = lab.vm(user_data="#cloud-config\n")
    plan = apply(lab, changed)
    assert "replace disk" in actions(plan)
    assert "what was written to it is lost" in plan.steps[1].detail
    assert actions(lab.provider.plan(changed)) == ["keep domain"]
    lab.provider.destroy("default", "tiny")
    assert lab.remains() == set()


def test_power_off_and_on(lab: Lab) -> None:
    assert actions(apply(lab, lab.vm(power_on=False)))[-1] == "define domain"
    seen = lab.provider.observe(lab.vm())
    assert seen is not None
    assert (seen.running, seen.got) == (False, None)
    assert actions(apply(lab, lab.vm())) == ["start domain"]
    assert actions(apply(lab, lab.vm(power_on=False))) == ["stop domain"]
    assert lab.running() == []


def test_vms_share_a_base_image_until_the_last_one_goes(lab: Lab) -> None:
    apply(lab, lab.vm())
    apply(lab, lab.vm(name="other"))
    assert not any("base image" in name for name in lab.provider.destroy("default", "tiny"))
    assert actions(lab.provider.plan(lab.vm(name="other"))) == ["keep domain"]
    assert any("base image" in name for name in lab.provider.destroy("default", "other"))
    assert lab.remains() == set()


@pytest.mark.versions
@pytest.mark.parametrize("secure_boot", [False, True])
def test_uefi_is_the_firmware_that_was_meant_and_leaves_no_nvram_behind(lab: Lab, secure_boot: bool) -> None:
    """libvirt takes the first one with what was asked for: of those with keys, and of those for confidential VMs."""
    vm = lab.vm(firmware=Firmware.UEFI, secure_boot=secure_boot, memory_mib=256)
    apply(lab, vm)
    live = ET.fromstring(lab.provider._connection.lookupByName("default.tiny").XMLDesc())  # type: ignore[attr-defined]
    features = firmware_features(lab.root, live.findtext("os/loader", ""), live.find("os/nvram"))
    assert ({"secure-boot", "enrolled-keys"} & features) == ({"secure-boot", "enrolled-keys"} if secure_boot else set())
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert seen.running
    assert not [setting for setting in seen.settings if setting.differs]
    lab.provider.destroy("default", "tiny")
    assert lab.remains() == set()


def firmware_features(root: Path, loader: str, nvram: ET.Element | None) -> set[str]:
    """What the host's own description says of the firmware in flash that a VM runs."""
    assert nvram is not None, f"{loader} keeps no variables"
    for path in sorted((root / "usr/share/qemu/firmware").glob("*.json")):
        description = json.loads(path.read_text())
        mapping = description["mapping"]
        if mapping["device"] == "flash" and mapping["executable"]["filename"] == loader:
            template = nvram.get("template", mapping["nvram-template"]["filename"])
            if template == mapping["nvram-template"]["filename"]:
                return set(description["features"])
    raise AssertionError(f"{loader} is described nowhere")


def test_secure_boot_needs_uefi(lab: Lab) -> None:
    with pytest.raises(ProviderError, match=r"it needs spec\.firmware: UEFI"):
        lab.provider.plan(lab.vm(name="other", secure_boot=True))


def test_a_guest_that_stays_silent_is_told_from_one_that_is_not_there(lab: Lab) -> None:
    with pytest.raises(ProviderError, match="it does not exist at"):
        lab.provider.fetch_report(lab.vm(), 1, quiet)
    apply(lab, lab.vm())
    said: list[str] = []
    with pytest.raises(ProviderError, match=r"no report within \d+ s: .*no agent answers on port"):
        lab.provider.fetch_report(lab.vm(), 2, said.append)
    assert "waiting for its report" in said[0]
    apply(lab, lab.vm(power_on=False))
    with pytest.raises(ProviderError, match="no report: it was powered off"):
        lab.provider.fetch_report(lab.vm(), 2, quiet)


def test_kvm_without_svm_or_vmx_is_refused_with_its_place(lab: Lab) -> None:
    try:
        plan = lab.provider.plan(lab.vm(accel=AccelPolicy.KVM))
    except ProviderError as e:
        assert e.refused
        assert str(e).startswith("vm.yaml:14:5: it needs KVM, but ")
        assert "nestproof.org/accel: auto" in e.hint
    else:  # a host whose KVM nests
        features = {f.get("name") for f in ET.fromstring(plan.native).findall("cpu/feature[@policy='require']")}
        assert len(features & {"vmx", "svm"}) == 1


def test_a_disk_smaller_than_its_image_is_refused(lab: Lab, tmp_path: Path) -> None:
    large = tmp_path / "large.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", large, "3G"], check=True)
    with pytest.raises(
        ProviderError, match=r"^vm\.yaml:16:5: a disk of 1 GiB is smaller than its image tiny \(3\.0 GiB\)"
    ):
        lab.provider.plan(replace(lab.vm(), image=image(large, form="qcow2")))


def test_what_the_host_cannot_give_is_one_line_and_can_be_removed(lab: Lab) -> None:
    with pytest.raises(
        ProviderError, match=r"^vm\.yaml:1:1: 1073741824 MiB of memory are more than the \d+ MiB"
    ) as caught:
        lab.provider.plan(lab.vm(memory_mib=1 << 30))
    assert caught.value.refused
    with pytest.raises(ProviderError) as caught:
        apply(lab, lab.vm(networks=(net("nowhere"),)))
    assert "\n" not in str(caught.value)
    assert lab.endpoint in str(caught.value)
    lab.provider.destroy("default", "tiny")
    assert lab.remains() == set()


def test_a_domain_that_is_not_ours_is_left_alone(lab: Lab) -> None:
    foreign = "<domain type='qemu'><name>default.tiny</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    connection = lab.provider._connection  # type: ignore[attr-defined]
    domain = connection.defineXML(foreign)
    try:
        for verb in (lambda: lab.provider.plan(lab.vm()), lambda: lab.provider.destroy("default", "tiny")):
            with pytest.raises(
                ProviderError, match=r"domain default\.tiny exists already and was not made by nestproof"
            ):
                verb()
    finally:
        domain.undefine()


@pytest.mark.versions
def test_a_feature_taken_away_behind_our_back_is_seen(lab: Lab) -> None:
    """host-passthrough and check=none start without the feature: only what is read back tells."""
    vm = lab.vm()
    apply(lab, vm)
    connection = lab.provider._connection  # type: ignore[attr-defined]
    domain = connection.lookupByName("default.tiny")
    domain.destroy()
    xml = domain.XMLDesc(2)
    connection.defineXML(xml.replace("name='svm'", "name='vmx'")).create()  # TCG has no vmx
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert (seen.asked, seen.feature, seen.got) == (Asked.ON, "vmx", False)
    domain.destroy()
    if connection.getLibVersion() < 7_001_000:  # it does not know mode='maximum'
        return
    start, end = xml.index("<cpu "), xml.index("</cpu>") + len("</cpu>")
    connection.defineXML(
        xml[:start] + "<cpu mode='maximum'><feature policy='require' name='svm'/></cpu>" + xml[end:]
    ).create()
    seen = lab.provider.observe(vm)
    assert seen is not None
    assert seen.got is True
    assert seen.evidence[-1].text == "max-x86_64-cpu; svm=true"
    assert "QEMU monitor" in seen.evidence[-1].source


EDITS = (
    (rf"<channel type='unix'>(?:(?!</channel>).)*{PORT}.*?</channel>", ""),
    (r"'vdb' bus='virtio'/>(\s*)<readonly/>\s*<address [^>]*/>", r"'sda' bus='sata'/>\1"),
    ("policy='require' name='svm'", "policy='disable' name='svm'"),
)


@pytest.mark.versions
def test_what_the_proof_depends_on_is_put_back_by_the_next_apply(lab: Lab) -> None:
    vm = lab.vm(power_on=False)
    apply(lab, vm)
    connection = lab.provider._connection  # type: ignore[attr-defined]
    xml = connection.lookupByName("default.tiny").XMLDesc(2)
    for old, new in EDITS:
        xml, count = re.subn(old, new, xml, flags=re.DOTALL)
        assert count == 1, old
    connection.defineXML(xml)
    plan = lab.provider.plan(vm)
    assert [d.setting for d in plan.differences] == ["report port", "bus of the seed", "CPU feature svm"]
    assert [step.action for step in plan.steps] == ["redefine"]
    apply(lab, vm)
    assert not lab.provider.plan(vm).changes
    lab.provider.destroy("default", "tiny")
    assert lab.remains() == set()


@pytest.mark.parametrize("for_ever", [True, False], ids=["getting-on", "standing-still"])
def test_a_guest_that_is_getting_on_is_waited_for_longer_but_not_for_ever(
    embedded: Lab, tmp_path: Path, for_ever: bool
) -> None:
    vm = replace(embedded.vm(), image=image(tiny_image(tmp_path, said=".", for_ever=for_ever)))
    try:
        apply(embedded, vm)
        if not for_ever:
            with pytest.raises(NoReport):
                embedded.provider.fetch_report(vm, 2, quiet)  # until it stands still
        with pytest.raises(NoReport, match=r"^no report within (\d+) s: ") as caught:
            embedded.provider.fetch_report(vm, 2, quiet)
        waited = int(str(caught.value).split()[3])
        assert (waited >= 2 * BOUND) if for_ever else (waited == 2)
    finally:
        embedded.provider.destroy("default", "tiny")
