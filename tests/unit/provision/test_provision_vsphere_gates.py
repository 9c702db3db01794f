"""Every gate of vSphere: what is refused before it is sent, at its place in the manifest, with what to do about it."""

from typing import Any

import pytest
from vm_factory import IMAGE, NESTED, wanted

from provision.model import Firmware, Gpus, ImageSpec, VmSpec
from provision.provider import ProviderError
from provision.providers.vsphere.gates import HostFacts, Surroundings, check, refusals, release_of, version_of

FIELDS = frozenset({"nestedHVEnabled", "vbsEnabled", "vvtdEnabled", "efiSecureBootEnabled", "VirtualTPM"})
VBS: dict[str, Any] = {"vbs": True, "vtd": True, "secure_boot": True, "firmware": Firmware.UEFI}


def vm(**changes: Any) -> VmSpec:
    return wanted(ImageSpec("debian", None, None, "", None, IMAGE, template="t"), "vsphere://vc", **changes)


def there(**changes: Any) -> Surroundings:
    host: dict[str, Any] = {"nested": True, "vendor": "intel", "version": "8.0.2", "mhz": 2000}
    if "host_counters" in changes:
        host["counters"] = changes.pop("host_counters")
    host |= {name: changes.pop(name) for name in ("nested", "vendor") if name in changes}
    values: dict[str, Any] = {"api": "8.0.2.0", "fields": FIELDS, "hardware": 19, "key_providers": ("native",)}
    return Surroundings(host=HostFacts(ref=None, name="esx1", **host), **values | changes)


@pytest.mark.parametrize(
    ("asked", "surroundings", "says"),
    [
        ({}, {"hardware": 8}, r"nested virtualization needs virtual hardware vmx-09 \(ESXi 5\.1\); the VM's is vmx-08"),
        ({}, {"nested": False}, r"host esx1 does not offer nested virtualization \(nestedHVSupported is false\)"),
        (
            {"vtd": True},
            {"fields": FIELDS - {"vvtdEnabled"}, "api": "6.5"},
            "vvtdEnabled needs API 6.7; 6.5 was negotiated",
        ),
        (VBS, {"fields": FIELDS - {"vbsEnabled"}}, "vbsEnabled needs API 6.7"),
        ({"tpm": True, "firmware": Firmware.UEFI}, {"fields": FIELDS - {"VirtualTPM"}}, "VirtualTPM needs API 6.7"),
        ({"secure_boot": True, "firmware": Firmware.UEFI}, {"fields": frozenset({"nestedHVEnabled"})}, "needs API 6.5"),
        ({}, {"fields": frozenset()}, "nestedHVEnabled needs API 5.1"),
        ({"secure_boot": True}, {}, "secure boot needs spec.firmware: UEFI"),
        (
            {"secure_boot": True, "firmware": Firmware.UEFI},
            {"hardware": 11},
            "secure boot needs virtual hardware vmx-13",
        ),
        ({"vtd": True}, {"hardware": 13}, "a virtual IOMMU needs virtual hardware vmx-14"),
        (VBS | {"secure_boot": False}, {}, "also needs securityProfile.secureBoot: true"),
        (VBS | {"nested": False}, {}, "also needs performanceProfile.nestedVirtualization: true"),
        (VBS | {"vtd": False}, {}, "also needs securityProfile.vtdEnabled: true"),
        (VBS, {"hardware": 17, "vendor": "amd"}, "virtualization-based security on amd needs virtual hardware vmx-19"),
        ({"tpm": True}, {}, "a virtual TPM needs spec.firmware: UEFI"),
        ({"tpm": True, "firmware": Firmware.UEFI, "tpm_version": "1.2"}, {}, "virtual TPM is version 2.0, not 1.2"),
        ({"tpm": True, "firmware": Firmware.UEFI}, {"key_providers": ()}, "needs a key provider, and vCenter has none"),
        ({"tpm": True, "firmware": Firmware.UEFI}, {"hardware": 13}, "a virtual TPM needs virtual hardware vmx-14"),
        ({"latency_sensitivity": "high"}, {"hardware": 13}, "high latency sensitivity needs virtual hardware vmx-14"),
        (
            {"nested": False},
            {"hardware": 8, "counters": True},
            "counting performance in the VM needs virtual hardware vmx-09",
        ),
        (
            {},
            {"counters": True, "host_counters": False},
            r"does not offer virtual performance counters \(vPMCSupported",
        ),
        ({"gpus": Gpus(1)}, {}, "refuses nested virtualization together with a passthrough device"),
        ({"gpus": Gpus(1), "nested": False}, {}, "nestproof passes no devices through"),
        ({"encrypted": True}, {}, "nestproof encrypts no VMs"),
    ],
)
def test_every_gate_refuses_in_one_line(asked: dict[str, Any], surroundings: dict[str, Any], says: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        check(vm(**asked), there(**surroundings))
    assert caught.value.refused
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("vm.yaml:")


@pytest.mark.parametrize(
    ("asked", "surroundings"),
    [
        ({}, {}),
        ({}, {"hardware": 9}),
        ({}, {"nested": None}),  # not told is no refusal
        ({"nested": False}, {"hardware": 8, "nested": False, "fields": frozenset()}),
        ({}, {"counters": True}),  # the host does not say
        (VBS, {"hardware": 14}),
        (VBS, {"hardware": 19, "vendor": "amd"}),
        ({"tpm": True, "firmware": Firmware.UEFI}, {"key_providers": None}),
    ],
)
def test_what_can_work_is_let_through(asked: dict[str, Any], surroundings: dict[str, Any]) -> None:
    assert refusals(vm(**asked), there(**surroundings)) == ()


def test_the_place_of_the_field_and_the_number_of_the_others_are_told() -> None:
    with pytest.raises(ProviderError) as caught:
        check(vm(latency_sensitivity="high"), there(hardware=8))
    assert str(caught.value).startswith(str(vm().origins[NESTED]))
    assert "(and 1 more)" in str(caught.value)
    assert "virtualHW.version: '9'" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "number"), [("vmx-19", 19), ("vmx-08", 8), ("", 0), ("vmx-", 0), ("19", 0), ("vmx-9999", 0)]
)
def test_hardware_versions(text: str, number: int) -> None:
    assert version_of(text) == number


@pytest.mark.parametrize(
    ("hardware", "release"), [(9, "5.1"), (14, "6.7"), (16, "7.0"), (22, "9.0"), (99, "a newer ESXi")]
)
def test_the_first_esxi_with_a_hardware_version(hardware: int, release: str) -> None:
    assert release_of(hardware) == release
