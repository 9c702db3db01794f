"""Install what a bare Debian 12 lacks: `python3 deploy/packages.py run image test`.

Asks dpkg first and starts apt only when something is missing, with sudo when not root. No daemon is started; what is
configured is the account that libvirt's QEMU driver asks for, that PostgreSQL makes no database, and that the container
registry of the tests does not run as a service. Runs before anything of ours is installed, with whatever python3 the
machine has.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable

ACCOUNT = "libvirt-qemu"
NO_CLUSTER = "/etc/postgresql-common/createcluster.d/nestproof.conf"
NO_REGISTRY = "/etc/systemd/system/docker-registry.service"
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
        "swtpm",
        "swtpm-tools",
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
        "docker-registry",
        "fonts-dejavu-core",  # without a font Chromium draws boxes
        "fonts-lohit-deva",  # names in ten languages: Hindi,
        "fonts-tlwg-loma-otf",  # Thai,
        "fonts-wqy-microhei",  # Chinese, Japanese and Korean
        "genisoimage",
        "golang-github-vmware-govmomi-dev",  # the strict simulator of vCenter is built from it
        "golang-go",
        "iproute2",
        "isolinux",
        "libvirt-daemon",
        "openssh-client",
        "openssh-server",
        "openssl",
        "postgresql",
        "procps",
        "syslinux-common",
        "vgabios",  # what bochs only recommends, and does not start without
        "virtinst",  # virt-xml, by which remedies change VMs
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
    print(f"packages: installing {' '.join(packages)}", file=sys.stderr, flush=True)
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    update, fetch = [*apt, "update"], [*apt, "install", "--yes", "--no-install-recommends", *packages]
    return as_root(update) or as_root(fetch)


def add_account() -> int:
    """Add the account that libvirt's QEMU driver will not start without; Debian adds it with the daemon, which is not
    wanted here. The numbers are Debian's, so that a later libvirt-daemon-system finds what it would have made."""
    kvm = ["groupadd", "--system", "--force", "kvm"]
    group = ["groupadd", "--system", "--force", "--gid", "64055", ACCOUNT]
    home = ["--no-create-home", "--home-dir", "/var/lib/libvirt", "--shell", "/usr/sbin/nologin"]
    user = ["useradd", "--system", "--uid", "64055", "--gid", ACCOUNT, "--groups", "kvm", *home, ACCOUNT]
    print(f"packages: adding the account {ACCOUNT}", file=sys.stderr, flush=True)
    return as_root(kvm) or as_root(group) or as_root(user)


def keep_databases_off() -> int:
    """Tell Debian's PostgreSQL, before it comes, to make and start no database of its own; the tests run theirs."""
    print(f"packages: no database is made or started: {NO_CLUSTER}", file=sys.stderr, flush=True)
    write = 'mkdir -p "${0%/*}" && echo "create_main_cluster = false" > "$0"'
    return as_root(["sh", "-c", write, NO_CLUSTER])


def keep_registry_off() -> int:
    """Mask the service of Debian's container registry before it comes: it would listen for everybody, on port 5000."""
    print(f"packages: the container registry is not started: {NO_REGISTRY}", file=sys.stderr, flush=True)
    return as_root(["sh", "-c", 'mkdir -p "${0%/*}" && { test -e "$0" || ln -s /dev/null "$0"; }', NO_REGISTRY])


def as_root(command: list[str]) -> int:
    """Run `command`, with sudo when not root. Returns the exit code for the user, who has been told of a failure."""
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            print(f"packages: need root: run as root '{' '.join(command)}'", file=sys.stderr)
            return 2
        command = ["sudo", *command]
    # What apt says belongs to no one; its errors go to stderr by themselves.
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        print(f"packages: failed ({ended.returncode}), see above: {' '.join(command)}", file=sys.stderr)
        return 2
    return 0


def account_is_missing() -> bool:
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Install the Debian packages of these groups, if they are missing.")
    parser.add_argument("group", nargs="+", choices=sorted(GROUPS))
    groups = parser.parse_args().group
    wanted = sorted({package for group in groups for package in GROUPS[group]})
    lacking = missing(wanted)
    if lacking is None:
        print(f"packages: no dpkg here; install what your system calls {' '.join(wanted)}", file=sys.stderr)
        return 0
    code = keep_databases_off() if "postgresql" in lacking else 0
    if code == 0 and "docker-registry" in lacking:
        code = keep_registry_off()
    if code == 0 and lacking:
        code = install(lacking)
    if code == 0 and "run" in groups and account_is_missing():
        code = add_account()
    return code


if __name__ == "__main__":
    sys.exit(main())
