"""Storage pools by name on a real libvirt daemon: disks in one, their image in another; what is wrong with a pool."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from libvirt_lab import Lab
from msgspec.structs import replace
from vm_factory import image, tiny_image

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

import libvirt

from hostcheck.model import Setting
from provision.model import ExtraDisk, Handling, Placement, Preparation, ProviderSpec, VmSpec
from provision.provider import Plan, ProviderError
from provision.providers import open_provider
from provision.providers.libvirt import domains

pytestmark = pytest.mark.libvirt
THERE = ("asleep", "default", "fast", "images", "little", "vg0")
LITTLE = 12 << 20
"""Bytes of the pool that is small."""


def quiet(_line: str) -> None:
    return


@dataclass
class Estate:
    """A daemon with pools beside its default one: `fast` and `asleep` of type dir, `little` fs, `images` netfs."""

    lab: Lab
    place: Path
    daemon: str

    def vm(self, pool: str | None = None, images: str | None = None, **changes: object) -> VmSpec:
        source = replace(image(self.lab.image), storage=images)
        return replace(self.lab.vm(power_on=False, placement=Placement(datastore=pool)), image=source, **changes)  # type: ignore[arg-type]

    def apply(self, vm: VmSpec) -> Plan:
        """As a run of its own."""
        provider = open_provider(ProviderSpec("p", "libvirt", self.lab.endpoint, None))
        try:
            plan = provider.plan(vm)
            provider.apply(plan, quiet)
            return plan
        finally:
            provider.close()

    def destroy(self) -> tuple[str, ...]:
        provider = open_provider(ProviderSpec("p", "libvirt", self.lab.endpoint, None))
        try:
            return provider.destroy("default", "tiny")
        finally:
            provider.close()

    def refused(self, vm: VmSpec) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            self.apply(vm)
        assert "\n" not in str(caught.value)
        return caught.value

    def files(self, pool: str) -> set[str]:
        """As the daemon sees them, which has file systems of its own."""
        seen = Path(f"/proc/{self.daemon}/root{self.place / pool}")
        return {p.name.replace("default.tiny", "VM").split("base.")[0] for p in seen.iterdir()}

    def empty(self) -> bool:
        return self.lab.remains() == set() and not any(self.files(pool) for pool in ("fast", "images"))

    @property
    def connection(self) -> "libvirt.virConnect":
        return self.lab.provider._connection  # type: ignore[attr-defined,no-any-return]

    def pool(self, name: str) -> "libvirt.virStoragePool":
        return self.connection.storagePoolLookupByName(name)


@pytest.fixture(scope="module")
def pools(daemon: Lab, tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str, str], str]) -> Iterator[Estate]:
    needs("nsenter", "util-linux")
    place = tmp_path_factory.mktemp("pools")
    pid = (daemon.disks.parent / "libvirtd.pid").read_text().strip()
    made = Estate(daemon, place, pid)
    for name in ("fast", "images", "little", "asleep"):
        (place / name).mkdir()
    # libvirt finds that the device of the pool is mounted where the pool is, and so takes it as it is.
    mounted = {"little": "/dev/nestproof-little", "images": "nas.example:/images"}
    for name, device in mounted.items():
        mount = ["mount", "-t", "tmpfs", "-o", f"size={LITTLE}", device, str(place / name)]
        subprocess.run(["nsenter", "--target", pid, "--mount", *mount], check=True)
    sources = {
        "little": ("fs", "<source><device path='/dev/nestproof-little'/></source>"),
        "images": ("netfs", "<source><host name='nas.example'/><dir path='/images'/></source>"),
    }
    for name in ("fast", "images", "little", "asleep"):
        kind, source = sources.get(name, ("dir", ""))
        target = f"<target><path>{place / name}</path></target>"
        xml = f"<pool type='{kind}'><name>{name}</name>{source}{target}</pool>"
        pool = made.connection.storagePoolDefineXML(xml)
        if name != "asleep":
            pool.create()
    blocks = "<pool type='logical'><name>vg0</name><source><name>vg0</name></source></pool>"
    made.connection.storagePoolDefineXML(blocks)
    yield made
    for pool in made.connection.listAllStoragePools():
        if pool.name() != "default":
            if pool.isActive():
                pool.destroy()
            pool.undefine()


@pytest.fixture
def estate(pools: Estate) -> Iterator[Estate]:
    assert pools.empty()
    yield pools
    pools.destroy()
    assert pools.empty()


def settings(estate: Estate, vm: VmSpec) -> dict[str, Setting]:
    seen = estate.lab.provider.observe(vm)
    assert seen is not None
    return {setting.path: setting for setting in seen.settings}


POOL, IMAGES = "VirtualMachine spec.placement.datastore", "VMImage spec.source.libvirt.storagePool"
DISKS = {"nestproof.VM.disk.qcow2", "nestproof.VM.seed.iso"}


def test_disks_in_one_pool_and_their_image_in_another(estate: Estate) -> None:
    vm = estate.vm("fast", "images", power_on=True, disks=(ExtraDisk("data", 1, "thin"),))
    estate.apply(vm)
    assert estate.files("fast") == DISKS | {"nestproof.VM.extra_data.qcow2"}
    assert estate.files("images") == {"nestproof."}
    assert estate.lab.remains() == set(), "nothing goes to the default pool"
    found = settings(estate, vm)
    assert [(found[path].asked, found[path].found) for path in (POOL, IMAGES)] == [("fast",) * 2, ("images",) * 2]
    assert not estate.apply(vm).changes
    assert {name.partition(" ")[0] for name in estate.destroy()} == {"domain", "volume", "base"}
    assert estate.empty()


def test_another_pool_for_a_vm_that_is_there_is_refused_and_nothing_is_left_behind(estate: Estate) -> None:
    vm = estate.vm("fast")
    estate.apply(vm)
    before = estate.files("fast")
    fault = estate.refused(estate.vm("images"))
    assert fault.refused
    assert "its disks are in the storage pool 'fast' and are not moved to 'images'" in str(fault)
    assert estate.refused(estate.vm()).refused, "back to the default pool is a move, too"
    assert estate.files("fast") == before
    plan = estate.apply(estate.vm("fast", "images"))
    assert not plan.changes
    assert plan.notes[-1] == "the image stays in the storage pool 'fast' for as long as the VM has this disk"
    estate.apply(estate.vm("fast", "images", user_data="#cloud-config\n"))
    assert estate.files("images") == {"nestproof."}, "a disk that is made anew is over the image in its new pool"
    estate.destroy()
    assert estate.empty()


def test_the_record_is_where_disks_are_looked_for_when_the_pool_sleeps(estate: Estate) -> None:
    estate.apply(estate.vm("fast"))
    estate.pool("fast").destroy()
    try:
        with pytest.raises(ProviderError, match="storage pool 'fast' is not active") as caught:
            estate.destroy()
        assert caught.value.hint.endswith("pool-start fast")
        assert estate.connection.lookupByName("default.tiny"), "the domain says where the disks are: it has to stay"
    finally:
        estate.pool("fast").create()
    assert "domain default.tiny" in estate.destroy()
    assert estate.empty()


def test_what_a_killed_run_left_in_a_pool_that_is_no_longer_named_is_found(estate: Estate) -> None:
    estate.apply(estate.vm("fast"))
    estate.connection.lookupByName("default.tiny").undefine()
    estate.apply(estate.vm("images"))
    assert estate.files("fast") == {"nestproof."}, "the disk of the killed run"
    estate.connection.lookupByName("default.tiny").undefine()
    assert len([name for name in estate.destroy() if name.startswith("volume")]) == 2
    assert estate.empty()


KILLED = """
import os, signal, sys
from pathlib import Path
from vm_factory import image, wanted
from provision.model import Placement
from provision.providers import open_provider

path, endpoint, word = sys.argv[1:]
vm = wanted(image(Path(path)), endpoint, placement=Placement(datastore="fast"))
provider = open_provider(vm.provider)
def die(line):
    if line.startswith(word):
        os.kill(os.getpid(), signal.SIGKILL)
provider.apply(provider.plan(vm), die)
"""


@pytest.mark.parametrize("word", ["making disk", "uploading", "starting"])
@pytest.mark.parametrize("again", ["fast", ""])
def test_killed_with_disks_in_a_pool(estate: Estate, word: str, again: str) -> None:
    """kill -9 itself; then the same again, or destroy at once."""
    command = [sys.executable, "-c", KILLED, str(estate.lab.image), estate.lab.endpoint, word]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}, check=False)
    assert run.returncode == -signal.SIGKILL
    if again:
        estate.apply(estate.vm(again))
        assert estate.files("fast") == DISKS | {"nestproof."}
    estate.destroy()
    assert estate.empty()


def test_an_image_is_kept_for_disks_in_a_pool_that_sleeps(estate: Estate) -> None:
    estate.apply(estate.vm("fast", "images", name="other"))
    estate.apply(estate.vm(None, "images"))
    estate.pool("fast").destroy()
    try:
        assert not any("base image" in name for name in estate.destroy())
    finally:
        estate.pool("fast").create()
    removed = estate.lab.provider.destroy("default", "other")
    assert any("base image" in name for name in removed)


def test_many_at_once(estate: Estate) -> None:
    """One removes what another one is just looking at."""
    vms = [estate.vm("fast", "images", name=f"many{n}") for n in range(8)]
    provider = estate.lab.provider
    for _ in range(3):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda vm: provider.apply(provider.plan(vm), quiet), vms))
            assert estate.files("images") == {"nestproof."}
            removed = list(threads.map(lambda vm: provider.destroy("default", vm.name), vms))
        assert [len([name for name in names if "base image" not in name]) for names in removed] == [3] * 8
        assert estate.empty()


def test_a_disk_that_takes_its_space_at_once_is_a_raw_volume(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domains, "GRACE", 0.0)  # the boot sector does not hear ACPI
    source = tmp_path / "image.qcow2"
    raw = tiny_image(tmp_path)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, source], check=True)
    small = image(source, form="qcow2")
    disks = (ExtraDisk("log", 1, "thick"),)
    vm = replace(estate.vm("fast", disk_type="thick", disks=disks, power_on=True), image=small)
    estate.apply(vm)
    assert estate.files("fast") == {"nestproof.VM.disk.raw", "nestproof.VM.seed.iso", "nestproof.VM.extra_log.raw"}
    for name in ("disk", "extra_log"):
        file = estate.place / "fast" / f"nestproof.default.tiny.{name}.raw"
        assert file.stat().st_blocks * 512 >= file.stat().st_size == 1 << 30
    with (estate.place / "fast" / "nestproof.default.tiny.disk.raw").open("rb") as disk:
        assert disk.read(512) == raw.read_bytes()
    found = settings(estate, vm)
    assert {p: s.found for p, s in found.items() if p.endswith(".type")} == {
        "VMClass spec.diskDefaults.type": "thick", "VirtualMachine spec.disks[0].type": "thick",
    }  # fmt: skip
    assert not estate.apply(vm).changes
    estate.apply(replace(vm, disk_gib=2))
    assert (estate.place / "fast" / "nestproof.default.tiny.disk.raw").stat().st_blocks * 512 >= 2 << 30
    plan = estate.apply(replace(vm, disk_gib=2, disks=(ExtraDisk("log", 1, "thin"),)))
    assert not plan.changes
    assert plan.notes[-1].startswith("disk log takes all of its space, as it was made")


@pytest.mark.parametrize(
    ("pool", "images", "says", "hint"),
    [
        ("nosuch", None, f"there is no storage pool 'nosuch' for disks; there are: {', '.join(THERE)}",
         "pool-define-as nosuch dir --target DIRECTORY"),
        (None, "nosuch", "there is no storage pool 'nosuch'", "pool-define-as nosuch"),
        ("asleep", None, "storage pool 'asleep' is not active", "pool-start asleep"),
        ("vg0", None, "storage pool 'vg0' is of type logical, which keeps block devices", "pool-list"),
    ],
)  # fmt: skip
def test_a_pool_that_cannot_be_used_is_named_before_anything_is_made(
    estate: Estate, pool: str | None, images: str | None, says: str, hint: str
) -> None:
    fault = estate.refused(estate.vm(pool, images))
    assert says in str(fault)
    assert str(fault).startswith("vm.yaml:1:1: "), "where it is named"
    assert hint in fault.hint
    assert "virsh -c" in fault.hint
    assert estate.empty()


def test_a_pool_without_room_is_named_with_what_is_needed(estate: Estate, tmp_path: Path) -> None:
    large = tmp_path / "large.img"
    shutil.copy(estate.lab.image, large)
    with large.open("r+b") as file:
        file.truncate(LITTLE)
    vm = replace(estate.vm("little"), image=image(large))
    fault = estate.refused(vm)
    assert fault.refused
    assert "storage pool 'little' has 12 MiB left, 16 MiB are needed: the image large.img 12 MiB" in str(fault)
    assert fault.hint.endswith("pool-info little")
    thick = estate.refused(estate.vm("little", disks=(ExtraDisk("log", 1, "thick"),)))
    assert "disk log 1024 MiB" in str(thick)
    estate.apply(replace(vm, image=image(estate.lab.image)))
    assert settings(estate, estate.vm("little"))[POOL].found == "little"


def test_an_embedded_driver_says_that_it_has_no_pools(embedded: Lab) -> None:
    vm = embedded.vm(power_on=False, placement=Placement(datastore="fast"))
    try:
        plan = embedded.provider.plan(vm)
        handling, how = plan.fitting.answers[POOL]  # type: ignore[attr-defined]
        assert (handling, "has no pools" in how) == (Handling.UNSUPPORTED, True)
        embedded.provider.apply(plan, quiet)
        assert not embedded.provider.plan(embedded.vm(power_on=False)).changes
    finally:
        embedded.provider.destroy("default", "tiny")


@pytest.mark.parametrize(("where", "asked", "found"), [
    ("embedded", Preparation(preallocation="metadata"), "metadata"),
    ("embedded", Preparation(preallocation="falloc"), "all of its space"),
    ("daemon", Preparation(eager=True), "all of its space"),
    ("daemon", Preparation(preallocation="metadata"), "off"),
])  # fmt: skip
def test_a_disk_takes_beforehand_what_its_image_says(
    request: pytest.FixtureRequest, where: str, asked: Preparation, found: str
) -> None:
    lab: Lab = request.getfixturevalue(where)
    vm = lab.vm(image=replace(image(lab.image), prepare=asked))
    path = f"VMImage spec.prepare.storage.libvirt.{'allocationPolicy' if asked.eager else 'preallocation'}"
    try:
        plan = lab.provider.plan(vm)
        lab.provider.apply(plan, quiet)
        seen = lab.provider.observe(vm)
        assert seen is not None
        assert {s.found for s in seen.settings if s.path == path} == {found}
        refused = plan.fitting.answers.get(path, (Handling.HONOURED, ""))[0]  # type: ignore[attr-defined]
        assert (refused is Handling.UNSUPPORTED) == (found == "off")
        assert not lab.provider.plan(vm).changes
    finally:
        lab.provider.destroy("default", "tiny")
    assert lab.remains() == set()
