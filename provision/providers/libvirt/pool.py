"""Storage in libvirt's pools: what works at any URI, because every byte goes through libvirt itself.

Volumes are named `nestproof.<namespace>.<name>.disk.qcow2`, the same with `.seed.iso` and `.extra_<disk>.qcow2`, and
`nestproof.base.<sha256>.<format>`. A disk that takes its space at once is raw, which is all that libvirt allocates.
A volume cannot be renamed, so a base image counts only when the empty volume `<its name>.complete` stands beside it,
which is made after the upload, and a disk only when there is a seed, which is made last.
"""

import re
import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath

import libvirt

from provision.images import LocalImage
from provision.provider import Progress, ProviderError
from provision.providers.libvirt import domains, volumes
from provision.providers.libvirt.fitting import DEFAULT_POOL, PREALLOCATION
from provision.providers.libvirt.places import Places
from provision.providers.libvirt.pools import Pools
from provision.providers.libvirt.site import Site
from provision.providers.libvirt.storage import Layout, Stock, VmKey
from provision.room import SMALL, Need, Place

OURS = "nestproof."
BASE = "nestproof.base."
COMPLETE = ".complete"
IS_BASE = re.compile(r"nestproof\.base\.[0-9a-f]{64}\.[a-z0-9]+")
"""Unlike a disk of a VM in a namespace that is called `base`."""


class PoolStorage:
    """See `storage.Storage`. Disks and seed of a VM are in one pool, the image that they are over may be in another."""

    def __init__(self, pools: Pools, site: Site) -> None:
        self._pools = pools
        self._connection = pools.connection
        self._site = site
        self._name = site.pool or DEFAULT_POOL
        self._image_name = site.image_pool or self._name

    def places(self, key: VmKey) -> Places:
        directory = self._pools.directory(self._name, self._site.pool_at)
        extras = str(directory / _extra(key, "{}", ""))
        raw = self._site.raw - {""}
        return Places(disk=directory / self._disk(key), seed=directory / _seed(key), extras=extras, raw=raw)

    def complete(self, key: VmKey) -> bool:
        return all(self._volume(name) is not None for name in (self._disk(key), _seed(key)))

    def needs(self, key: VmKey, layout: Layout, stock: Stock | None) -> tuple[Need, ...]:
        here, whole = self._place(self._name, self._pool()), layout.disk_gib << 30
        needs = [Need(here, "seed", SMALL)]
        for disk in layout.extras:
            most, what, raw = disk.size_gib << 30, f"disk {disk.name}", disk.name in self._site.raw
            if self._volume(self._extra(key, disk.name)) is None:
                needs.append(Need(here, what, most) if raw else Need(here, what, 0, most))
        if stock is not None and self._site.thick:
            before = self._volume(self._disk(key))  # which is removed first
            needs.append(Need(here, "the disk of the image", max(0, whole - (before.info()[2] if before else 0))))
        elif stock is not None:
            needs.append(Need(here, "the disk of the image", 0, whole))
            if not (stock.image and self._has_base(stock.image)):
                there = here if self._image_name == self._name else self._place(self._image_name, self._image_pool())
                needs.append(Need(there, f"the image {stock.name}", stock.size, shared=stock.key))
        return tuple(needs)

    def create(self, key: VmKey, image: LocalImage, layout: Layout, seed: bytes, progress: Progress) -> None:
        self._clear((_disk(key, ".qcow2"), _disk(key, ".raw"), _seed(key)))
        if self._site.thick:
            volume = volumes.make(self._pool(), self._disk(key), "raw", layout.disk_gib << 30, taking=True)
            progress(f"uploading {image.path.name}: {image.size >> 20} MiB")
            volumes.upload_disk(self._connection, volume, image)
        else:
            with self._pools.bases:
                base = self._base(image, progress)
                size, backing = layout.disk_gib << 30, (base.path(), image.format)
                volumes.make(self._pool(), self._disk(key), "qcow2", size, backing=backing)
        self._adjust_extras(key, layout)
        volumes.upload(self._connection, volumes.make(self._pool(), _seed(key), "raw", len(seed)), seed)

    def adjust(self, key: VmKey, layout: Layout) -> None:
        volume = self._volume(self._disk(key))
        if volume is not None:
            volumes.grow(volume, layout.disk_gib, taking=self._site.thick)
        self._adjust_extras(key, layout)

    def reach(self) -> None:
        self._pool()
        if not self._site.thick:
            self._image_pool()

    def check_idle(self, key: VmKey) -> None:
        for pool in self._pools.all():
            for name in (_disk(key, ".qcow2"), *_extras(key, pool)):
                volume = volumes.find(pool, name)
                if volume is not None and volumes.is_locked(volume):
                    raise ProviderError(
                        f"{self._pools.place(pool.name())}: {name} is in use by a QEMU that this libvirt does not know",
                        hint="was the VM migrated to another host? Then say so in the Provider that it refers to",
                    )

    def remove(self, key: VmKey, files: tuple[str, ...] = ()) -> tuple[str, ...]:
        extras = sorted({name for pool in self._pools.all() for name in _extras(key, pool)})
        names = (_disk(key, ".qcow2"), _disk(key, ".raw"), _seed(key), *extras)
        foreign = [file for file in files if PurePosixPath(file).name not in names]
        if foreign:  # made since the pools were read
            for pool in self._pools.all():
                pool.refresh()
        layers = [layer for file in foreign for layer in volumes.layers(self._connection, file, names)]
        removed = tuple(f"volume {layer.name()}" for layer in layers if volumes.delete(layer)) + self._clear(names)
        with self._pools.bases:
            return removed + self._remove_unused()

    def _adjust_extras(self, key: VmKey, layout: Layout) -> None:
        wanted = {self._extra(key, disk.name): disk for disk in layout.extras}
        extra = _extra(key, "", "")
        for volume in self._pool().listAllVolumes():
            if volume.name().startswith(extra) and volume.name() not in wanted:
                volume.delete()
        for name, disk in wanted.items():
            found, raw = self._volume(name), disk.name in self._site.raw
            taking = raw and disk.type in PREALLOCATION
            if found is None:
                volumes.make(self._pool(), name, "raw" if raw else "qcow2", disk.size_gib << 30, taking=taking)
            else:
                volumes.grow(found, disk.size_gib, taking=taking)

    def _clear(self, names: Iterable[str]) -> tuple[str, ...]:
        """Delete volumes of the VM in whatever pool they are: a run that was killed may have had another one."""
        removed: tuple[str, ...] = ()
        pools = self._pools.all()
        for name in names:
            for pool in pools:
                volume = volumes.find(pool, name)
                if volume is not None and volumes.delete(volume):
                    removed += (f"volume {name}",)
        return removed

    def _remove_unused(self) -> tuple[str, ...]:
        """Base images that no disk is backed by, and no VM says that it was made from."""
        there = [volume for pool in self._pools.all() for volume in pool.listAllVolumes()]
        bases = [volume for volume in there if IS_BASE.fullmatch(volume.name())]
        unused = {volumes.path_of(volume): volume for volume in bases}
        for volume in there if unused else ():
            if volume.name().startswith(OURS) and volume.name().endswith(".disk.qcow2"):
                unused.pop(volumes.backing_of(volume), None)
        said = domains.images(self._connection) if unused else set()  # of those whose pools cannot be looked into
        removed: tuple[str, ...] = ()
        for _, volume in sorted(unused.items()):
            name = volume.name()
            if name.removeprefix(BASE).partition(".")[0] in said:
                continue
            marker = volumes.find(volume.storagePoolLookupByVolume(), name + COMPLETE)
            if marker is not None:  # first, so that a crash in between leaves an image that does not count
                volumes.delete(marker)
            if volumes.delete(volume):
                removed += (f"base image {name}",)
        return removed

    def _has_base(self, image: LocalImage) -> bool:
        return all(volumes.find(self._image_pool(), _base(image) + part) is not None for part in ("", COMPLETE))

    def _base(self, image: LocalImage, progress: Progress) -> "libvirt.virStorageVol":
        pool, name = self._image_pool(), _base(image)
        volume = volumes.find(pool, name)
        if volume is not None and self._has_base(image):
            return volume
        if volume is not None:  # an upload that was killed
            volume.delete()
        size = image.path.stat().st_size
        volume = volumes.make(pool, name, "raw", size)
        progress(f"uploading {image.path.name}: {size >> 20} MiB")
        volumes.upload_file(self._connection, volume, image.path)
        volumes.make(pool, name + COMPLETE, "raw", 0)
        return volume

    def _place(self, name: str, pool: "libvirt.virStoragePool") -> Place:
        hint = f"make room there, or name another pool; {self._pools.virsh} pool-info {shlex.quote(name)}"
        return Place(self._pools.space(name), self._pools.place(name), pool.info()[3], hint)

    def _volume(self, name: str) -> "libvirt.virStorageVol | None":
        return volumes.find(self._pool(), name)

    def _pool(self) -> "libvirt.virStoragePool":
        return self._pools.open(self._name, self._site.pool_at)

    def _image_pool(self) -> "libvirt.virStoragePool":
        return self._pools.open(self._image_name, self._site.image_at)

    def _disk(self, key: VmKey) -> str:
        return _disk(key, ".raw" if self._site.thick else ".qcow2")

    def _extra(self, key: VmKey, name: str) -> str:
        return _extra(key, name, ".raw" if name in self._site.raw else ".qcow2")


def _disk(key: VmKey, ending: str) -> str:
    return f"nestproof.{key}.disk{ending}"


def _seed(key: VmKey) -> str:
    return f"nestproof.{key}.seed.iso"


def _extra(key: VmKey, name: str, ending: str) -> str:
    """No name of a VM has an underscore, so that this is never the disk of another one."""
    return f"nestproof.{key}.extra_{name}{ending}"


def _extras(key: VmKey, pool: "libvirt.virStoragePool") -> list[str]:
    """The names of its extra disks there."""
    return [name for volume in pool.listAllVolumes() if (name := volume.name()).startswith(_extra(key, "", ""))]


def _base(image: LocalImage) -> str:
    return f"{BASE}{image.sha256}.{image.format}"
