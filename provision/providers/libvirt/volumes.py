"""Volumes of a storage pool: made, filled, enlarged, looked up. Every byte goes through libvirt itself."""

import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import libvirt

from hostcheck.paths import cache_dir
from provision import qemu_img
from provision.images import LocalImage
from provision.provider import ProviderError
from provision.providers.libvirt.xmltext import parse_xml

T = TypeVar("T")
BLOCK = 1 << 20
DEEPEST = 200
"""Layers over each other, which is what libvirt takes, too."""


def find(pool: "libvirt.virStoragePool", name: str) -> "libvirt.virStorageVol | None":
    """The volume of this name."""
    return _unless_gone(lambda: pool.storageVolLookupByName(name))


def delete(volume: "libvirt.virStorageVol") -> bool:
    """False when somebody else has done so: several VMs may be removed at once, and by several runs."""
    return _unless_gone(volume.delete) is not None


def path_of(volume: "libvirt.virStorageVol") -> str:
    """Its file; empty when it is gone."""
    return _unless_gone(volume.path) or ""


def backing_of(volume: "libvirt.virStorageVol") -> str:
    """The file that it is a layer over; empty when there is none, and when it is gone."""
    text = _unless_gone(volume.XMLDesc)
    return parse_xml(text).findtext("backingStore/path", "") if text else ""


def layers(connection: "libvirt.virConnect", path: str, ours: Collection[str]) -> list["libvirt.virStorageVol"]:
    """The volumes from the one at `path` down to one of `ours`, by name; none where it is not over any of them."""
    found: list[libvirt.virStorageVol] = []
    while path and len(found) < DEEPEST:
        volume = _unless_gone(partial(connection.storageVolLookupByPath, path))
        if volume is None:
            return []
        if volume.name() in ours:
            return found
        found.append(volume)
        path = backing_of(volume)
    return []


def is_locked(volume: "libvirt.virStorageVol") -> bool:
    """A QEMU has this qcow2 open for writing: qemu-img then does not even give it the size that it has."""
    try:
        volume.resize(volume.info()[1])
    except libvirt.libvirtError as e:
        return 'Failed to get "write" lock' in str(e)
    return False


def _unless_gone(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except libvirt.libvirtError as e:
        if e.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise


def make(
    pool: "libvirt.virStoragePool", name: str, form: str, size: int, *,
    backing: tuple[str, str] | None = None, taking: bool = False,
) -> "libvirt.virStorageVol":  # fmt: skip
    """A new volume of `size` bytes. `taking` them at once is what libvirt does for raw ones alone."""
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity").text = str(size)
    ET.SubElement(volume, "allocation").text = str(size if taking else 0)
    ET.SubElement(ET.SubElement(volume, "target"), "format", type=form)
    if backing:
        store = ET.SubElement(volume, "backingStore")
        ET.SubElement(store, "path").text = backing[0]
        ET.SubElement(store, "format", type=backing[1])
    return pool.createXML(ET.tostring(volume, encoding="unicode"), 0)


def grow(volume: "libvirt.virStorageVol", gib: int, *, taking: bool) -> None:
    """Make it `gib` GiB large unless it is."""
    if volume.info()[1] < gib << 30:
        volume.resize(gib << 30, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE if taking else 0)


def upload(connection: "libvirt.virConnect", volume: "libvirt.virStorageVol", data: bytes) -> None:
    """Fill a volume."""
    stream = connection.newStream()
    volume.upload(stream, 0, len(data))
    for start in range(0, len(data), BLOCK):
        stream.send(data[start : start + BLOCK])
    stream.finish()


def upload_file(connection: "libvirt.virConnect", volume: "libvirt.virStorageVol", path: Path) -> None:
    """Fill a volume with a file as it is."""
    with path.open("rb") as file:
        stream = connection.newStream()
        volume.upload(stream, 0, path.stat().st_size)
        stream.sendAll(lambda _stream, length, _opaque: file.read(length), None)
        stream.finish()


def upload_disk(connection: "libvirt.virConnect", volume: "libvirt.virStorageVol", image: LocalImage) -> None:
    """Fill a raw volume with what a guest sees of the image; what is empty in it is not sent."""
    if image.format == "raw":
        _upload_sparse(connection, volume, image.path)
        return
    import tempfile  # late: it takes longer to import than all of this

    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="raw-") as directory:
        flat = Path(directory, "disk.raw")
        try:
            qemu_img.flatten(flat, image.path, image.format)
        except ValueError as e:
            raise ProviderError(f"cannot make the disk: {e}") from e
        _upload_sparse(connection, volume, flat)


def _upload_sparse(connection: "libvirt.virConnect", volume: "libvirt.virStorageVol", path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        stream = connection.newStream()
        volume.upload(stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        stream.sparseSendAll(
            lambda _stream, length, _opaque: os.read(descriptor, length),
            lambda _stream, _opaque: _section(descriptor),
            lambda _stream, length, _opaque: os.lseek(descriptor, length, os.SEEK_CUR),
            None,
        )
        stream.finish()
    finally:
        os.close(descriptor)


def _section(descriptor: int) -> tuple[bool, int]:
    """Whether a file has data where it stands, and for how many bytes that goes on; see lseek(2)."""
    here, end = os.lseek(descriptor, 0, os.SEEK_CUR), os.fstat(descriptor).st_size
    try:
        data = os.lseek(descriptor, here, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing but a hole up to the end
        data = end
    until = os.lseek(descriptor, here, os.SEEK_HOLE) if data == here < end else data
    os.lseek(descriptor, here, os.SEEK_SET)
    return data == here < end, until - here
