"""What is found of each field in a domain, and that a domain which is not as asked for is seen to be so."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from vm_factory import image, net, wanted

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from hostcheck.model import Setting
from provision.model import AccelPolicy, CpuPolicy, ExtraDisk, Firmware, Limits, NetworkKind, VmSpec
from provision.providers.libvirt.inside import Cpus, Inside, Iommu
from provision.providers.libvirt.live import Block, Live
from provision.providers.libvirt.readback import WITHIN_REACH, settings_of_live, strayed
from provision.providers.libvirt.record import NAMESPACE

GIB = 1 << 30
VM = wanted(image(Path("tiny.img")))
PLAIN = "<domain><memory unit='KiB'>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices/></domain>"


INSIDE = Inside(tpm="", features={"svm": True, "vmx": False}, hyperv=frozenset())
VBS = "VMClass spec.performanceProfile.virtualizationBasedSecurity"
IOMMU = "VMClass spec.securityProfile.vtdEnabled"


def live(xml: str = PLAIN, inside: Inside = INSIDE, **facts: object) -> Live:
    domain = ET.fromstring(xml)
    known: dict[str, object] = {"blocks": {"vda": Block(GIB, 4096, 0)}, "scheduler": {}}
    return Live(True, domain, domain, inside=inside, **known | facts)  # type: ignore[arg-type]


def settings(vm: VmSpec, seen: Live, got: bool | None = True) -> dict[str, Setting]:
    return {setting.path: setting for setting in settings_of_live(vm, seen, got, 2500)}


def drift(vm: VmSpec, seen: Live, got: bool | None = True) -> dict[str, str]:
    return {path: setting.found for path, setting in settings(vm, seen, got).items() if setting.differs}


def test_a_vm_as_asked_for_differs_in_nothing() -> None:
    assert drift(VM, live()) == {}


def test_nothing_of_what_was_asked_for_is_seen_to_be_missing() -> None:
    all_of_it = replace(
        VM,
        cpus=2,
        memory_mib=128,
        disk_gib=2,
        disk_type="thick",
        disk_iops=500,
        firmware=Firmware.UEFI,
        secure_boot=True,
        tpm=True,
        vtd=True,
        vbs=True,
        cpu_hot_add=True,
        memory_hot_add=True,
        limits=Limits(cpu_limit=1500, cpu_shares=512, memory_reservation_mib=128),
        disks=(ExtraDisk("data", 3, "thin"),),
        networks=(net("br0", NetworkKind.BRIDGE),),
    )
    assert drift(all_of_it, live(inside=replace(INSIDE, memory_allocated=False)), got=False) == {
        "VMClass spec.cpu": "1",
        "VMClass spec.memory": "64 MiB",
        "VMClass spec.firmware": "BIOS",
        "VMClass spec.performanceProfile.nestedVirtualization": "off",
        "VMClass spec.performanceProfile.virtualizationBasedSecurity": "off",
        "VMClass spec.performanceProfile.cpuHotAddEnabled": "off",
        "VMClass spec.performanceProfile.memoryHotAddEnabled": "off",
        "VMClass spec.securityProfile.secureBoot": "off",
        "VMClass spec.securityProfile.tpmEnabled": "none",
        "VMClass spec.securityProfile.vtdEnabled": "off",
        "VMClass spec.resourceLimits.cpuLimit": "none",
        "VMClass spec.resourceLimits.cpuShares": "none",
        "VMClass spec.resourceLimits.memoryReservation": "none",
        "VMClass spec.diskDefaults.size": "1 GiB",
        "VMClass spec.diskDefaults.type": "thin",
        "VMClass spec.diskDefaults.iops": "none",
        "VirtualMachine spec.disks[0].sizeGiB": "none",
        "VirtualMachine spec.networks[0].name": "none",
    }


def test_what_nobody_could_look_at_is_no_difference() -> None:
    vm = replace(VM, tpm=True, disk_iops=500, limits=Limits(cpu_limit=1500, memory_reservation_mib=64))
    blind = live(blocks={}, scheduler=None, inside=Inside())
    assert drift(vm, blind, got=None) == {}
    assert settings(vm, blind, None)["VMClass spec.securityProfile.tpmEnabled"].found == ""


def test_a_cpu_limit_is_read_back_in_mhz() -> None:
    vm = replace(VM, limits=Limits(cpu_limit=1501))
    quota = 1501 * 100_000 // 2500
    assert drift(vm, live(scheduler={"global_quota": quota, "global_period": 100_000})) == {}
    taken = live(scheduler={"global_quota": -1, "global_period": 100_000})
    assert drift(vm, taken) == {"VMClass spec.resourceLimits.cpuLimit": "none"}


def test_xml_with_a_tpm_that_qemu_has_not_is_not_believed() -> None:
    xml = PLAIN.replace("<devices/>", "<devices><tpm model='tpm-crb'><backend version='2.0'/></tpm></devices>")
    vm = replace(VM, tpm=True)
    assert drift(vm, live(xml, replace(INSIDE, tpm="tpm-crb"))) == {}
    assert drift(vm, live(xml)) == {"VMClass spec.securityProfile.tpmEnabled": "QEMU has none"}


PFLASH = "<os><loader secure='{}' type='pflash'>x</loader></os>"
ROM = "<os firmware='efi'><loader type='rom'>/OVMF.amdsev.fd</loader></os>"


@pytest.mark.parametrize(
    ("os", "found"),
    [
        (PFLASH.format("yes"), "on"),
        ("<os firmware='efi'><firmware><feature enabled='yes' name='secure-boot'/></firmware></os>", "on"),
        ("<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware></os>", "off"),
        ("<os firmware='efi'><loader secure='yes' stateless='no'/></os>", "on"),
        (PFLASH.format("no"), "off"),
        ("<os><loader type='pflash'>x</loader></os>", "off"),
        (PFLASH.format("no") + "<features><smm state='off'/></features>", "off"),
        # What libvirt 7.0 takes for a VM that asked for no Secure Boot, and 8.0 for one that did.
        (PFLASH.format("no") + "<features><smm state='on'/></features>", WITHIN_REACH),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_secure_boot_is_read_from_the_firmware_that_runs(os: str, found: str, asked: bool) -> None:
    vm = replace(VM, firmware=Firmware.UEFI, secure_boot=asked)
    seen = drift(vm, live(PLAIN.replace("<os><type>hvm</type></os>", os)))
    assert seen == ({} if found == ("on" if asked else "off") else {"VMClass spec.securityProfile.secureBoot": found})


def test_firmware_for_confidential_vms_is_not_the_uefi_that_was_meant() -> None:
    seen = drift(replace(VM, firmware=Firmware.UEFI), live(PLAIN.replace("<os><type>hvm</type></os>", ROM)))
    assert seen == {"VMClass spec.firmware": "UEFI that keeps no variables: /OVMF.amdsev.fd"}


def test_an_interface_of_a_bridged_network_is_still_of_that_network() -> None:
    source = "<source network='lan' bridge='br0'/><model type='virtio'/><mac address='52:54:00:00:00:01'/>"
    xml = PLAIN.replace("<devices/>", f"<devices><interface type='bridge'>{source}</interface></devices>")
    assert drift(replace(VM, networks=(net("lan"),)), live(xml)) == {}
    other = replace(VM, networks=(net("lan", mac="52:54:00:00:00:02"),))
    assert drift(other, live(xml)) == {"VirtualMachine spec.networks[0].name": "network lan virtio 52:54:00:00:00:01"}


def made_with(parts: str, kind: str = "kvm") -> str:
    record = f"<n:vm xmlns:n='{NAMESPACE}' namespace='a' name='b'><n:settings hyperv='{parts}'/></n:vm>"
    shown = "".join(f"<{part} state='on'/>" for part in parts.split())
    whole = f"<domain type='{kind}'><metadata>{record}</metadata><features><hyperv>{shown}</hyperv></features>"
    return PLAIN.replace("<domain>", whole)


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (frozenset({"relaxed", "spinlocks", "vapic"}), "on"),
        (frozenset({"spinlocks"}), "on without relaxed, vapic"),
        (frozenset(), "off"),
        (None, ""),
    ],
)
def test_each_part_of_the_hyperv_interface_is_held_against_what_the_vm_was_made_with(
    shown: frozenset[str] | None, found: str
) -> None:
    vm = replace(VM, vbs=True, accel=AccelPolicy.AUTO)
    seen = live(made_with("relaxed vapic spinlocks"), Inside(hyperv=shown))
    assert settings(vm, seen)[VBS].found == found


def test_an_emulator_shows_no_hyperv_interface_whatever_its_xml_says() -> None:
    vm = replace(VM, vbs=True)
    off = ET.fromstring(made_with("relaxed", kind="qemu"))
    assert drift(vm, Live(False, off, off), None)[VBS] == "off"
    off = ET.fromstring(made_with("relaxed"))
    assert settings(replace(vm, accel=AccelPolicy.KVM), Live(False, off, off))[VBS].found == "on"


@pytest.mark.parametrize(
    ("iommu", "found"),
    [
        (Iommu(True, True), "on"),
        (Iommu(True, False), "on without caching mode"),
        (Iommu(False, False), "on without interrupt remapping and caching mode"),
    ],
)
def test_an_iommu_that_lacks_a_part_is_not_the_one_asked_for(iommu: Iommu, found: str) -> None:
    attributes = {True: "on", False: "off"}
    remaps, caches = attributes[iommu.remaps_interrupts], attributes[iommu.caches]
    driver = f"<iommu model='intel'><driver intremap='{remaps}' caching_mode='{caches}'/></iommu>"
    xml = PLAIN.replace("<devices/>", f"<devices>{driver}</devices>")
    vm = replace(VM, vtd=True)
    assert settings(vm, live(xml, replace(INSIDE, iommu=iommu)))[IOMMU].found == found
    assert settings(vm, live(xml))[IOMMU].found == found
    assert settings(vm, live(inside=replace(INSIDE, iommu=iommu)))[IOMMU].source == "QEMU monitor"
    assert settings(vm, live())[IOMMU].found == "off"


def test_qemu_is_believed_and_not_the_xml() -> None:
    """XML that says all of it, and a QEMU that has none of it."""
    os = "<os><loader secure='yes' type='pflash'>x</loader></os>"
    xml = PLAIN.replace("<os><type>hvm</type></os>", os).replace("<vcpu>1", "<vcpu current='1'>4")
    grows = xml.replace("<memory", "<maxMemory unit='KiB'>131072</maxMemory><memory")
    vm = replace(
        VM, firmware=Firmware.UEFI, secure_boot=True, cpu_hot_add=True, memory_hot_add=True,
        accel=AccelPolicy.KVM, cpu=CpuPolicy.HOST_PASSTHROUGH,
    )  # fmt: skip
    grows = grows.replace("<domain>", "<domain type='kvm'><cpu mode='host-passthrough'/>")
    assert drift(vm, live(grows, Inside())) == {}
    has = Inside(
        tpm="", cpus=Cpus("kvm64-x86_64-cpu", "/x", 3, 0), memory=32 << 20, memory_most=32 << 20,
        uefi=False, secure=False, hyperv=frozenset(),
    )  # fmt: skip
    assert drift(vm, live(grows, has)) == {
        "VMClass spec.cpu": "3",
        "VMClass spec.memory": "32 MiB",
        "VMClass spec.firmware": "BIOS",
        "VMClass spec.securityProfile.secureBoot": "off",
        "VMClass spec.performanceProfile.cpuHotAddEnabled": "off",
        "VMClass spec.performanceProfile.memoryHotAddEnabled": "off",
        "VirtualMachine metadata.annotations.nestproof.org/cpu": "the model kvm64-x86_64-cpu",
    }


def test_a_nic_whose_cable_was_pulled_is_told() -> None:
    inner = "<source network='lan'/><model type='virtio'/><link state='down'/>"
    xml = PLAIN.replace("<devices/>", f"<devices><interface type='network'>{inner}</interface></devices>")
    vm = replace(VM, networks=(net("lan"),))
    assert drift(vm, live(xml)) == {"VirtualMachine spec.networks[0].name": "network lan virtio with its link down"}


def test_a_configuration_that_somebody_edited_has_strayed_from_a_fresh_one() -> None:
    fresh = ET.fromstring(PLAIN)
    assert strayed(VM, ET.fromstring(PLAIN), fresh) == ()
    edited = ET.fromstring(PLAIN.replace("65536", "131072").replace("<domain>", "<domain type='kvm'>"))
    assert {(d.setting, d.observed, d.wanted) for d in strayed(VM, edited, fresh)} == {
        ("VMClass spec.memory", "128 MiB", "64 MiB"),
        ("VirtualMachine metadata.annotations.nestproof.org/accel", "kvm", "tcg"),
    }
