"""What an administrator does to a VM of ours by libvirt's own tools, and what becomes of it then: nothing is lost."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab
from msgspec.structs import replace
from vm_factory import image, net, tiny_image

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

import libvirt

from provision.model import ExtraDisk, Firmware, VmSpec
from provision.provider import Plan, Power, ProviderError
from provision.providers.libvirt import domains

pytestmark = pytest.mark.libvirt
KEPT_BY_LIBVIRT = ("qemu/nvram", "qemu/save", "qemu/snapshot", "swtpm")
"""Below /var/lib/libvirt."""


def quiet(_line: str) -> None:
    return


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot sector does not hear ACPI: it would be waited for in vain."""
    monkeypatch.setattr(domains, "GRACE", 0.0)


@pytest.fixture
def lab(daemon: Lab) -> Iterator[Lab]:
    """Found and left empty, also where only libvirt itself looks."""
    assert daemon.remains() == kept(daemon) == set()
    yield daemon
    for name in ("tiny", "other"):
        daemon.provider.destroy("default", name)
    assert daemon.remains() == kept(daemon) == set()


def kept(lab: Lab) -> set[str]:
    """What its libvirt has of VMs, in file systems of its own."""
    pid = (lab.disks.parent / "libvirtd.pid").read_text().strip()
    top = Path(f"/proc/{pid}/root/var/lib/libvirt")
    files = (file for name in KEPT_BY_LIBVIRT for file in (top / name).rglob("*"))
    return {str(file.relative_to(top)) for file in files if file.is_file()}


def apply(lab: Lab, vm: VmSpec) -> Plan:
    plan = lab.provider.plan(vm)
    lab.provider.apply(plan, quiet)
    return plan


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.what}" for step in plan.steps]


def connection(lab: Lab) -> Any:
    return lab.provider._connection  # type: ignore[attr-defined]


def domain_of(lab: Lab, name: str = "default.tiny") -> Any:
    return connection(lab).lookupByName(name)


def nvram(lab: Lab) -> bytes:
    pid = (lab.disks.parent / "libvirtd.pid").read_text().strip()
    path = ET.fromstring(domain_of(lab).XMLDesc()).findtext("os/nvram", "")
    return Path(f"/proc/{pid}/root{path}").read_bytes()


def test_the_disk_of_a_vm_in_a_namespace_called_base_is_no_base_image(lab: Lab) -> None:
    vm = lab.vm(namespace="base", power_on=False)
    try:
        apply(lab, vm)
        apply(lab, lab.vm(name="other", power_on=False))
        lab.provider.destroy("default", "other")
        assert {"nestproof.base.tiny.disk.qcow2", "nestproof.base.tiny.seed.iso"} <= lab.remains()
        assert actions(lab.provider.plan(vm)) == ["keep domain"]
    finally:
        lab.provider.destroy("base", "tiny")


def test_a_paused_vm_goes_on_and_is_not_cut_off(lab: Lab) -> None:
    apply(lab, lab.vm())
    started = domain_of(lab).ID()
    domain_of(lab).suspend()
    plan = apply(lab, lab.vm())
    assert (actions(plan), plan.power) == (["resume domain"], Power.UNTOUCHED)
    assert (domain_of(lab).ID(), domain_of(lab).state()[0]) == (started, libvirt.VIR_DOMAIN_RUNNING)


def test_a_paused_vm_that_is_to_be_off_is_not_off(lab: Lab) -> None:
    apply(lab, lab.vm())
    domain_of(lab).suspend()
    plan = apply(lab, lab.vm(power_on=False))
    assert (actions(plan), plan.power) == (["stop domain"], Power.OFF)
    assert not domain_of(lab).isActive()


def test_what_changes_for_a_paused_vm_costs_its_power_and_says_so(lab: Lab) -> None:
    apply(lab, lab.vm())
    domain_of(lab).suspend()
    plan = apply(lab, lab.vm(cpus=2))
    assert (actions(plan), plan.power) == (["stop domain", "redefine domain", "start domain"], Power.POWER_CYCLE)
    assert ET.fromstring(domain_of(lab).XMLDesc()).findtext("vcpu") == "2"


def test_a_vm_whose_memory_was_saved_goes_on_from_there(lab: Lab) -> None:
    apply(lab, lab.vm())
    domain_of(lab).managedSave()
    assert actions(apply(lab, lab.vm(power_on=False))) == ["keep domain"]
    plan = apply(lab, lab.vm())
    assert (actions(plan), plan.steps[0].detail) == (["start domain"], "from the memory that was saved of it")
    assert domain_of(lab).state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_RESTORED]


def test_saved_memory_is_of_the_old_configuration_and_goes_with_it(lab: Lab) -> None:
    apply(lab, lab.vm())
    domain_of(lab).managedSave()
    plan = apply(lab, lab.vm(cpus=2))
    assert actions(plan) == ["discard saved memory", "redefine domain", "start domain"]
    assert ET.fromstring(domain_of(lab).XMLDesc()).findtext("vcpu") == "2"


def test_a_domain_that_is_gone_at_its_end_is_defined_again(lab: Lab) -> None:
    vm = lab.vm(firmware=Firmware.UEFI, tpm=True, tpm_version="2.0", memory_mib=256)
    apply(lab, vm)
    domain_of(lab).undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    plan = lab.provider.plan(vm)
    assert [(d.setting, d.observed) for d in plan.differences] == [("definition", "transient")]
    lab.provider.apply(plan, quiet)
    assert domain_of(lab).isPersistent()
    assert not lab.provider.plan(vm).changes
    domain_of(lab).undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    assert "domain default.tiny" in lab.provider.destroy("default", "tiny")
    assert lab.remains() == kept(lab) == set()


def test_a_renamed_vm_gets_its_name_back(lab: Lab) -> None:
    vm = lab.vm(power_on=False)
    apply(lab, vm)
    domain_of(lab).rename("elsewhere")
    plan = apply(lab, vm)
    assert [(d.setting, d.observed, d.wanted) for d in plan.differences] == [("name", "elsewhere", "default.tiny")]
    assert domain_of(lab).UUIDString()
    domain_of(lab).rename("elsewhere")
    lab.provider.destroy("default", "tiny")
    assert lab.remains() == set()


SNAPSHOT = "<domainsnapshot><name>before-upgrade</name></domainsnapshot>"
LAYER = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY


@pytest.mark.parametrize("running", [True, False])
def test_a_disk_with_a_snapshots_layer_over_it_is_not_put_under_it_again(lab: Lab, running: bool) -> None:
    """A redefined domain would run on what the disk was at the snapshot, and spoil it."""
    vm = lab.vm(power_on=running, disks=(ExtraDisk("data", 1, "thin"),))
    apply(lab, vm)
    seed = "<disk name='vdb' snapshot='no'/>"
    domain_of(lab).snapshotCreateXML(SNAPSHOT.replace("</name>", f"</name><disks>{seed}</disks>"), LAYER)
    layer = "nestproof.default.tiny.disk.before-upgrade"
    assert layer in lab.remains()
    plan = lab.provider.plan(vm)
    assert not plan.changes
    assert f"its disk is now {lab.disks / layer}" in plan.notes[-1]
    with pytest.raises(ProviderError, match=f"its disk is now {lab.disks / layer}") as caught:
        lab.provider.plan(replace(vm, cpus=2))
    assert caught.value.refused
    assert "blockcommit default.tiny vda" in caught.value.hint
    lab.provider.destroy("default", "tiny")
    assert lab.remains() == kept(lab) == set(), "a layer over nothing is of no use"


def test_a_layer_that_was_merged_is_forgotten(lab: Lab) -> None:
    """By the command that the plan says, which leaves the image alone that others are layers over, too."""
    vm = lab.vm()
    apply(lab, vm)
    image_of_all = next(file for file in lab.disks.glob("nestproof.base.*.raw"))
    before = image_of_all.read_bytes()
    seed = "<disk name='vdb' snapshot='no'/>"
    domain_of(lab).snapshotCreateXML(SNAPSHOT.replace("</name>", f"</name><disks>{seed}</disks>"), LAYER)
    hint = _refused(lab, replace(vm, cpus=2)).hint
    virsh = next(word for word in re.findall(r"virsh [^;]*", hint))
    subprocess.run(["sh", "-ec", virsh], check=True, capture_output=True)
    assert actions(apply(lab, replace(vm, cpus=2))) == ["stop domain", "redefine domain", "start domain"]
    assert image_of_all.read_bytes() == before
    lab.provider.destroy("default", "tiny")
    assert kept(lab) == set()
    for left in lab.disks.iterdir():
        left.unlink()  # the layer's file is the administrator's own now


def _refused(lab: Lab, vm: VmSpec) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        lab.provider.plan(vm)
    assert "\n" not in str(caught.value)
    return caught.value


def test_secure_boot_that_is_switched_comes_with_the_keys_that_are_meant(lab: Lab) -> None:
    """Variables that were made without keys stay so: the firmware would not check what it boots."""
    vm = lab.vm(firmware=Firmware.UEFI, memory_mib=256)
    apply(lab, vm)
    assert b"Microsoft" not in nvram(lab)
    plan = apply(lab, replace(vm, secure_boot=True))
    assert "discard firmware variables" in actions(plan)
    assert b"Microsoft" in nvram(lab)
    lab.provider.apply(lab.provider.plan(replace(vm, secure_boot=True, power_on=False)), quiet)
    apply(lab, vm)
    assert b"Microsoft" not in nvram(lab), "also of a VM that was off"


def test_variables_of_firmware_that_a_vm_no_longer_has_are_not_left_behind(lab: Lab) -> None:
    apply(lab, lab.vm(firmware=Firmware.UEFI, memory_mib=256))
    assert kept(lab) == {"qemu/nvram/default.tiny_VARS.fd"}
    assert "discard firmware variables" in actions(apply(lab, lab.vm(memory_mib=256)))
    assert kept(lab) == set()


@pytest.mark.parametrize("networks", [(), (net("bridged"),)])
def test_a_guest_knows_its_nic_again(lab: Lab, networks: Any) -> None:
    """cloud-init finds NICs by their MAC, which it wrote down at the first boot."""

    def mac() -> str:
        found = ET.fromstring(domain_of(lab).XMLDesc()).find("devices/interface/mac")
        assert found is not None
        return found.get("address", "")

    vm = lab.vm(networks=networks)
    apply(lab, vm)
    before = mac()
    apply(lab, replace(vm, cpus=2))
    assert mac() == before
    apply(lab, replace(vm, user_data="#cloud-config\n"))
    assert mac() == before


def test_what_others_wrote_about_a_vm_stays(lab: Lab) -> None:
    apply(lab, lab.vm(power_on=False))
    domain = domain_of(lab)
    for kind, text, *space in (
        (libvirt.VIR_DOMAIN_METADATA_TITLE, "The CI's <own> runner", None, None),
        (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "Ask Ann & Bob", None, None),
        (libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<rack number='4'>é</rack>", "inv", "https://inventory.example/1"),
    ):
        domain.setMetadata(kind, text, *space, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    domain.setAutostart(1)
    for changed in (lab.vm(power_on=False, cpus=2), lab.vm(power_on=False, user_data="#cloud-config\n")):
        apply(lab, changed)
        xml = ET.fromstring(domain_of(lab).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        assert xml.findtext("title") == "The CI's <own> runner"
        assert xml.findtext("description") == "Ask Ann & Bob"
        assert xml.findtext("metadata/{https://inventory.example/1}rack") == "é"
        assert domain_of(lab).autostart()
        assert not lab.provider.plan(changed).changes


@pytest.mark.parametrize("verb", ["apply", "destroy"])
def test_a_disk_that_runs_elsewhere_is_left_alone(lab: Lab, verb: str) -> None:
    """As after a migration to another host that has the same storage: QEMU's own lock tells."""
    vm = lab.vm(power_on=False)
    apply(lab, vm)
    domain_of(lab).undefine()
    before = lab.remains()
    disk = lab.disks / "nestproof.default.tiny.disk.qcow2"
    with subprocess.Popen(["qemu-io", "-f", "qcow2", disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as elsewhere:
        assert elsewhere.stdin is not None
        assert elsewhere.stdout is not None
        elsewhere.stdin.write(b"length\n")
        elsewhere.stdin.flush()
        assert elsewhere.stdout.readline()
        try:
            with pytest.raises(ProviderError, match=r"disk\.qcow2 is in use by a QEMU that .* does not know") as caught:
                apply(lab, vm) if verb == "apply" else lab.provider.destroy("default", "tiny")
            assert "migrated" in caught.value.hint
            assert lab.remains() == before
        finally:
            elsewhere.communicate(b"quit\n")


def test_another_image_for_a_vm_with_autostart_and_extra_disk_keeps_both(lab: Lab, tmp_path: Path) -> None:
    vm = lab.vm(power_on=False, disks=(ExtraDisk("data", 1, "thin"),))
    apply(lab, vm)
    domain_of(lab).setAutostart(1)
    apply(lab, replace(vm, image=image(tiny_image(tmp_path, said="another"))))
    assert domain_of(lab).autostart()
    assert "nestproof.default.tiny.extra_data.qcow2" in lab.remains()


def test_a_client_that_has_no_name_for_a_flag_of_its_daemon_removes_a_tpm(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python's module is when it was built with a library older than 8.9; seen with 7.0 on a daemon of 12.8."""
    monkeypatch.delattr(libvirt, "VIR_DOMAIN_UNDEFINE_TPM")
    apply(lab, lab.vm(tpm=True, tpm_version="2.0"))
    assert "domain default.tiny" in lab.provider.destroy("default", "tiny")
    assert kept(lab) == set()
