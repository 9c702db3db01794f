"""Build a small Debian 12 cloud image from Debian's packages alone: a guest for the demo and the tests.

One qcow2 disk (guest_disk.py) with the packages and settings below. No running service is needed to build it, but root
is: files of the guest belong to other users. There is no default user, no password and no ssh server in it; who is to
enter says so in a cloud-config.

    python3 deploy/guest_image.py --output .cache/guest/debian-12.qcow2

Nothing is built again while these scripts, deploy/guest/ and the output are unchanged; --force fetches newer packages.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from debian_system import SUITE, BuildError, apt_sources, run
from guest_disk import GPT_BOOT_CODE, GUEST_FILES, write_disk

PACKAGES = (
    "busybox-static",  # the initial RAM disk
    "cloud-init",
    "dbus",
    "iproute2",
    "kmod",
    "linux-image-cloud-amd64",
    "login",
    "passwd",
    "python3",
    "python3-cffi-backend",  # python3-cryptography stays unconfigured without it
    "systemd",
    "systemd-boot-efi",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
)
NOT_IN_THE_IMAGE = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")

# Units that only take time in a machine that lives for an experiment. /dev/null masks them.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "getty-static.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "systemd-binfmt.service",
    "systemd-journald-audit.socket",
    "systemd-pstore.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)
MASKED_GENERATORS = (
    "systemd-cryptsetup-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-system-update-generator",
    "systemd-sysv-generator",
    "systemd-veritysetup-generator",
)

TOOLS = {
    "apt-get": "apt",
    "cpio": "cpio",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "mmd": "mtools",
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "setpriv": "util-linux",
    "sfdisk": "fdisk",
    "syslinux": "syslinux",
}


def build(output: Path, *, mirror: str | None = None, force: bool = False) -> bool:
    """Make the image at `output` unless it is there, built from the same inputs. True when it was built now.

    `mirror` is the URL of a Debian archive; without it, those that apt of this machine uses. The file appears whole
    or not at all, and two builders of the same output take turns. Raises BuildError.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    stamp = output.with_name(f"{output.name}.inputs")
    with _locked(output.with_name(f"{output.name}.lock")):
        if not force and output.exists() and stamp.exists() and stamp.read_text() == inputs():
            return False
        _refuse_what_cannot_work()
        for left_over in output.parent.glob(f"{output.name}.build-*"):
            shutil.rmtree(left_over)
        with tempfile.TemporaryDirectory(prefix=f"{output.name}.build-", dir=output.parent) as directory:
            image = _build_in(Path(directory), [f"deb {mirror} {SUITE} main"] if mirror else apt_sources())
            stamp.unlink(missing_ok=True)
            image.replace(output)
        stamp.write_text(inputs())
    return True


def inputs() -> str:
    """The digest of all that the image is made from, but for the state of Debian's archive."""
    digest = hashlib.sha256()
    scripts = (Path(__file__).with_name(f"{name}.py") for name in ("debian_system", "guest_disk", "guest_image"))
    for path in sorted([*scripts, *(p for p in GUEST_FILES.rglob("*") if p.is_file())]):
        digest.update(f"{path.name} {path.stat().st_mode:o} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _refuse_what_cannot_work() -> None:
    if os.geteuid() != 0:
        raise BuildError("building the image needs root: run it with sudo")
    missing = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    if not GPT_BOOT_CODE.exists():
        missing.add("syslinux-common")
    if missing:
        raise BuildError(f"tools are missing: run 'apt-get install {' '.join(sorted(missing))}'")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"guest image: waiting for another build ({path})", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"guest image: {what}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def _build_in(work: Path, sources: Sequence[str]) -> Path:
    root, disk, image = work / "root", work / "disk.raw", work / "disk.qcow2"
    with _step(f"{len(PACKAGES)} packages and what they need"):
        _install_packages(root, sources, work)
    with _step("settings"):
        _configure(root)
    with _step("disk"):
        write_disk(disk, root, work)
    with _step("qcow2"):
        run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(image)])
    return image


def _install_packages(root: Path, sources: Sequence[str], work: Path) -> None:
    # The proxy and the certificates of this machine's apt are needed to fetch, and are no business of the guest's.
    acquire = work / "acquire.conf"
    acquire.write_bytes(run(["apt-config", "dump", "Acquire"]))
    in_root = '"$1"/etc/apt/apt.conf.d/00host'
    exclude = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_IN_THE_IMAGE]
    run(
        [
            # Killed with us, whatever it has started.
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child"),
            *("mmdebstrap", "--mode=root", "--variant=minbase"),
            *(f"--include={','.join(PACKAGES)}", *exclude, "--dpkgopt=path-include=/usr/share/doc/*/copyright"),
            f'--setup-hook=mkdir -p "$1"/etc/apt/apt.conf.d && cp {acquire} {in_root}',
            f"--customize-hook=rm {in_root}",
            '--customize-hook=chroot "$1" systemctl enable systemd-networkd',
            *(SUITE, str(root), *sources),
        ],
        # The kernel's packages would make two initial RAM disks of their own, 14 s, and neither is used.
        INITRD="No",
    )


def _configure(root: Path) -> None:
    shutil.copytree(GUEST_FILES / "overlay", root, dirs_exist_ok=True)
    for directory, names in (("system", MASKED), ("system-generators", MASKED_GENERATORS)):
        masks = root / "etc/systemd" / directory
        masks.mkdir(exist_ok=True)
        for name in names:
            (masks / name).symlink_to("/dev/null")
    # Empty, not "uninitialized": an identity of its own for each VM, and no presets to apply at the first boot.
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").unlink(missing_ok=True)
    shutil.rmtree(root / "var/log/journal", ignore_errors=True)
    # Nothing in /usr is newer than what was made from it.
    for directory in ("etc", "var"):
        (root / directory / ".updated").touch()


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Build the Debian 12 guest image of the demo and the tests. Needs root."
    )
    parser.add_argument(
        "--output", type=Path, default=Path(".cache/guest/debian-12.qcow2"), help="default: %(default)s"
    )
    parser.add_argument("--mirror", metavar="URL", help="a Debian archive; default: what apt of this machine uses")
    parser.add_argument("--force", action="store_true", help="build again from the packages of today")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        built = build(arguments.output, mirror=arguments.mirror, force=arguments.force)
    except (BuildError, OSError) as error:
        print(f"guest image: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("guest image: interrupted, nothing left behind", file=sys.stderr)
        return 130
    state = f"built in {time.monotonic() - started:.0f} s" if built else "is up to date"
    print(f"guest image: {arguments.output} {state}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
