"""Storage in files: created whole, shared base images counted by the kernel, everything removed. Real qemu-img."""

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace
from vm_factory import image, tiny_image

from provision.images import LocalImage, resolve
from provision.model import ExtraDisk
from provision.provider import ProviderError
from provision.providers.libvirt.files import FileStorage
from provision.providers.libvirt.storage import Layout, Stock, VmKey
from provision.qemu_img import virtual_size
from provision.room import check_space

ONE, TWO = VmKey("default", "one"), VmKey("default", "two")


def quiet(_line: str) -> None:
    return


@pytest.fixture
def local(tmp_path: Path, needs: Callable[[str, str], str]) -> LocalImage:
    needs("qemu-img", "qemu-utils")
    source = tmp_path / "source"
    source.mkdir()
    return resolve(image(tiny_image(source)), quiet)


def below(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}


def test_create_makes_disk_seed_and_log(tmp_path: Path, local: LocalImage) -> None:
    storage = FileStorage(tmp_path / "root")
    assert not storage.complete(ONE)
    storage.create(ONE, local, Layout(2), b"seed", quiet)
    assert storage.complete(ONE)
    places = storage.places(ONE)
    assert Path(places.seed).read_bytes() == b"seed"
    assert places.console is not None
    assert Path(places.console).exists()
    with pytest.raises(ValueError, match="backing file"):
        virtual_size(Path(places.disk), "qcow2")
    assert (tmp_path / "root" / "images").stat().st_nlink >= 2
    storage.adjust(ONE, Layout(3))


def test_a_base_image_is_shared_and_goes_with_its_last_user(tmp_path: Path, local: LocalImage) -> None:
    root = tmp_path / "root"
    storage = FileStorage(root)
    storage.create(ONE, local, Layout(1), b"1", quiet)
    storage.create(TWO, local, Layout(1), b"2", quiet)
    base = root / "images" / f"base-{local.sha256}.raw"
    assert base.stat().st_nlink == 3
    assert storage.remove(ONE) == ("disks, seed and console log of default.one",)
    assert base.exists()
    assert storage.remove(TWO) == ("disks, seed and console log of default.two", f"base image {base.name}")
    assert below(root) == set()
    assert storage.remove(TWO) == ()


def test_creating_again_replaces_and_drops_the_old_image_at_the_next_removal(tmp_path: Path, local: LocalImage) -> None:
    root = tmp_path / "root"
    storage = FileStorage(root)
    storage.create(ONE, local, Layout(1), b"1", quiet)
    other = resolve(image(tiny_image(tmp_path, said="another")), quiet)
    storage.create(ONE, other, Layout(1), b"2", quiet)
    assert Path(storage.places(ONE).seed).read_bytes() == b"2"
    removed = storage.remove(ONE)
    assert len([name for name in removed if name.startswith("base image")]) == 2
    assert below(root) == set()


def test_what_a_killed_run_left_is_swept_at_the_next_start(tmp_path: Path, local: LocalImage) -> None:
    root = tmp_path / "root"
    parts = root / "parts" / "default.one"
    parts.mkdir(parents=True)
    (parts / "disk.qcow2").write_bytes(b"half")
    (root / "parts" / f"base-{local.sha256}.raw").write_bytes(b"half")
    storage = FileStorage(root)
    assert below(root) == set()
    storage.create(ONE, local, Layout(1), b"1", quiet)
    assert (root / "images" / f"base-{local.sha256}.raw").read_bytes() == local.path.read_bytes()


def test_a_base_image_without_users_is_reused_and_not_copied_again(tmp_path: Path, local: LocalImage) -> None:
    storage = FileStorage(tmp_path / "root")
    said: list[str] = []
    storage.create(ONE, local, Layout(1), b"1", said.append)
    storage.create(TWO, local, Layout(1), b"2", said.append)
    assert said == ["copying tiny.img"]


def test_a_full_or_missing_directory_is_one_line(tmp_path: Path, local: LocalImage) -> None:
    storage = FileStorage(tmp_path / "root")
    gone = replace(local, path=tmp_path / "gone.img")
    with pytest.raises(ProviderError, match=r"cannot copy .*gone\.img into .*: No such file or directory"):
        storage.create(ONE, gone, Layout(1), b"", quiet)
    assert not storage.complete(ONE)


def test_sockets_have_a_short_path(tmp_path: Path) -> None:
    port = FileStorage(tmp_path / "root").places(VmKey("n" * 63, "v" * 120)).port
    assert port is not None
    assert len(os.fsencode(port)) - len(os.fsencode(tmp_path / "root")) < 25


def test_extra_disks_are_made_grown_kept_and_removed(tmp_path: Path, local: LocalImage) -> None:
    storage = FileStorage(tmp_path / "root")
    data, log = ExtraDisk("data", 1, "thin"), ExtraDisk("log", 1, "thick")
    storage.create(ONE, local, Layout(1, extras=(data,)), b"1", quiet)
    path = Path(storage.places(ONE).extra_disk("data"))
    number = path.stat().st_ino
    assert virtual_size(path, "qcow2") == 1 << 30
    storage.create(ONE, local, Layout(1, extras=(data,)), b"2", quiet)
    assert path.stat().st_ino == number, "an extra disk outlives the image's"
    storage.adjust(ONE, Layout(1, extras=(msgspec.structs.replace(data, size_gib=2), log)))
    assert virtual_size(path, "qcow2") == 2 << 30
    thick = Path(storage.places(ONE).extra_disk("log"))
    assert thick.stat().st_blocks * 512 >= 1 << 30
    storage.adjust(ONE, Layout(1, extras=(log,)))
    assert not path.exists()
    storage.remove(ONE)
    assert below(tmp_path / "root") == set()


def test_a_thick_disk_is_a_copy_that_takes_its_space(tmp_path: Path, local: LocalImage) -> None:
    storage = FileStorage(tmp_path / "root")
    storage.create(ONE, local, Layout(1, "falloc"), b"1", quiet)
    disk = Path(storage.places(ONE).disk)
    assert virtual_size(disk, "qcow2") == 1 << 30
    assert disk.stat().st_blocks * 512 >= 1 << 30
    assert not list((tmp_path / "root" / "images").glob("*")), "nothing to share"


@pytest.mark.parametrize("names", [("../up",), ("a_b",), ("",), ("a", "a")])
def test_names_of_disks_are_fit_for_files_and_told_apart(names: tuple[str, ...]) -> None:
    with pytest.raises(ProviderError, match="cannot name one of the VM's disks"):
        Layout(1, extras=tuple(ExtraDisk(name, 1, "thin") for name in names))


def test_what_takes_its_space_at_once_has_to_find_it(
    tmp_path: Path, local: LocalImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(tmp_path / "root")
    stock = Stock("tiny.img", local.sha256, local.path.stat().st_size, local)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100 << 20))
    check_space(storage.needs(ONE, Layout(40), stock))
    thick = ExtraDisk("log", 1, "thick")
    for layout, says in (
        (Layout(1, "falloc"), "the disk of the image 1024 MiB"),
        (Layout(1, extras=(thick,)), "disk log 1024 MiB"),
    ):
        with pytest.raises(
            ProviderError, match=rf"^{tmp_path}/root has 100 MiB left, 10\d\d MiB are needed: {says}$"
        ) as e:
            check_space(storage.needs(ONE, layout, stock))
        assert e.value.refused
        assert "NESTPROOF_STATE" in e.value.hint
    monkeypatch.undo()
    storage.create(ONE, local, Layout(1, extras=(thick,)), b"1", quiet)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=5 << 20))
    check_space(storage.needs(ONE, Layout(1, extras=(thick,)), stock))


def test_a_disk_that_replaces_one_has_its_room(tmp_path: Path, local: LocalImage) -> None:
    """The old one is removed first: a disk of half the pool can be made anew."""
    storage = FileStorage(tmp_path / "root")
    stock = Stock("tiny.img", local.sha256, local.path.stat().st_size, local)
    thick = Layout(1, "falloc")
    assert [need.now >> 20 for need in storage.needs(ONE, thick, stock)] == [4, 1024]
    storage.create(ONE, local, thick, b"1", quiet)
    seed, disk = storage.needs(ONE, thick, stock)
    assert (seed.now, disk.now) == (4 << 20, 0)


def test_what_grows_later_and_what_is_shared_is_told(tmp_path: Path, local: LocalImage) -> None:
    storage = FileStorage(tmp_path / "root")
    layout = Layout(40, extras=(ExtraDisk("data", 10, "thin"),))
    to_come = Stock("there", "disk of http://there", 7 << 20, None)
    _, extra, disk, image = storage.needs(ONE, layout, to_come)
    assert [(need.now, need.later >> 30) for need in (extra, disk)] == [(0, 10), (0, 40)]
    assert (image.what, image.now, image.later, image.shared) == ("the image there", 7 << 20, 0, "disk of http://there")
    assert len({need.place.key for need in (extra, disk, image)}) == 1
    assert [need.later for need in storage.needs(ONE, layout, None)][1:] == [10 << 30], "no disk is made"


@pytest.mark.parametrize("layout", [Layout(1), Layout(1, "falloc")], ids=["image", "copy"])
def test_a_disk_that_gets_full_is_not_left_full(tmp_path: Path, layout: Layout) -> None:
    """What was begun is removed at once, and not when the next run begins."""
    large, root = tmp_path / "large.img", tmp_path / "root"
    large.write_bytes(b"x" * (8 << 20))
    local, storage = resolve(image(large), quiet), FileStorage(root)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(ProviderError, match="File too large") as caught:
            storage.create(ONE, local, layout, b"1", quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Errno" not in str(caught.value)
    assert [path for path in root.rglob("*") if path.is_file()] == []
    storage.create(ONE, local, layout, b"1", quiet)
    assert storage.complete(ONE)


def test_extra_disks_outlive_a_rebuild_that_fails_or_is_killed(tmp_path: Path, local: LocalImage) -> None:
    root, layout = tmp_path / "root", Layout(1, extras=(ExtraDisk("data", 1, "thin"),))
    storage = FileStorage(root)
    storage.create(ONE, local, layout, b"1", quiet)
    extra = Path(str(storage.places(ONE).extra_disk("data")))
    written = extra.read_bytes()
    with pytest.raises(ProviderError):
        storage.create(ONE, replace(local, path=tmp_path / "gone.img", sha256="0" * 64), layout, b"2", quiet)
    storage = FileStorage(root)  # the next run sweeps what was being written
    assert (extra.read_bytes(), storage.complete(ONE)) == (written, False)
    storage.create(ONE, local, layout, b"3", quiet)
    assert (extra.read_bytes(), storage.complete(ONE)) == (written, True)
    storage.remove(ONE)
    assert [path for path in root.rglob("*") if path.is_file()] == []
