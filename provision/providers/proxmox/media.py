"""What is uploaded for a VM: its seed as an ISO image, the image of its disk; and taken away again.

The API takes ISO images from everybody who may upload; snippets, which `cicustom` needs, it takes from nobody.
"""

import hashlib
import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from provision.images import LocalImage
from provision.model import VmSpec
from provision.provider import Progress, ProviderError
from provision.providers.proxmox import tasks
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.facts import Node, Storage
from provision.providers.proxmox.faults import ApiError
from provision.providers.proxmox.record import TAG, guest_name
from provision.providers.proxmox.words import DATASTORE, refusal

ENDINGS = {"qcow2": ".qcow2", "raw": ".raw", "vmdk": ".vmdk"}
USUAL = "local"
"""The storage that every installation has, and that is for files."""


class _Volume(msgspec.Struct):
    volid: str


class _Named(io.BytesIO):
    """Bytes with a file name, as proxmoxer uploads them."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


class Volume(msgspec.Struct, frozen=True):
    """A file of a storage, as Proxmox names it."""

    storage: str
    kind: str
    """iso or import."""
    name: str

    def __str__(self) -> str:
        return f"{self.storage}:{self.kind}/{self.name}"


class Media:
    """Uploads to the storages of one cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._copying: dict[tuple[str, str], threading.Lock] = {}

    def put_seed(self, node: Node, namespace: str, name: str, seed: bytes, progress: Progress) -> str:
        """Upload a seed to where the node can read it; its volume."""
        storage = for_files(node.storages, "iso", node.name)
        digest = hashlib.sha256(seed).hexdigest()[:8]
        volume = Volume(storage.storage, "iso", f"{TAG}-{guest_name(namespace, name)}-{digest}.iso")
        progress(f"uploading the seed to {volume.storage}")
        self._upload(node.name, volume, _Named(seed, volume.name), hashlib.sha256(seed).hexdigest(), progress)
        return str(volume)

    def put_image(self, node: Node, image: LocalImage, wanted: str | None, progress: Progress) -> str:
        """Upload a disk image unless it is there already; its volume. Threads that want the same one wait."""
        storage = for_import(node, wanted)
        volume = Volume(storage.storage, "import", f"{TAG}-{image.sha256[:32]}{ENDINGS[image.format]}")
        place = (volume.storage if storage.shared else f"{node.name}/{volume.storage}", volume.name)
        with self._lock:
            lock = self._copying.setdefault(place, threading.Lock())
        with lock:
            if str(volume) not in self._there(node.name, volume):
                progress(f"uploading {image.path.name} to {volume.storage}")
                with _Renamed(image.path, volume.name) as file:
                    self._upload(node.name, volume, file, image.sha256, progress)
        return str(volume)

    def remove(self, node: str, volume: str, progress: Progress) -> bool:
        """Delete an uploaded file; False when it was not there. Raises ProviderError."""
        storage, _, name = volume.partition(":")
        kind, _, file = name.partition("/")
        if volume not in self._there(node, Volume(storage, kind, file)):
            return False
        upid = self._api.delete(f"nodes/{node}/storage/{storage}/content/{volume}")
        tasks.follow(self._api, upid, f"removing {volume}", progress)
        return True

    def seeds(self, node: str, namespace: str, name: str) -> list[str]:
        """Seeds of a VM on every storage of its node, also one that a killed run had uploaded and not attached."""
        storages = self._api.get(f"nodes/{node}/storage", list[Storage], content="iso")
        start = f"iso/{TAG}-{guest_name(namespace, name)}-"
        there = [
            each for storage in storages if storage.active
            for each in self._there(node, Volume(storage.storage, "iso", ""))
        ]  # fmt: skip
        return [volume for volume in there if _is_seed(volume.partition(":")[2], start)]

    def _there(self, node: str, volume: Volume) -> list[str]:
        try:
            found = self._api.get(f"nodes/{node}/storage/{volume.storage}/content", list[_Volume], content=volume.kind)
        except ApiError as e:
            if "does not exist" in e.text or e.denied:
                return []
            raise
        return [each.volid for each in found]

    def _upload(self, node: str, volume: Volume, file: BinaryIO, sha256: str, progress: Progress) -> None:
        path = f"nodes/{node}/storage/{volume.storage}/upload"
        digest = {"checksum": sha256, "checksum__algorithm": "sha256"}
        upid = self._api.upload(path, file, content=volume.kind, **digest)
        tasks.follow(self._api, upid, f"uploading to {volume.storage}", progress)


class _Renamed:
    """An open file that goes by another name."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name

    def __enter__(self) -> BinaryIO:
        self._file = _NamedReader(self._path.open("rb", buffering=0), self._name)
        return cast("BinaryIO", self._file)

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _NamedReader(io.BufferedReader):
    def __init__(self, raw: io.RawIOBase, name: str) -> None:
        super().__init__(raw)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


def _is_seed(volume: str, start: str) -> bool:
    rest = volume.removeprefix(start)
    return rest != volume and len(rest) == 12 and rest.endswith(".iso")


def for_files(storages: Sequence[Storage], kind: str, node: str) -> Storage:
    """Where files of this content go: `local` where it may, else the first that takes them. Raises ProviderError."""
    able = [storage for storage in storages if storage.holds(kind)]
    if not able:
        raise ProviderError(
            f"no storage on {node} takes {kind} content, or you may not see it",
            hint=f"pvesm set {USUAL} --content iso,vztmpl,backup,import",
            refused=True,
        )
    return next((storage for storage in able if storage.storage == USUAL), able[0])


def for_import(node: Node, wanted: str | None) -> Storage:
    """Where a disk image is uploaded to before it is copied into a disk. Raises ProviderError."""
    if wanted:
        named = node.storage(wanted)
        if named is not None and named.holds("import"):
            return named
    if not any(storage.holds("import") for storage in node.storages):
        raise ProviderError(
            f"no storage on {node.name} takes disk images by the API (content `import`, Proxmox VE 8.4 and newer)",
            hint="pvesm set local --content iso,vztmpl,backup,import; on older versions make a template and name it in "
            "VMImage spec.source.proxmox.templateName",
            refused=True,
        )
    return for_files(node.storages, "import", node.name)


def for_disks(node: Node, vm: VmSpec) -> Storage:
    """Where a VM's disks go: the storage that is named, else the one with most space. Raises ProviderError, refused."""
    wanted, need = vm.placement.datastore, vm.disk_gib + sum(disk.size_gib for disk in vm.disks)
    able = [storage for storage in node.storages if storage.holds("images")]
    if wanted:
        named = node.storage(wanted)
        able = [storage for storage in able if storage.storage == wanted]
        if not able:
            why = "takes no disks of VMs or is not active" if named else "is not there, or you may not see it"
            raise refusal(vm, DATASTORE, f"storage {wanted} on {node.name} {why}")
    if not able:
        why = f"no storage on {node.name} takes disks of VMs, or you may not see it"
        raise refusal(vm, DATASTORE, why, "it takes Datastore.AllocateSpace to see and to use it (docs/proxmox.md)")
    best = max(able, key=lambda storage: (storage.avail, storage.storage))
    if best.avail and best.avail < need << 30 and not best.thin:
        why = f"storage {best.storage} on {node.name} has {best.avail >> 30} GiB left, the VM needs {need}"
        raise refusal(vm, DATASTORE, why, "free space there, or name another one in placement.datastore")
    return best
