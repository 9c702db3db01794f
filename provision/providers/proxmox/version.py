"""Versions of Proxmox VE as far as they are told apart here. Pure."""

import re

import msgspec

from provision.provider import ProviderError

OLDEST = (7, 0)
GUEST_AGENT_PRIVILEGES = (9, 0)
CPU_FLAG_LIST = (9, 0, 12)
"""GET /nodes/{node}/capabilities/qemu/cpu-flags is there, pve-manager."""


class Version(msgspec.Struct, frozen=True):
    """pve-manager's, as GET /version gives it."""

    parts: tuple[int, ...]

    @classmethod
    def read(cls, text: str) -> "Version":
        """`8.4.1`, `7.4-17`. Raises ProviderError for what is no version or too old."""
        found = re.match(r"(\d+)\.(\d+)(?:[.-](\d+))?", text)
        if not found:
            raise ProviderError(f"it does not say which version of Proxmox VE it is: {text[:40]!r}")
        version = cls(tuple(int(part) for part in found.groups() if part is not None))
        if version < OLDEST:
            raise ProviderError(f"Proxmox VE {version} is not supported: 7.0 or newer is", refused=True)
        return version

    def __lt__(self, other: "Version | tuple[int, ...]") -> bool:
        return self.parts < (other.parts if isinstance(other, Version) else other)

    def __ge__(self, other: "Version | tuple[int, ...]") -> bool:
        return not self < other

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.parts)

    @property
    def file_read_privilege(self) -> str:
        """What reading a file through the guest agent takes."""
        return "VM.GuestAgent.FileRead" if self >= GUEST_AGENT_PRIVILEGES else "VM.Monitor"
