"""What has to be true before a setting is sent: API version, virtual hardware version, host, and what goes with it.

Pure. vSphere accepts some of these settings and loses them, or takes them and fails at the start; here they are refused
with the place of the field. Sources: VMware's API reference, its table of hardware versions (KB 2007240), and the
documentation of VBS and vTPM.
"""

import re
from typing import Any

import msgspec

from provision.model import Firmware, VmSpec
from provision.provider import ProviderError

PROFILE = "VMClass spec.performanceProfile."
SECURITY = "VMClass spec.securityProfile."
RELEASES = ((22, "9.0"), (21, "8.0 U2"), (20, "8.0"), (19, "7.0 U2"), (18, "7.0 U1"), (17, "7.0"), (15, "6.7 U2"),
            (14, "6.7"), (13, "6.5"), (11, "6.0"), (10, "5.5"), (9, "5.1"), (8, "5.0"))  # fmt: skip
"""Virtual hardware version -> the first ESXi that has it."""


class HostFacts(msgspec.Struct, frozen=True):
    """What of a host decides whether a VM can have what it wants there."""

    ref: Any
    name: str
    nested: bool | None
    """capability.nestedHVSupported; None where the API does not say."""
    vendor: str
    """intel or amd."""
    version: str
    """Of ESXi."""
    mhz: int
    counters: bool | None = None
    """capability.vPMCSupported; None where the API does not say."""
    unusable: str = ""
    free_mib: int = 0


class Surroundings(msgspec.Struct, frozen=True):
    """What a VM's settings have to fit."""

    api: str
    """Negotiated version, for people."""
    fields: frozenset[str]
    """Of the fields that newer APIs brought, those that the negotiated one has."""
    hardware: int
    """The VM's virtual hardware version: the NN of vmx-NN."""
    host: HostFacts
    key_providers: tuple[str, ...] | None
    """Names; None when this account may not see them."""
    counters: bool = False
    """The VM is to have virtual performance counters."""


class Refusal(msgspec.Struct, frozen=True):
    """One setting that cannot work there."""

    path: str
    """Of the field in the manifest."""
    why: str
    hint: str = ""


def refusals(vm: VmSpec, there: Surroundings) -> tuple[Refusal, ...]:
    """Every setting of a VM that cannot work there, the gravest first."""
    found: list[Refusal] = []
    if vm.nested:
        found += _nested(there)
    found += _api(vm, there)
    found += _firmware(vm, there)
    found += _vbs(vm, there)
    if vm.vtd and there.hardware < 14:
        found.append(_too_old(f"{SECURITY}vtdEnabled", "a virtual IOMMU", 14, there))
    found += _tpm(vm, there)
    if vm.latency_sensitivity == "high" and there.hardware < 14:
        found.append(_too_old(f"{PROFILE}latencySensitivity", "high latency sensitivity", 14, there))
    found += _counters(there)
    found += _never(vm)
    return tuple(found)


def check(vm: VmSpec, there: Surroundings) -> None:
    """Raises ProviderError with the first refusal, at its place in the manifest; the others are counted."""
    found = refusals(vm, there)
    if found:
        first = found[0]
        where = vm.origins.get(first.path) or vm.origins["vm"]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ProviderError(f"{where}: {first.why}{more}", hint=first.hint, refused=True)


def version_of(hardware: str) -> int:
    """19 of vmx-19; 0 for what is no hardware version."""
    match = re.fullmatch(r"vmx-(\d{1,3})", hardware)
    return int(match[1]) if match else 0


def release_of(hardware: int) -> str:
    """The first ESXi with a hardware version."""
    return next((release for known, release in reversed(RELEASES) if known >= hardware), "a newer ESXi")


def _nested(there: Surroundings) -> list[Refusal]:
    path, host = f"{PROFILE}nestedVirtualization", there.host
    if there.hardware < 9:
        return [_too_old(path, "nested virtualization", 9, there)]
    if host.nested is False:
        hint = (
            f"switch on VT-x and EPT (Intel) or AMD-V and RVI (AMD) in the firmware setup of {host.name} and reboot, "
            "or place the VM on another host: nestproof check vsphere://... lists them"
        )
        return [
            Refusal(path, f"host {host.name} does not offer nested virtualization (nestedHVSupported is false)", hint)
        ]
    return []


def _api(vm: VmSpec, there: Surroundings) -> list[Refusal]:
    wanted = (
        (vm.vbs, "vbsEnabled", f"{PROFILE}virtualizationBasedSecurity", "6.7"),
        (vm.vtd, "vvtdEnabled", f"{SECURITY}vtdEnabled", "6.7"),
        (vm.tpm, "VirtualTPM", f"{SECURITY}tpmEnabled", "6.7"),
        (vm.secure_boot, "efiSecureBootEnabled", f"{SECURITY}secureBoot", "6.5"),
        (vm.nested, "nestedHVEnabled", f"{PROFILE}nestedVirtualization", "5.1"),
    )
    return [
        Refusal(
            path,
            f"{field} needs API {first}; {there.api} was negotiated, and the setting would be lost without a word",
            f"upgrade vCenter to {first} or later",
        )
        for asked, field, path, first in wanted
        if asked and field not in there.fields
    ]


def _firmware(vm: VmSpec, there: Surroundings) -> list[Refusal]:
    if not vm.secure_boot:
        return []
    path = f"{SECURITY}secureBoot"
    if vm.firmware is not Firmware.UEFI:
        return [Refusal(path, "secure boot needs spec.firmware: UEFI")]
    return [_too_old(path, "secure boot", 13, there)] if there.hardware < 13 else []


def _vbs(vm: VmSpec, there: Surroundings) -> list[Refusal]:
    if not vm.vbs:
        return []
    path = f"{PROFILE}virtualizationBasedSecurity"
    needs = (
        (vm.nested, "performanceProfile.nestedVirtualization: true"),
        (vm.vtd, "securityProfile.vtdEnabled: true"),
        (vm.secure_boot, "securityProfile.secureBoot: true"),
        (vm.firmware is Firmware.UEFI, "firmware: UEFI"),
    )
    lacking = [words for given, words in needs if not given]
    found = [Refusal(path, f"virtualization-based security also needs {', '.join(lacking)}")] if lacking else []
    least = 19 if there.host.vendor == "amd" else 14
    if there.hardware < least:
        found.append(
            _too_old(path, f"virtualization-based security on {there.host.vendor or 'this CPU'}", least, there)
        )
    return found


def _tpm(vm: VmSpec, there: Surroundings) -> list[Refusal]:
    if not vm.tpm:
        return []
    path = f"{SECURITY}tpmEnabled"
    if vm.tpm_version not in ("", "2.0"):
        return [Refusal(f"{SECURITY}tpmVersion", f"vSphere's virtual TPM is version 2.0, not {vm.tpm_version}")]
    found = []
    if vm.firmware is not Firmware.UEFI:
        found.append(Refusal(path, "a virtual TPM needs spec.firmware: UEFI"))
    if there.hardware < 14:
        found.append(_too_old(path, "a virtual TPM", 14, there))
    if there.key_providers == ():
        hint = "add a Native Key Provider to vCenter: Configure > Security > Key Providers"
        found.append(Refusal(path, "a virtual TPM needs a key provider, and vCenter has none", hint))
    return found


def _counters(there: Surroundings) -> list[Refusal]:
    path = "VMClass spec.extraConfig.vpmc.enable"
    if not there.counters:
        return []
    if there.hardware < 9:
        return [_too_old(path, "counting performance in the VM", 9, there)]
    if there.host.counters is False:
        why = f"host {there.host.name} does not offer virtual performance counters (vPMCSupported is false)"
        return [Refusal(path, why, "leave out vpmc.enable, or place the VM on another host")]
    return []


def _never(vm: VmSpec) -> list[Refusal]:
    found = []
    if vm.gpus is not None:
        path = "VirtualMachine spec.resources.gpu"
        why = "nestproof passes no devices through on vSphere"
        if vm.nested:
            why = "vSphere refuses nested virtualization together with a passthrough device (KB 437651)"
        found.append(Refusal(path, why, "leave out spec.resources.gpu"))
    if vm.encrypted:
        path = f"{SECURITY}encryptionPolicy"
        found.append(Refusal(path, "nestproof encrypts no VMs", "encrypt it by a storage policy in vCenter afterwards"))
    return found


def _too_old(path: str, what: str, least: int, there: Surroundings) -> Refusal:
    return Refusal(
        path,
        f"{what} needs virtual hardware vmx-{least:02} (ESXi {release_of(least)}); the VM's is vmx-{there.hardware:02}",
        f"upgrade the template, or ask for it here: VMClass spec.extraConfig: {{virtualHW.version: '{least}'}}",
    )
