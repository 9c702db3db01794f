"""Storage in a libvirt pool: what works at any URI, because every byte goes through libvirt itself.

Volumes are named `nestproof.<namespace>.<name>.disk.qcow2`, the same with `.seed.iso` and `.extra_<disk>.qcow2`, and
`nestproof.base.<sha256>.<format>`. A volume cannot be renamed, so a base image counts only when the empty volume
`<its name>.complete` stands beside it, which is made after the upload.
"""

import shlex
import threading
from collections.abc import Iterable
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

import libvirt

from provision.images import LocalImage
from provision.provider import Progress, ProviderError
from provision.providers.libvirt.fitting import PREALLOCATION
from provision.providers.libvirt.places import Places
from provision.providers.libvirt.storage import Layout, VmKey
from provision.providers.libvirt.xmltext import parse_xml

POOL = "default"
FILE_POOLS = ("dir", "fs", "netfs")
BASE = "nestproof.base."
COMPLETE = ".complete"
BLOCK = 1 << 20


class PoolStorage:
    """See `storage.Storage`. Uses the pool `default`, which has to exist: making pools is the administrator's."""

    def __init__(self, connection: "libvirt.virConnect", shown: str) -> None:
        self._connection = connection
        self._shown = shown
        self._opened: libvirt.virStoragePool | None = None
        #: held while a base image is made or taken into use, and while those that nobody uses are removed
        self._bases = threading.Lock()

    def places(self, key: VmKey) -> Places:
        directory = PurePosixPath(parse_xml(self._pool().XMLDesc()).findtext("target/path", "/"))
        return Places(
            disk=directory / _disk(key), seed=directory / _seed(key), extras=str(directory / _extra(key, "{}"))
        )

    def complete(self, key: VmKey) -> bool:
        return all(self._volume(name) is not None for name in (_disk(key), _seed(key)))

    def create(self, key: VmKey, image: LocalImage, layout: Layout, seed: bytes, progress: Progress) -> None:
        self._clear((_disk(key), _seed(key)))
        with self._bases:
            base = self._base(image, progress)
            self._make(_disk(key), "qcow2", layout.disk_gib << 30, backing=(base.path(), image.format))
        self._adjust_extras(key, layout)
        self._upload(self._make(_seed(key), "raw", len(seed)), seed)

    def adjust(self, key: VmKey, layout: Layout) -> None:
        volume = self._volume(_disk(key))
        if volume is not None:
            _grow(volume, layout.disk_gib)
        self._adjust_extras(key, layout)

    def _adjust_extras(self, key: VmKey, layout: Layout) -> None:
        wanted = {_extra(key, disk.name): disk for disk in layout.extras}
        self._clear(name for name in self._extras(key) if name not in wanted)
        for name, disk in wanted.items():
            volume, taking = self._volume(name), disk.type in PREALLOCATION
            if volume is None:
                self._make(name, "qcow2", disk.size_gib << 30, taking=taking)
            else:
                _grow(volume, disk.size_gib)

    def _extras(self, key: VmKey) -> list[str]:
        start = _extra(key, "{}").partition("{}")[0]
        return sorted(name for v in self._pool().listAllVolumes() if (name := v.name()).startswith(start))

    def remove(self, key: VmKey) -> tuple[str, ...]:
        removed = self._clear((_disk(key), _seed(key), *self._extras(key)))
        with self._bases:
            return removed + self._remove_unused()

    def _remove_unused(self) -> tuple[str, ...]:
        """Base images that no disk is backed by."""
        removed: tuple[str, ...] = ()
        volumes = {volume.name(): volume for volume in self._pool().listAllVolumes()}
        used = {
            parse_xml(volume.XMLDesc()).findtext("backingStore/path", "")
            for name, volume in volumes.items()
            if name.startswith("nestproof.") and name.endswith(".disk.qcow2")
        }
        for name in sorted(volumes):
            if name.startswith(BASE) and not name.endswith(COMPLETE) and volumes[name].path() not in used:
                marker = volumes.get(name + COMPLETE)
                if marker is not None:  # first, so that a crash in between leaves an image that does not count
                    marker.delete()
                volumes[name].delete()
                removed += (f"base image {name}",)
        return removed

    def _clear(self, names: Iterable[str]) -> tuple[str, ...]:
        removed: tuple[str, ...] = ()
        for name in names:
            volume = self._volume(name)
            if volume is not None:
                volume.delete()
                removed += (f"volume {name}",)
        return removed

    def _base(self, image: LocalImage, progress: Progress) -> "libvirt.virStorageVol":
        name = f"{BASE}{image.sha256}.{image.format}"
        volume = self._volume(name)
        if volume is not None and self._volume(name + COMPLETE) is not None:
            return volume
        if volume is not None:  # an upload that was killed
            volume.delete()
        size = image.path.stat().st_size
        volume = self._make(name, "raw", size)
        progress(f"uploading {image.path.name}: {size >> 20} MiB")
        with image.path.open("rb") as file:
            stream = self._connection.newStream()
            volume.upload(stream, 0, size)
            stream.sendAll(lambda _stream, length, _opaque: file.read(length), None)
            stream.finish()
        self._make(name + COMPLETE, "raw", 0)
        return volume

    def _upload(self, volume: "libvirt.virStorageVol", data: bytes) -> None:
        stream = self._connection.newStream()
        volume.upload(stream, 0, len(data))
        for start in range(0, len(data), BLOCK):
            stream.send(data[start : start + BLOCK])
        stream.finish()

    def _make(
        self, name: str, form: str, size: int, *, backing: tuple[str, str] | None = None, taking: bool = False
    ) -> "libvirt.virStorageVol":
        volume = ET.Element("volume")
        ET.SubElement(volume, "name").text = name
        ET.SubElement(volume, "capacity").text = str(size)
        ET.SubElement(volume, "allocation").text = str(size if taking else 0)
        ET.SubElement(ET.SubElement(volume, "target"), "format", type=form)
        if backing:
            store = ET.SubElement(volume, "backingStore")
            ET.SubElement(store, "path").text = backing[0]
            ET.SubElement(store, "format", type=backing[1])
        return self._pool().createXML(ET.tostring(volume, encoding="unicode"), 0)

    def _volume(self, name: str) -> "libvirt.virStorageVol | None":
        try:
            return self._pool().storageVolLookupByName(name)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                return None
            raise

    def _pool(self) -> "libvirt.virStoragePool":
        if self._opened is None:
            self._opened = self._open_pool()
        return self._opened

    def _open_pool(self) -> "libvirt.virStoragePool":
        virsh = f"virsh -c {shlex.quote(self._shown)}"
        try:
            pool = self._connection.storagePoolLookupByName(POOL)
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            raise ProviderError(
                f"{self._shown}: there is no storage pool {POOL!r} for disks",
                hint=f"{virsh} pool-define-as {POOL} dir --target /var/lib/libvirt/images && "
                f"{virsh} pool-autostart {POOL} && {virsh} pool-start {POOL}",
            ) from e
        if not pool.isActive():
            fault = f"{self._shown}: storage pool {POOL!r} is not active"
            raise ProviderError(fault, hint=f"{virsh} pool-start {POOL}")
        kind = parse_xml(pool.XMLDesc()).get("type", "")
        if kind not in FILE_POOLS:
            raise ProviderError(
                f"{self._shown}: storage pool {POOL!r} is of type {kind}; "
                f"disks need one that keeps files ({', '.join(FILE_POOLS)})"
            )
        pool.refresh()
        return pool


def _grow(volume: "libvirt.virStorageVol", gib: int) -> None:
    if volume.info()[1] < gib << 30:
        volume.resize(gib << 30)


def _disk(key: VmKey) -> str:
    return f"nestproof.{key}.disk.qcow2"


def _seed(key: VmKey) -> str:
    return f"nestproof.{key}.seed.iso"


def _extra(key: VmKey, name: str) -> str:
    """No name of a VM has an underscore, so that this is never the disk of another one."""
    return f"nestproof.{key}.extra_{name}.qcow2"
