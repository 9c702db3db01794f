"""What a VM is made of on the disk, and the two ways to keep it: files of an embedded driver, volumes of a pool.

Names are always the same for one VM, so that whatever a killed run left can be found again. A base image is shared by
the VMs that were made from it and goes with the last of them.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from provision.images import LocalImage
from provision.provider import Progress, ProviderError
from provision.providers.libvirt.domain import Places, domain_name

SAFE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Kubernetes names (DNS labels, dots in between): what may become part of a path."""


@dataclass(frozen=True, slots=True)
class VmKey:
    """The identity of a VM, proven fit for file names."""

    namespace: str
    name: str

    def __post_init__(self) -> None:
        for part, longest in ((self.namespace, 63), (self.name, 120)):
            if not SAFE.fullmatch(part) or len(part) > longest:
                raise ProviderError(
                    f"{part[:130]!r} cannot name a VM: lower-case letters, digits, '-' and '.', at most {longest}"
                )
        if "." in self.namespace:
            raise ProviderError(f"namespace {self.namespace!r} must not contain a dot")

    def __str__(self) -> str:
        return domain_name(self.namespace, self.name)


class Storage(Protocol):
    """Where disks and seeds live. Errors are ProviderError or libvirtError."""

    def places(self, key: VmKey) -> Places:
        """Where this VM's parts are or will be, on the machine that runs it."""

    def complete(self, key: VmKey) -> bool:
        """The VM's disk and seed are there."""

    def create(self, key: VmKey, image: LocalImage, disk_gib: int, seed: bytes, progress: Progress) -> None:
        """Make disk and seed anew, replacing what is there. The VM must not be running."""

    def grow(self, key: VmKey, disk_gib: int) -> None:
        """Enlarge the disk of a VM that is not running."""

    def remove(self, key: VmKey) -> tuple[str, ...]:
        """Remove all that belongs to the VM and every base image that nobody uses; what was removed, for people."""
