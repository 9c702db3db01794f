"""A Debian 12 without systemd: sysvinit as PID 1, Debian's own SysV scripts of udev, ifupdown and cloud-init.

One root file system from Debian's packages, kept in .cache/lab/sysvinit; QEMU starts its kernel directly. Building it
needs root, since files of a guest belong to other users, but no mount and no service.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import debian_system
import guest_disk
import guest_image
import pytest
from lab_artefacts import CACHE, command, needs
from lab_initramfs import Initramfs

PACKAGES = (
    "busybox-static",  # the initial RAM disk
    "cloud-init",
    "ifupdown",
    "isc-dhcp-client",
    "kmod",
    "linux-image-cloud-amd64",
    "login",
    "passwd",
    "python3",
    "python3-cffi-backend",  # python3-cryptography stays unconfigured without it
    "sysvinit-core",
    "udev",
)
TOOLS = (("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs"), ("setpriv", "util-linux"), ("unshare", "util-linux"))
INIT = guest_disk.GUEST_FILES / "init"
CLOUD = guest_disk.GUEST_FILES / "overlay/etc/cloud/cloud.cfg.d/90_nestproof.cfg"
BLACKLIST = guest_disk.GUEST_FILES / "overlay/etc/modprobe.d/nestproof.conf"
# Debian starts the network in runlevel S and cloud-init in runlevel 2: too late to configure it.
NETWORK = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n"
MEGABYTES = 1536


@dataclass(frozen=True, slots=True)
class Guest:
    """What QEMU starts."""

    kernel: Path
    initrd: Path
    disk: Path
    """A raw image of the root file system; not to be written to."""
    command_line: str = f"{guest_disk.COMMAND_LINE} net.ifnames=0"


def guest() -> Guest:
    """Return the guest, built when it is not there or was built from other inputs; skips where it cannot be."""
    place = CACHE / "sysvinit"
    found = Guest(place / "vmlinuz", place / "initrd", place / "root.ext4")
    inputs = hashlib.sha256(
        b"".join(path.read_bytes() for path in (Path(__file__), INIT, CLOUD, BLACKLIST))
    ).hexdigest()
    complete = place / ".complete"
    if complete.exists() and complete.read_text() == inputs:
        return found
    if os.geteuid() != 0:
        pytest.skip("building the guest needs root")
    needs(*TOOLS)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    root = place / "root"
    install(root, place / "acquire.conf")
    (place / "acquire.conf").unlink()
    configure(root)
    shutil.copy2(next((root / "boot").glob("vmlinuz-*")), found.kernel)
    found.initrd.write_bytes(initrd(root))
    command(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-L", guest_disk.ROOT_LABEL, "-d", root),
        *("-E", "lazy_itable_init=1,lazy_journal_init=1", found.disk, f"{MEGABYTES}M"),
    )
    shutil.rmtree(root)
    complete.write_text(inputs)
    return found


def install(root: Path, acquire: Path) -> None:
    """Install the packages; the proxy and the certificates of this machine's apt are used and not left in the guest."""
    acquire.write_text(command("apt-config", "dump", "Acquire"))
    in_root = '"$1"/etc/apt/apt.conf.d/00host'
    command(
        # killed with us, whatever it has started
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child"),
        *("env", "INITRD=No"),  # the kernel's package would make one that is not used
        *("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in guest_image.NOT_IN_THE_IMAGE),
        f'--setup-hook=mkdir -p "$1"/etc/apt/apt.conf.d && cp {acquire} {in_root}',
        f"--customize-hook=rm {in_root}",
        *(debian_system.SUITE, root, *debian_system.apt_sources()),
    )


def configure(root: Path) -> None:
    """Write what an administrator of such a guest writes; the scripts that start things stay Debian's."""
    etc = root / "etc"
    (etc / "fstab").write_text(f"LABEL={guest_disk.ROOT_LABEL} / ext4 defaults 0 0\n")
    (etc / "network/interfaces").write_text(NETWORK)
    (etc / "cloud/cloud.cfg.d/90_lab.cfg").write_text(CLOUD.read_text() + "\nnetwork: {config: disabled}\n")
    (etc / "modprobe.d/lab.conf").write_text(BLACKLIST.read_text())
    inittab = (etc / "inittab").read_text().splitlines(keepends=True)
    (etc / "inittab").write_text("".join(line for line in inittab if "getty" not in line))  # it has no screen
    (etc / "hostname").unlink(missing_ok=True)


def initrd(root: Path) -> bytes:
    """Return an initial RAM disk with the disk's driver; it hands over to the root's /sbin/init."""
    image = Initramfs()
    for directory in ("dev", "proc", "root", "sys"):
        image.directory(directory)
    image.program("init", INIT.read_bytes())
    image.program("bin/busybox", (root / "bin/busybox").read_bytes())
    image.link("bin/sh", "busybox")
    for number, name in enumerate(guest_disk.INITIAL_MODULES):
        module = next((root / "lib/modules").rglob(f"{name}.ko"))
        image.add(f"lib/{number}-{name}.ko", module.read_bytes())
    return image.image()
