"""What is found of each field in a domain, and that a domain which is not as asked for is seen to be so."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from vm_factory import image, net, wanted

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from hostcheck.model import Setting
from provision.model import ExtraDisk, Firmware, Limits, NetworkKind, VmSpec
from provision.providers.libvirt.live import Block, Live
from provision.providers.libvirt.readback import settings_of_live

GIB = 1 << 30
VM = wanted(image(Path("tiny.img")))
PLAIN = "<domain><memory unit='KiB'>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices/></domain>"


def live(xml: str = PLAIN, *, running: bool = True, **facts: object) -> Live:
    domain = ET.fromstring(xml)
    known: dict[str, object] = {"blocks": {"vda": Block(GIB, 4096, 0)}, "scheduler": {}, "tpm": "", "free_cpu_slots": 0}
    return Live(running, domain, domain, **known | facts)  # type: ignore[arg-type]


def found(vm: VmSpec, seen: Live, got: bool | None = True) -> dict[str, Setting]:
    return {setting.path: setting for setting in settings_of_live(vm, seen, got, 2500)}


def drift(vm: VmSpec, seen: Live, got: bool | None = True) -> dict[str, str]:
    return {path: setting.found for path, setting in found(vm, seen, got).items() if setting.differs}


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
    assert drift(all_of_it, live(memory_allocated=False), got=False) == {
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
    blind = live(blocks={}, scheduler=None, tpm=None, free_cpu_slots=None)
    assert drift(vm, blind, got=None) == {}
    assert found(vm, blind, None)["VMClass spec.securityProfile.tpmEnabled"].found == ""


def test_a_cpu_limit_is_read_back_in_mhz() -> None:
    vm = replace(VM, limits=Limits(cpu_limit=1501))
    quota = 1501 * 100_000 // 2500
    assert drift(vm, live(scheduler={"global_quota": quota, "global_period": 100_000})) == {}
    taken = live(scheduler={"global_quota": -1, "global_period": 100_000})
    assert drift(vm, taken) == {"VMClass spec.resourceLimits.cpuLimit": "none"}


def test_xml_with_a_tpm_that_qemu_has_not_is_not_believed() -> None:
    xml = PLAIN.replace("<devices/>", "<devices><tpm model='tpm-crb'><backend version='2.0'/></tpm></devices>")
    vm = replace(VM, tpm=True)
    assert drift(vm, live(xml, tpm="tpm-crb")) == {}
    assert drift(vm, live(xml, tpm="")) == {"VMClass spec.securityProfile.tpmEnabled": "QEMU has none"}


@pytest.mark.parametrize(
    ("os", "on"),
    [
        ("<os><loader secure='yes' type='pflash'>x</loader></os>", True),
        ("<os firmware='efi'><firmware><feature enabled='yes' name='secure-boot'/></firmware></os>", True),
        ("<os><loader secure='no' type='pflash'>x</loader></os>", False),
        ("<os><loader type='pflash'>x</loader></os>", False),
    ],
)
def test_secure_boot_is_read_from_the_firmware_that_runs(os: str, on: bool) -> None:
    vm = replace(VM, firmware=Firmware.UEFI, secure_boot=True)
    seen = drift(vm, live(PLAIN.replace("<os><type>hvm</type></os>", os)))
    assert seen == ({} if on else {"VMClass spec.securityProfile.secureBoot": "off"})


def test_an_interface_of_a_bridged_network_is_still_of_that_network() -> None:
    source = "<source network='lan' bridge='br0'/><model type='virtio'/><mac address='52:54:00:00:00:01'/>"
    xml = PLAIN.replace("<devices/>", f"<devices><interface type='bridge'>{source}</interface></devices>")
    assert drift(replace(VM, networks=(net("lan"),)), live(xml)) == {}
    other = replace(VM, networks=(net("lan", mac="52:54:00:00:00:02"),))
    assert drift(other, live(xml)) == {"VirtualMachine spec.networks[0].name": "network lan virtio 52:54:00:00:00:01"}
