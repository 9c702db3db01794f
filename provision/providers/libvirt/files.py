"""Storage in the embedded driver's own directory. Its lock (`connection`) makes us the only one who works in it.

    images/base-<sha256>.<format>    base images
    vms/<namespace>.<name>/          disk.qcow2, extra_<name>.qcow2, seed.iso, console.log, hard link to the base image
    sockets/<12 hex digits>[.ga]     the host's ends of the ports for reports and for the guest agent; short paths
    parts/                           what is being written; swept at every start

The hard link counts the users of a base image: the kernel keeps the count, and no crash can falsify it.
"""

import shutil
import threading
from pathlib import Path, PurePosixPath

from provision import qemu_img
from provision.images import LocalImage
from provision.provider import Progress, ProviderError
from provision.providers.libvirt.fitting import PREALLOCATION, TAKING
from provision.providers.libvirt.places import Places, domain_uuid
from provision.providers.libvirt.storage import Layout, Stock, VmKey
from provision.room import SMALL, Need, Place

AGENT = ".ga"
DISK, SEED, CONSOLE = "disk.qcow2", "seed.iso", "console.log"
EXTRA = "extra_{}.qcow2"


class FileStorage:
    """See `storage.Storage`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._images = root / "images"
        self._parts = root / "parts"
        #: held while a base image is made or taken into use, and while those that nobody uses are removed
        self._bases = threading.Lock()
        shutil.rmtree(self._parts, ignore_errors=True)

    def places(self, key: VmKey) -> Places:
        place = self._place(key)
        return Places(
            disk=PurePosixPath(place / DISK),
            seed=PurePosixPath(place / SEED),
            extras=str(place / EXTRA.removesuffix(".qcow2")),
            console=PurePosixPath(place / CONSOLE),
            port=PurePosixPath(self._socket(key)),
            agent=PurePosixPath(self._socket(key).with_suffix(AGENT)),
        )

    def complete(self, key: VmKey) -> bool:
        place = self._place(key)
        return all((place / name).is_file() for name in (DISK, SEED))

    def needs(self, key: VmKey, layout: Layout, stock: Stock | None) -> tuple[Need, ...]:
        there = next(each for each in (self._root, *self._root.parents) if each.exists())
        hint = "make room there, or set NESTPROOF_STATE to another place"
        root = Place(f"device {there.stat().st_dev}", str(self._root), shutil.disk_usage(there).free, hint)
        place = self._place(key)
        needs = [Need(root, "seed", SMALL)]
        for disk in layout.extras:
            if not (place / EXTRA.format(disk.name)).exists():
                whole, what = disk.size_gib << 30, f"disk {disk.name}"
                needs.append(Need(root, what, whole) if disk.type in PREALLOCATION else Need(root, what, 0, whole))
        if stock is not None:
            needs += _disk_needs(root, layout, stock, _allocated(place / DISK))
            if not layout.preallocation and not (stock.image and self._base_of(stock.image).exists()):
                needs.append(Need(root, f"the image {stock.name}", stock.size, shared=stock.key))
        return tuple(needs)

    def create(self, key: VmKey, image: LocalImage, layout: Layout, seed: bytes, progress: Progress) -> None:
        """Extra disks stay where they are. The seed goes first and comes last: without it nothing is whole."""
        part, place = self._parts / str(key), self._place(key)
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            self._clear_beside(key)
            for name in (SEED, *(path.name for path in place.glob("*") if not path.match(EXTRA.format("*")))):
                (place / name).unlink(missing_ok=True)
            if layout.preallocation:
                progress(f"copying {image.path.name} and taking {layout.disk_gib} GiB")
                qemu_img.create_copy(part / DISK, image.path, image.format, layout.disk_gib, layout.preallocation)
            else:
                with self._bases:
                    base = self._base(image, progress)
                    (part / base.name).hardlink_to(base)
                qemu_img.create_overlay(part / DISK, base.name, image.format, layout.disk_gib)
            place.mkdir(parents=True, exist_ok=True)
            _adjust_extras(place, layout)
            (part / CONSOLE).touch()
            for made in part.iterdir():
                made.rename(place / made.name)
            (part / SEED).write_bytes(seed)
            (part / SEED).rename(place / SEED)
            self._socket(key).parent.mkdir(exist_ok=True)
        except (OSError, ValueError) as e:
            said = e.strerror if isinstance(e, OSError) and e.strerror else e
            raise ProviderError(f"cannot make the disk: {said}") from e
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def adjust(self, key: VmKey, layout: Layout) -> None:
        place = self._place(key)
        try:
            qemu_img.grow(place / DISK, layout.disk_gib, layout.preallocation or "off")
            _adjust_extras(place, layout)
        except (OSError, ValueError) as e:
            raise ProviderError(f"cannot change the disks: {e}") from e

    def reach(self) -> None:
        return

    def check_idle(self, key: VmKey) -> None:  # noqa: ARG002 - nobody else has this driver's directory
        return

    def remove(self, key: VmKey, files: tuple[str, ...] = ()) -> tuple[str, ...]:  # noqa: ARG002 - layers are beside
        removed = self._clear(key)
        with self._bases:
            for base in sorted(self._images.glob("base-*")):
                if base.stat().st_nlink == 1:
                    base.unlink()
                    removed += (f"base image {base.name}",)
        return removed

    def _clear(self, key: VmKey) -> tuple[str, ...]:
        """The VM's own files. libvirt's log of it is one: nobody else would remove it."""
        removed: tuple[str, ...] = ()
        place = self._place(key)
        if place.exists():
            trash = self._parts / f"{key}.removed"  # renamed first: never half a directory under a VM's name
            self._parts.mkdir(parents=True, exist_ok=True)
            place.rename(trash)
            shutil.rmtree(trash)
            removed = (f"disks, seed and console log of {key}",)
        self._clear_beside(key)
        return removed

    def _clear_beside(self, key: VmKey) -> None:
        """What libvirt and QEMU keep of a VM outside of its directory."""
        self._socket(key).unlink(missing_ok=True)
        self._socket(key).with_suffix(AGENT).unlink(missing_ok=True)
        shutil.rmtree(self._root / "lib" / "swtpm" / domain_uuid(key.namespace, key.name), ignore_errors=True)
        for log in ((self._root / "log").glob(f"*/{name}") for name in (f"{key}.log*", f"{key}-swtpm.log*")):
            for file in log:
                file.unlink()

    def _base(self, image: LocalImage, progress: Progress) -> Path:
        base = self._base_of(image)
        if base.exists():
            return base
        progress(f"copying {image.path.name}")
        part = self._parts / base.name
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            self._images.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image.path, part)
            part.chmod(0o400)
            part.rename(base)
        except OSError as e:
            raise ProviderError(f"cannot copy {image.path} into {self._images}: {e.strerror}") from e
        finally:
            part.unlink(missing_ok=True)
        return base

    def _base_of(self, image: LocalImage) -> Path:
        return self._images / f"base-{image.sha256}.{image.format}"

    def _place(self, key: VmKey) -> Path:
        return self._root / "vms" / str(key)

    def _socket(self, key: VmKey) -> Path:
        return self._root / "sockets" / domain_uuid(key.namespace, key.name)[-12:]


def _disk_needs(root: Place, layout: Layout, stock: Stock, before: int) -> list[Need]:
    """`before` is what the disk has that it replaces, which is removed first."""
    whole = layout.disk_gib << 30
    if layout.preallocation in TAKING:
        return [Need(root, "the disk of the image", max(0, whole - before))]
    now = stock.size if layout.preallocation else 0
    return [Need(root, "the disk of the image", max(0, now - before), whole - now)]


def _allocated(path: Path) -> int:
    """Bytes that a file takes; 0 where there is none. See stat(2)."""
    return path.stat().st_blocks * 512 if path.is_file() else 0


def _adjust_extras(place: Path, layout: Layout) -> None:
    wanted = {EXTRA.format(disk.name): disk for disk in layout.extras}
    for path in place.glob(EXTRA.format("*")):
        if path.name not in wanted:
            path.unlink()
    for name, disk in wanted.items():
        path, preallocation = place / name, PREALLOCATION.get(disk.type, "off")
        if path.exists():
            qemu_img.grow(path, disk.size_gib, preallocation)
            continue
        part = path.with_suffix(".part")  # a disk under its own name is always whole
        part.unlink(missing_ok=True)
        qemu_img.create_empty(part, disk.size_gib, preallocation)
        part.rename(path)
