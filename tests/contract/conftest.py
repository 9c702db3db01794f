"""The providers that the contract is tried on: libvirt embedded and as a daemon, a vCenter, Proxmox VE."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from libvirt_lab import Lab
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


DAEMON = r"""
for place in /run /var/lib /var/log /var/cache /etc/libvirt; do mount -t tmpfs none $place; done
mkdir /run/lock /run/libvirt
ln -s "$1/run/libvirt-sock" /run/libvirt/libvirt-sock  # where a client that sees the same /run looks for it
ip link set lo up && ip link add name nestbr0 type bridge && ip link set nestbr0 up
controllers=
for top in /sys/fs/cgroup/cpu /sys/fs/cgroup; do  # version 1, version 2
    if mkdir $top/nestproof-probe; then controllers='"cpu", "cpuacct", "cpuset"'; rmdir $top/nestproof-probe; break; fi
done 2>/dev/null
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
swtpm_user = "root"
swtpm_group = "root"
cgroup_controllers = [$controllers]
namespaces = []
stdio_handler = "file"
END
cat >"$1/libvirtd.conf" <<END
listen_tls = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "$1/run"
log_outputs = "3:file:$1/libvirtd.log"
END
exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"
"""
"""A system libvirtd with its own empty /run, /var and /etc/libvirt, and its own network, so that it leaves this
machine's alone: there is a bridge `nestbr0`, and cgroups where this machine lets root make any."""

BRIDGED = "<network><name>bridged</name><forward mode='bridge'/><bridge name='nestbr0'/></network>"

REAPED = """
import os, sys
from provision.providers.libvirt.reaping import supervise
supervise()
os.execvp(sys.argv[1], sys.argv[1:])
"""


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
    place = tmp_path_factory.mktemp("daemon")
    pool = place / "pool"
    for directory in (place / "run", pool):
        directory.mkdir()
    command = [
        sys.executable,
        "-c",
        REAPED,
        "unshare",
        "--mount",
        "--net",
        "--propagation",
        "private",
        "sh",
        "-ec",
        DAEMON,
        "sh",
        str(place),
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            endpoint = f"qemu:///system?socket={place}/run/libvirt-sock"
            for _ in range(300):
                if (place / "run/libvirt-sock").exists() or process.poll() is not None:
                    break
                time.sleep(0.1)
            virsh = f"virsh -q -c {shlex.quote(endpoint)}"
            subprocess.run(
                [
                    "sh",
                    "-ec",
                    f"{virsh} pool-define-as default dir --target {pool} && {virsh} pool-start default && "
                    f'echo "{BRIDGED}" | {virsh} net-define /dev/stdin && {virsh} net-start bridged',
                ],
                check=True,
                capture_output=True,
            )
            provider = open_provider(ProviderSpec("daemon", "libvirt", endpoint, None))
            yield Lab(endpoint, provider, lambda: {p.name for p in pool.iterdir()}, boot_image, pool)
            provider.close()
        finally:
            process.terminate()
            process.wait(30)


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


@pytest.fixture(params=["embedded", "daemon"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Each endpoint in turn, found and left empty."""
    chosen: Lab = request.getfixturevalue(request.param)
    assert chosen.remains() == set()
    yield chosen
    for name in ("tiny", "other"):
        chosen.provider.destroy("default", name)


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
