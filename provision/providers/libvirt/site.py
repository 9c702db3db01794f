"""Where the disks of one VM are kept, and in which form: as wanted, or as its record says that they were made. Pure."""

import msgspec

from provision.model import VmSpec
from provision.providers.libvirt.choose import where
from provision.providers.libvirt.fitting import IMAGE_POOLS
from provision.providers.libvirt.record import Settings, extra_disks

DATASTORE = "VirtualMachine spec.placement.datastore"
DEFAULT_DATASTORE = "Provider spec.defaults.datastore"


class Site(msgspec.Struct, frozen=True):
    """For an embedded driver, which has no pools, all of it is empty."""

    pool: str = ""
    """Of disks and seed; empty: the default."""
    image_pool: str = ""
    """Of the image that the disk is over; empty: the same."""
    raw: frozenset[str] = frozenset()
    """Names of disks that are raw volumes; empty: the image's disk."""
    pool_at: str = ""
    """`FILE:LINE:COLUMN: ` of what names the pool."""
    image_at: str = ""

    @property
    def thick(self) -> bool:
        """The image's disk takes all of its space at once."""
        return "" in self.raw


def site_of(settings: Settings, *, pooled: bool, vm: VmSpec | None = None) -> Site:
    """`vm` is whose manifests name the pools."""
    if not pooled:
        return Site()
    raw = {disk.name for disk in extra_disks(settings) if disk.raw}
    if settings.preallocation:
        raw.add("")
    if vm is None:
        return Site(settings.pool, settings.image_pool, frozenset(raw))
    image_at = where(vm, image_pool_path(vm) if vm.image.storage else pool_path(vm))
    return Site(
        settings.pool, settings.image_pool, frozenset(raw), f"{where(vm, pool_path(vm))}: ", f"{image_at}: "
    )  # fmt: skip


def pool_path(vm: VmSpec) -> str:
    """The field that says which pool a VM's disks go to."""
    return _asked_by(vm, DATASTORE, DEFAULT_DATASTORE)


def image_pool_path(vm: VmSpec) -> str:
    """The field that says which pool its image goes to."""
    return _asked_by(vm, *IMAGE_POOLS)


def _asked_by(vm: VmSpec, *paths: str) -> str:
    """The first of these fields that the user set, else the first."""
    given = {each.path for each in vm.fields}
    return next((path for path in paths if path in given), paths[0])
