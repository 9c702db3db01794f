"""What older versions of a provider make of a field; what its table says is true from there on. The providers refuse
the same by what they find on a host.
"""

import re
from collections.abc import Mapping

import msgspec

from provision.model import Handling

_APPROXIMATED, _REFUSED = Handling.APPROXIMATED, Handling.REFUSED


class Version(msgspec.Struct, frozen=True):
    """Of a provider, as people write it."""

    parts: tuple[int, ...]

    @classmethod
    def read(cls, text: str) -> "Version":
        """`9`, `6.5`, `8.0.3`. Raises ValueError for anything else."""
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}", text):
            raise ValueError(f"{text!r} is no version; write it as 8 or 8.2")
        return cls(tuple(int(part) for part in text.split(".")))

    def __lt__(self, other: "Version") -> bool:
        return self.parts < other.parts

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


class Since(msgspec.Struct, frozen=True):
    """From which version on the table holds, and what becomes of the field before."""

    version: Version
    before: tuple[Handling, str]


OLDEST: Mapping[str, Version] = {
    "libvirt": Version((6, 0)),
    "proxmox": Version((7, 0)),
    "vsphere": Version((5, 1)),
}
"""Older ones are not driven; what has no nested virtualization at all is too old as well."""


def _refused(what: str, *version: int) -> Since:
    since = Version(version)
    return Since(since, (_REFUSED, f"{what} needs {since} or newer"))


_CLASS = "VMClass spec."

SINCE: Mapping[str, Mapping[str, Since]] = {
    "libvirt": {
        "VirtualMachine spec.userData.ignition.**": _refused("handing over an Ignition config", 6, 5),
        f"{_CLASS}firmware=UEFI": Since(
            Version((7, 2)),
            (
                _APPROXIMATED,
                "<os firmware='efi'>; without Secure Boot on machine pc, which has no IOMMU: q35 would be given "
                "firmware for Secure Boot",
            ),
        ),
        f"{_CLASS}securityProfile.secureBoot=true": Since(
            Version((7, 2)),
            (_APPROXIMATED, "<loader secure='yes'>: whether keys are enrolled is up to the firmware found there"),
        ),
    },
    "proxmox": {
        f"{_CLASS}securityProfile.vtdEnabled": _refused("a virtual IOMMU", 8, 2),
        f"{_CLASS}securityProfile.tpmEnabled": _refused("a TPM", 7, 1),
        f"{_CLASS}securityProfile.secureBoot": _refused("Secure Boot with enrolled keys", 7, 1),
        f"{_CLASS}extraConfig.proxmox.cpu": _refused("a model with nesting that is no custom one", 9, 1),
        "VMImage spec.source.http.url": _refused("importing an image by the API, without a template,", 8, 4),
    },
    "vsphere": {
        f"{_CLASS}performanceProfile.virtualizationBasedSecurity": _refused("vbsEnabled", 6, 7),
        f"{_CLASS}performanceProfile.latencySensitivity=high": _refused("virtual hardware vmx-14", 6, 7),
        f"{_CLASS}securityProfile.vtdEnabled": _refused("vvtdEnabled", 6, 7),
        f"{_CLASS}securityProfile.tpmEnabled": _refused("a VirtualTPM", 6, 7),
        f"{_CLASS}securityProfile.secureBoot": _refused("efiSecureBootEnabled", 6, 5),
    },
}
"""Provider type -> patterns as in its table."""
