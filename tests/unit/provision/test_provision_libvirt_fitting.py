"""What a VM is fitted with on hosts of different size, age and equipment, and the answer for what it is not."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from vm_factory import image, wanted

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from hostcheck.model import Accelerator
from provision.model import FieldAccount, Firmware, Handling, Limits, Origin, VmSpec
from provision.provider import ProviderError
from provision.providers.libvirt.checks import check_firmware
from provision.providers.libvirt.choose import Choice
from provision.providers.libvirt.firmware import machine_type
from provision.providers.libvirt.fitting import (
    CPU_HOT_ADD,
    CPU_LIMIT,
    CPU_SHARES,
    DISK_TYPE,
    MEMORY_HOT_ADD,
    MEMORY_LIMIT,
    MEMORY_RESERVATION,
    VBS,
    Fitting,
    answered,
    fit,
)
from provision.providers.libvirt.hyperv import WANTED, enlightenments
from provision.providers.libvirt.machine import Machine, version_text
from provision.providers.libvirt.offer import Offer

VM = wanted(image(Path("tiny.img")))
KVM, TCG = Choice(Accelerator.KVM, "vmx"), Choice(Accelerator.TCG, "svm")
LARGE = Machine(9_000_000, cpus=16, memory_mib=65536, mhz=2500, cgroups=True)
OFFER = Offer(Accelerator.KVM, True, tpm=("1.2", "2.0"), hyperv=frozenset(WANTED), max_cpus=255)


def fitted(vm: VmSpec, machine: Machine = LARGE, choice: Choice = KVM, offer: Offer = OFFER) -> Fitting:
    return fit(vm, choice, offer, machine)


def test_what_is_not_asked_for_is_not_fitted() -> None:
    assert fitted(VM) == Fitting(cpus_max=1, memory_max_mib=64)


@pytest.mark.parametrize(
    ("first", "host", "most"),
    [(2, 16, 8), (8, 16, 16), (16, 16, 16), (4, 2, 4)],
)
def test_cpus_are_added_up_to_four_times_and_never_beyond_the_host(first: int, host: int, most: int) -> None:
    found = fitted(replace(VM, cpus=first, cpu_hot_add=True), replace(LARGE, cpus=host))
    assert found.cpus_max == most
    handling, said = found.answers[CPU_HOT_ADD]
    assert handling is (Handling.HONOURED if most > first else Handling.UNSUPPORTED)
    assert f"{host}" in said


def test_memory_is_added_up_to_four_times_and_never_beyond_the_host() -> None:
    growing = replace(VM, memory_mib=16384, memory_hot_add=True)
    assert fitted(growing).memory_max_mib == 65536
    small = fitted(growing, replace(LARGE, memory_mib=24576))
    assert small.memory_max_mib == 24576
    full = fitted(growing, replace(LARGE, memory_mib=8000))
    assert full.memory_max_mib == 16384
    assert full.answers[MEMORY_HOT_ADD][0] is Handling.UNSUPPORTED


def test_a_cpu_limit_in_mhz_is_worked_out_aloud() -> None:
    found = fitted(replace(VM, limits=Limits(cpu_limit=1500)))
    assert found.quota == 60_000
    assert found.answers[CPU_LIMIT] == (
        Handling.APPROXIMATED,
        "1500 MHz of a CPU of 2500 MHz: 60000 µs of CPU time in every 100000 µs, for all its CPUs",
    )
    assert fitted(replace(VM, limits=Limits(cpu_limit=100)), replace(LARGE, mhz=20_000)).quota == 1000


@pytest.mark.parametrize(
    ("machine", "word"), [(replace(LARGE, mhz=0), "does not know"), (replace(LARGE, cgroups=False), "qemu:///system")]
)
def test_a_cpu_limit_that_cannot_be_kept_is_unsupported(machine: Machine, word: str) -> None:
    found = fitted(replace(VM, limits=Limits(cpu_limit=1500)), machine)
    assert found.quota == 0
    handling, said = found.answers[CPU_LIMIT]
    assert handling is Handling.UNSUPPORTED
    assert word in said


@pytest.mark.parametrize(("asked", "given"), [(1, 2), (512, 512), (1_000_000, 10_000)])
def test_shares_stay_within_what_cgroups_take(asked: int, given: int) -> None:
    found = fitted(replace(VM, limits=Limits(cpu_shares=asked)))
    assert found.shares == given
    assert (CPU_SHARES in found.answers) is (asked != given)


def test_memory_is_reserved_wholly_or_not_at_all() -> None:
    part = fitted(replace(VM, limits=Limits(memory_reservation_mib=32)))
    assert not part.allocated and MEMORY_RESERVATION not in part.answers
    whole = fitted(replace(VM, limits=Limits(memory_reservation_mib=64, memory_limit_mib=64)))
    assert whole.allocated
    assert whole.answers[MEMORY_RESERVATION][0] is whole.answers[MEMORY_LIMIT][0] is Handling.APPROXIMATED


@pytest.mark.parametrize(("versions", "says"), [((), "swtpm and swtpm_setup"), (("1.2",), "only version 1.2")])
def test_a_missing_tpm_is_one_line_with_the_package(versions: tuple[str, ...], says: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        fitted(replace(VM, tpm=True), offer=replace(OFFER, tpm=versions))
    assert caught.value.refused
    assert caught.value.hint == "apt-get install swtpm swtpm-tools"
    assert str(caught.value).startswith("vm.yaml:")


def test_vbs_says_what_it_is_and_what_the_class_leaves_out() -> None:
    found = fitted(replace(VM, vbs=True, vtd=True))
    assert "evmcs" in found.enlightenments
    handling, said = found.answers[VBS]
    assert handling is Handling.APPROXIMATED
    assert said.endswith("the class leaves out Secure Boot")


def test_an_emulator_shows_no_hyperv_interface() -> None:
    found = fitted(replace(VM, vbs=True), choice=TCG)
    assert found.enlightenments == ()
    assert found.answers[VBS][0] is Handling.UNSUPPORTED


def test_the_hyperv_interface_is_whole_only_as_far_as_it_is_offered() -> None:
    assert enlightenments(WANTED, "vmx") == WANTED
    assert "evmcs" not in enlightenments(WANTED, "svm"), "it is Intel's"
    assert "evmcs" not in enlightenments(WANTED, ""), "it is for nesting"
    assert enlightenments({"spinlocks", "vendor_id"}, "vmx") == ("spinlocks",)
    assert enlightenments({"synic", "stimer", "tlbflush", "evmcs", "relaxed"}, "vmx") == ("relaxed",)


def test_a_disk_that_takes_its_space_at_once_is_a_raw_copy_in_a_pool() -> None:
    assert fitted(replace(VM, disk_type="thick")).preallocation == "falloc"
    assert fitted(replace(VM, disk_type="ssd")).preallocation == ""
    pooled = fitted(replace(VM, disk_type="thick"), replace(LARGE, pooled=True))
    assert pooled.preallocation == "falloc"
    assert pooled.answers[DISK_TYPE][0] is Handling.HONOURED
    assert "raw copy" in pooled.answers[DISK_TYPE][1]


def test_accounts_take_this_hosts_answers() -> None:
    there = Origin("c.yaml", 1, 1)
    accounts = (
        FieldAccount(CPU_LIMIT, "1500", Handling.APPROXIMATED, "in general", there),
        FieldAccount("VMClass spec.cpu", "1", Handling.HONOURED, "<vcpu>", there),
    )
    limited = fitted(replace(VM, limits=Limits(cpu_limit=1500)), replace(LARGE, cgroups=False))
    changed, same = answered(accounts, limited.answers)
    assert (changed.handling, changed.origin) == (Handling.UNSUPPORTED, there)
    assert same == accounts[1]


@pytest.mark.parametrize(
    ("version", "firmware_features", "tpm_flag"),
    [
        (6_000_000, False, False),
        (7_001_000, False, False),
        (7_002_000, True, False),
        (8_008_000, True, False),
        (8_009_000, True, True),
        (9_000_000, True, True),
        (12_005_000, True, True),
    ],
)
def test_what_a_version_of_libvirt_can(version: int, firmware_features: bool, tpm_flag: bool) -> None:
    machine = replace(LARGE, version=version)
    assert (machine.firmware_features, machine.asks_for_tpm_state) == (firmware_features, tpm_flag)


def test_versions_read_as_people_write_them() -> None:
    assert version_text(9_000_000) == "9.0.0"
    assert version_text(12_005_001) == "12.5.1"


def test_uefi_without_secure_boot_takes_another_machine_where_firmware_is_not_chosen_by_its_features() -> None:
    plain, old = replace(VM, firmware=Firmware.UEFI), replace(LARGE, version=7_000_000)
    assert [machine_type(vm, old) for vm in (VM, plain, replace(plain, secure_boot=True))] == ["q35", "pc", "q35"]
    assert machine_type(plain, LARGE) == "q35"
    offer = replace(OFFER, uefi=True, secure_boot=True)
    check_firmware(plain, offer, old)
    check_firmware(replace(plain, secure_boot=True, vtd=True), offer, old)
    with pytest.raises(ProviderError, match=r"an IOMMU takes machine q35, for which libvirt 7\.0\.0 cannot") as found:
        check_firmware(replace(plain, vtd=True), offer, old)
    assert "secureBoot: true" in found.value.hint
