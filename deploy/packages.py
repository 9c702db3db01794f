"""Install what a bare Debian 12 lacks: `python3 deploy/packages.py run image test`.

Asks dpkg first and starts apt only when something is missing, with sudo when not root; no daemon is started and
nothing is configured. Runs before anything of ours is installed, with whatever python3 the machine has.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

GROUPS = {
    "run": (
        "gcc",  # libvirt-python is compiled
        "libpython3-dev",
        "libvirt-clients",
        "libvirt-daemon-driver-qemu",  # brings libvirt-daemon, whose units are in libvirt-daemon-system: none starts
        "libvirt-dev",
        "ovmf",
        "pkg-config",
        "python3-venv",
        "qemu-system-x86",
        "qemu-utils",
    ),
    "image": (
        "cpio",
        "debian-archive-keyring",
        "e2fsprogs",
        "fdisk",
        "mmdebstrap",
        "mtools",
        "qemu-utils",
        "syslinux",
        "syslinux-common",
    ),
    "test": (
        "binutils",
        "bochs",
        "bochs-term",
        "bochsbios",
        "bsdutils",
        "busybox-static",
        "chromium",
        "cpio",
        "debootstrap",
        "fonts-dejavu-core",  # without a font Chromium draws boxes
        "genisoimage",
        "isolinux",
        "openssh-client",
        "openssh-server",
        "syslinux-common",
    ),
}


def missing(packages: Iterable[str]) -> list[str] | None:
    """Those of `packages` that dpkg does not have installed, sorted; None where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return None
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *packages],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    ).stdout
    installed = {line.split()[1] for line in shown.splitlines() if line.startswith("installed ")}
    return sorted(set(packages) - installed)


def install(packages: list[str]) -> int:
    """Install `packages` by apt. Returns the exit code for the user."""
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            print(f"packages: need root: run as root 'apt-get install {' '.join(packages)}'", file=sys.stderr)
            return 2
        command.insert(0, "sudo")
    print(f"packages: installing {' '.join(packages)}", file=sys.stderr, flush=True)
    for step in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        # What apt says belongs to the log; its errors go to stderr by themselves.
        ended = subprocess.run(command + step, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if ended.returncode != 0:
            print(f"packages: apt-get {step[0]} failed, see above; is the network there?", file=sys.stderr)
            return 2
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Install the Debian packages of these groups, if they are missing.")
    parser.add_argument("group", nargs="+", choices=sorted(GROUPS))
    wanted = sorted({package for group in parser.parse_args().group for package in GROUPS[group]})
    lacking = missing(wanted)
    if lacking is None:
        print(f"packages: no dpkg here; install what your system calls {' '.join(wanted)}", file=sys.stderr)
        return 0
    return install(lacking) if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
