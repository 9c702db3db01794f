"""What a VM is made of on the disk, and the two ways to keep it: files of an embedded driver, volumes of a pool.

Names are always the same for one VM, so that whatever a killed run left can be found again. A base image is shared by
the VMs that were made from it and goes with the last of them.
"""

import re
from typing import Protocol

import msgspec

from provision.images import LocalImage
from provision.model import ExtraDisk, ImageSpec
from provision.provider import Progress, ProviderError
from provision.providers.libvirt.places import Places, domain_name
from provision.room import Need

SAFE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Kubernetes names (DNS labels, dots in between): what may become part of a path."""


class VmKey(msgspec.Struct, frozen=True):
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


class Layout(msgspec.Struct, frozen=True):
    """The disks of a VM. Space is taken as it is written, unless `preallocation` says otherwise (qemu-img's word)."""

    disk_gib: int
    preallocation: str = ""
    extras: tuple[ExtraDisk, ...] = ()

    def __post_init__(self) -> None:
        names = [disk.name for disk in self.extras]
        for name in names:
            if not SAFE.fullmatch(name) or len(name) > 63 or names.count(name) > 1:
                raise ProviderError(
                    f"{name[:70]!r} cannot name one of the VM's disks: lower-case letters, digits and '-', each once"
                )


class Stock(msgspec.Struct, frozen=True):
    """The image that a disk is to be made from, as far as it is known."""

    name: str
    """For people."""
    key: str
    """The same for all VMs that start from it."""
    size: int
    """Bytes of its file; 0 while it is not here and nobody tells."""
    image: LocalImage | None
    """None while it is not here."""


def stock_of(image: ImageSpec, found: LocalImage | None) -> tuple[Stock, tuple[Need, ...]]:
    """`found` is the image where it is here; else its server is asked how large it is, and the download takes that."""
    if found is not None:
        return Stock(found.path.name, found.sha256, found.path.stat().st_size, found), ()
    from provision.fetching import coming  # late: most images are here

    download = coming(image)
    if download is None:
        return Stock(image.name, image.name, 0, None), ()
    return Stock(image.name, f"disk of {download.shared}", download.now, None), (download,)


class Storage(Protocol):
    """Where one VM's disks and seed live. Errors are ProviderError or libvirtError."""

    def places(self, key: VmKey) -> Places:
        """Where this VM's parts are or will be, on the machine that runs it."""

    def complete(self, key: VmKey) -> bool:
        """The VM's disk and seed are there."""

    def needs(self, key: VmKey, layout: Layout, stock: Stock | None) -> tuple[Need, ...]:
        """What is to be made takes so much there. Raises ProviderError where it cannot be made.

        `stock` is None where no disk is made from an image.
        """

    def create(self, key: VmKey, image: LocalImage, layout: Layout, seed: bytes, progress: Progress) -> None:
        """Make disk and seed anew, replacing what is there; extra disks stay. The VM must not be running."""

    def adjust(self, key: VmKey, layout: Layout) -> None:
        """Enlarge the disks of a VM that is not running, make extra disks that are missing, remove those not wanted."""

    def reach(self) -> None:
        """All of it can be reached, so that it can be removed. Raises ProviderError."""

    def check_idle(self, key: VmKey) -> None:
        """What is there of a VM that has no domain is in nobody's use. Raises ProviderError."""

    def remove(self, key: VmKey, files: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Remove all that belongs to the VM and every base image that nobody uses; what was removed, for people.

        `files` are the disks that its domain had: what is a layer over one of ours is of no use without it, and goes.
        """
