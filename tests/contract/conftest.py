"""The providers that the contract is tried on: libvirt embedded and as a daemon, a vCenter, Proxmox VE."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from libvirt_daemon import private_libvirtd
from libvirt_lab import Lab
from libvirt_reach import ssh, tls  # noqa: F401 - fixtures
from vcsim_server import ESXI_8, start
from vm_factory import tiny_image

import provision.providers.libvirt  # noqa: F401 - silences the library before it is loaded
from provision.model import ProviderSpec
from provision.providers import open_provider

if TYPE_CHECKING:
    from pve_lab import PveLab
    from vsphere_lab import VsphereLab

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")


@pytest.fixture(scope="session")
def boot_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def embedded(
    tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str, str], str], boot_image: Path
) -> Iterator[Lab]:
    """libvirt's driver in this process: one root for all tests, because a process cannot have a second one."""
    needs("qemu-system-x86_64", "qemu-system-x86")
    needs("qemu-img", "qemu-utils")
    needs("swtpm_setup", "swtpm-tools")
    root = tmp_path_factory.mktemp("embed")
    endpoint = f"qemu:///embed?root={root}"
    provider = open_provider(ProviderSpec("embedded", "libvirt", endpoint, None))

    def remains() -> set[str]:
        ours = ("vms", "images", "sockets", "parts", "log", "lib", "etc/qemu", "run/qemu")
        files = {str(p.relative_to(root)) for top in ours for p in (root / top).rglob("*") if not p.is_dir()}
        return {f for f in files if f not in ("run/qemu/driver.pid", "run/qemu/autostarted")}

    yield Lab(endpoint, provider, remains, boot_image, root)
    provider.close()


@pytest.fixture(scope="session")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, needs: Callable[[str, str], str], boot_image: Path
) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs to be root: libvirtd runs in a mount namespace of its own")
    needs("libvirtd", "libvirt-daemon")
    needs("virsh", "libvirt-clients")
    needs("unshare", "util-linux")
    needs("ip", "iproute2")
    needs("swtpm_setup", "swtpm-tools")
    if not Path("/etc/libvirt").is_dir():
        pytest.skip("/etc/libvirt is missing; it comes with the package libvirt-clients")
    with _lab_of_daemon(tmp_path_factory.mktemp("daemon"), boot_image) as made:
        yield made


@contextmanager
def _lab_of_daemon(place: Path, boot_image: Path, root: Path = Path("/")) -> Iterator[Lab]:
    pool = place / "pool"
    with private_libvirtd(place, root) as endpoint:
        provider = open_provider(ProviderSpec("daemon", "libvirt", endpoint, None))
        yield Lab(endpoint, provider, lambda: {p.name for p in pool.iterdir()}, boot_image, pool, root)
        provider.close()


@pytest.fixture(scope="session")
def vsphere(tmp_path_factory: pytest.TempPathFactory) -> Iterator["VsphereLab"]:
    """A vCenter with hosts that nest, that do not, and that are in maintenance."""
    pytest.importorskip("pyVmomi", reason="pyvmomi is not installed (pip install 'nestproof[vsphere]')")
    from vsphere_lab import VsphereLab

    hosts = [ESXI_8, ESXI_8 | {"nested": False}, ESXI_8 | {"maintenance": True}]
    templates = [
        {"name": "debian-12", "hardware": "vmx-19", "firmware": "efi", "diskGiB": 2},
        {"name": "old", "hardware": "vmx-08", "firmware": "bios", "diskGiB": 2},
        {"name": "vmx-11", "hardware": "vmx-11", "firmware": "efi", "diskGiB": 2},
        {"name": "vmx-13", "hardware": "vmx-13", "firmware": "efi", "diskGiB": 2},
        {"name": "vmx-14", "hardware": "vmx-14", "firmware": "efi", "diskGiB": 2},
        {"name": "plain", "hardware": "vmx-19", "firmware": "efi", "diskGiB": 2, "plain": True},
    ]
    lab = VsphereLab.of(
        start(tmp_path_factory.mktemp("vsphere"), hosts=hosts, templates=templates, prior=["7.0", "6.7", "6.5"])
    )
    yield lab
    lab.close()


ROOTS = Path(__file__).parents[2] / ".cache/libvirt"
SUITES = ["bullseye", "testing"]
"""Of Debian, with the oldest and the newest libvirt: what the newest is changes, and no test says it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every libvirt: embedded, this machine's daemon, and those of other versions."""
    if "each_libvirt" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("versions") is not None
        suites = metafunc.config.getoption("--libvirt-suite") or (SUITES if marked else [])
        metafunc.parametrize("each_libvirt", ["embedded", "daemon", *suites], indirect=True, scope="session")


@pytest.fixture(scope="session")
def each_libvirt(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, boot_image: Path
) -> Iterator[Lab]:
    if request.param in ("embedded", "daemon"):
        yield request.getfixturevalue(request.param)
        return
    if os.geteuid() != 0:
        pytest.skip("needs to be root: libvirtd runs in a root of its own")
    root = ROOTS / request.param
    if not root.is_dir():
        pytest.skip(f"{root} is not there: make libvirt-roots")
    with _lab_of_daemon(tmp_path_factory.mktemp("root"), boot_image, root) as made:
        yield made


@pytest.fixture
def lab(each_libvirt: Lab) -> Iterator[Lab]:
    """Each endpoint in turn, found and left empty."""
    assert each_libvirt.remains() == set()
    yield each_libvirt
    for name in ("tiny", "other"):
        each_libvirt.provider.destroy("default", name)


@pytest.fixture(scope="session")
def pve8(tmp_path_factory: pytest.TempPathFactory) -> Iterator["PveLab"]:
    """Proxmox VE 8 with exactly the privileges of docs/proxmox.md."""
    from pve_lab import PVE_8, lab

    place = tmp_path_factory.mktemp("pve8")
    with lab(place, tiny_image(place), PVE_8) as made:
        yield made


@pytest.fixture(scope="session")
def pve9(tmp_path_factory: pytest.TempPathFactory) -> Iterator["PveLab"]:
    """The same of 9."""
    from pve_lab import PVE_9_1, lab

    place = tmp_path_factory.mktemp("pve9")
    with lab(place, tiny_image(place), PVE_9_1) as made:
        yield made
