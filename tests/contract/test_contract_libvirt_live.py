"""What runs and not what was written: a VM that somebody changed, and what KVM made of one, asked of its QEMU.

Where there is no KVM, what nestproof says about that is tested instead.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab, kvm_runs
from msgspec.structs import replace

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

import libvirt_qemu

from commands.drift import status_of
from hostcheck.chain import vm_chain
from hostcheck.model import Accelerator, Asked, Link, Setting, VmView
from provision.model import AccelPolicy, CpuPolicy, VmSpec
from provision.provider import NoReport, ProviderError
from provision.providers.libvirt import domains

pytestmark = pytest.mark.libvirt
CPU = "VirtualMachine metadata.annotations.nestproof.org/cpu"
VBS = "VMClass spec.performanceProfile.virtualizationBasedSecurity"
IOMMU = "VMClass spec.securityProfile.vtdEnabled"
MEMORY, CPUS = "VMClass spec.memory", "VMClass spec.cpu"


@pytest.fixture
def lab(embedded: Lab) -> Iterator[Lab]:
    """One endpoint is enough: QEMU is the same behind all of them."""
    yield embedded
    embedded.provider.destroy("default", "tiny")
    assert embedded.remains() == set()


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot sector does not hear ACPI: it would be waited for in vain."""
    monkeypatch.setattr(domains, "GRACE", 0.0)


def quiet(_line: str) -> None:
    return


def apply(lab: Lab, vm: VmSpec) -> None:
    lab.provider.apply(lab.provider.plan(vm), quiet)


def domain_of(lab: Lab) -> Any:
    return lab.provider._connection.lookupByName("default.tiny")  # type: ignore[attr-defined]


def seen(lab: Lab, vm: VmSpec) -> VmView:
    view = lab.provider.observe(vm)
    assert view is not None
    return view


def found(lab: Lab, vm: VmSpec) -> dict[str, Setting]:
    return {setting.path: setting for setting in seen(lab, vm).settings}


def drift(lab: Lab, vm: VmSpec) -> dict[str, str]:
    return {path: setting.found for path, setting in found(lab, vm).items() if setting.differs}


def status(lab: Lab, vm: VmSpec) -> tuple[str, ...]:
    return status_of(vm, "libvirt", lab.provider.plan(vm), lab.provider.observe(vm), None).drift


def edit(lab: Lab, change: Callable[[ET.Element], None]) -> None:
    """As an administrator does: virsh edit, and a power cycle."""
    domain = domain_of(lab)
    xml = ET.fromstring(domain.XMLDesc(2))
    change(xml)
    domain.destroy()
    lab.provider._connection.defineXML(ET.tostring(xml, encoding="unicode")).create()  # type: ignore[attr-defined]


def monitor(lab: Lab, command: str, **arguments: object) -> Any:
    request = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(libvirt_qemu.qemuMonitorCommand(domain_of(lab), request, 0))["return"]


def test_what_somebody_edited_is_told_and_put_back_by_the_next_apply(lab: Lab) -> None:
    vm = lab.vm(vtd=True)
    apply(lab, vm)

    def spoil(xml: ET.Element) -> None:
        driver = xml.find("devices/iommu/driver")
        assert driver is not None
        driver.set("caching_mode", "off")
        for tag in ("memory", "currentMemory"):
            element = xml.find(tag)
            assert element is not None
            element.text = str(96 * 1024)

    edit(lab, spoil)
    assert drift(lab, vm) == {IOMMU: "on without caching mode", MEMORY: "96 MiB"}
    assert {setting.source for path, setting in found(lab, vm).items() if path in (IOMMU, MEMORY)} == {"QEMU monitor"}
    assert f"{IOMMU}: is on without caching mode, asked is on" in status(lab, vm)
    plan = lab.provider.plan(vm)
    assert {(d.setting, d.observed, d.wanted) for d in plan.differences} == {
        (IOMMU, "on without caching mode", "on"),
        (MEMORY, "96 MiB", "64 MiB"),
    }
    assert [step.action for step in plan.steps] == ["stop", "redefine", "start"]
    apply(lab, vm)
    assert drift(lab, vm) == {}
    assert not lab.provider.plan(vm).changes


def test_what_was_done_to_qemu_past_libvirt_is_told(lab: Lab) -> None:
    """The XML still says one CPU: only QEMU knows of the other."""
    vm = lab.vm(cpu_hot_add=True)
    apply(lab, vm)
    assert drift(lab, vm) == {}
    slot = next(slot for slot in monitor(lab, "query-hotpluggable-cpus") if "qom-path" not in slot)
    monitor(lab, "device_add", driver=slot["type"], id="uninvited", **slot["props"])
    assert ET.fromstring(domain_of(lab).XMLDesc()).findtext("vcpu[@current='1']") is not None
    assert drift(lab, vm)[CPUS] == "2"
    assert not lab.provider.plan(vm).differences
    assert f"{CPUS}: is 2, asked is 1 (QEMU monitor)" in status(lab, vm)


def test_a_paused_vm_is_said_to_be_paused_and_its_qemu_is_read(lab: Lab) -> None:
    vm = lab.vm()
    apply(lab, vm)
    domain_of(lab).suspend()
    view = seen(lab, vm)
    assert (view.running, view.state, view.got) == (False, "paused", True)
    assert status(lab, vm) == ("it is paused, asked is on",)
    with pytest.raises(NoReport, match="no report: it was paused"):
        lab.provider.fetch_report(vm, 5, quiet)


PASSED_THROUGH = {"nested": False, "vbs": True, "accel": AccelPolicy.KVM, "cpu": CpuPolicy.HOST_PASSTHROUGH}


def test_the_hosts_own_cpu_and_its_hyperv_interface_are_read_from_qemu(lab: Lab) -> None:
    vm = lab.vm(**PASSED_THROUGH)
    if not kvm_runs():
        refused(lab, vm)
        return
    apply(lab, vm)
    view, settings = seen(lab, vm), found(lab, vm)
    assert (view.running, view.accelerator, view.asked) == (True, Accelerator.KVM, Asked.OFF)
    assert (settings[CPU].found, settings[CPU].source) == ("host-passthrough", "QEMU monitor")
    assert (settings[VBS].found, settings[VBS].source) == ("on", "QEMU monitor")
    (slot,) = monitor(lab, "query-hotpluggable-cpus")
    assert slot["type"] == "host-x86_64-cpu"
    parts = [part.tag for part in ET.fromstring(domain_of(lab).XMLDesc(2)).findall("features/hyperv/*")]
    assert parts
    for part in parts:
        value = monitor(lab, "qom-get", path=slot["qom-path"], property=f"hv-{part}")
        assert value == (8191 if part == "spinlocks" else True), part
    for feature in ("vmx", "svm"):
        assert monitor(lab, "qom-get", path=slot["qom-path"], property=feature) is False

    def spoil(xml: ET.Element) -> None:
        features, cpu = xml.find("features"), xml.find("cpu")
        assert features is not None and cpu is not None
        hyperv = features.find("hyperv")
        assert hyperv is not None
        features.remove(hyperv)
        clock = xml.find("clock")
        for timer in [] if clock is None else clock.findall("timer[@name='hypervclock']"):
            clock.remove(timer)  # type: ignore[union-attr]
        cpu.attrib.update(mode="host-model", check="partial")
        cpu.attrib.pop("migratable", None)

    edit(lab, spoil)
    assert drift(lab, vm) == {VBS: "off", CPU: "host-model"}
    assert {d.setting for d in lab.provider.plan(vm).differences} == {VBS, CPU}
    apply(lab, vm)
    assert drift(lab, vm) == {}


def test_a_feature_that_the_hosts_own_cpu_does_not_bring_is_told(lab: Lab) -> None:
    """libvirt starts it all the same, and its XML goes on to require the feature."""
    vm = lab.vm(**PASSED_THROUGH | {"vbs": False})
    if not kvm_runs():
        refused(lab, vm)
        return
    apply(lab, vm)
    chosen = seen(lab, vm).feature
    assert chosen

    def demand(xml: ET.Element) -> None:
        feature = xml.find(f"cpu/feature[@name='{chosen}']")
        assert feature is not None
        feature.set("policy", "require")

    edit(lab, demand)
    nested = replace(vm, nested=True)
    view = seen(lab, nested)
    (slot,) = monitor(lab, "query-hotpluggable-cpus")
    got = monitor(lab, "qom-get", path=slot["qom-path"], property=chosen)
    assert ET.fromstring(domain_of(lab).XMLDesc()).find(f"cpu/feature[@name='{chosen}']").get("policy") == "require"  # type: ignore[union-attr]
    assert (view.asked, view.feature, view.got) == (Asked.ON, chosen, got)
    assert found(lab, nested)["VMClass spec.performanceProfile.nestedVirtualization"].found == ("on" if got else "off")
    drifts = status_of(nested, "libvirt", "no plan", view, None).drift
    link = next(each for each in vm_chain(view, None, None, "").links if each.link is Link.VM_GOT)
    assert any(f"the running VM lacks {chosen}" in text for text in drifts) is not got
    assert (f"{chosen}={str(got).lower()}" in str(link.evidence), link.status == "pass") == (True, got)


def refused(lab: Lab, vm: VmSpec) -> None:
    with pytest.raises(ProviderError, match=r"it needs KVM, but KVM is not usable there") as caught:
        lab.provider.plan(vm)
    assert caught.value.refused
    assert not lab.running()
