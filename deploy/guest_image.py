"""Build a small Debian 12 cloud image from Debian's packages alone: a guest for the demo and the tests.

One qcow2 disk that boots under BIOS and UEFI: a FAT partition with kernel, initial RAM disk, SYSLINUX and systemd-boot,
and an ext4 root that grows with the disk. No mount, no loop device, no running service is needed to build it, but root
is: files of the guest belong to other users. There is no default user, no password and no ssh server in it; who is to
enter says so in a cloud-config.

    python3 deploy/guest_image.py --output .cache/guest/debian-12.qcow2

Nothing is built again while this file, deploy/guest/ and the output are unchanged; --force fetches newer packages.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUITE = "bookworm"
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

# Dependencies first. ext4 and NVMe are built into Debian's cloud kernel; it has no AHCI at all.
INITIAL_MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
)

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

ROOT_LABEL = "nestproof-root"
# no_timer_check: on a busy host an emulated timer is late, which Linux takes for a broken board and panics. panic=5: a
# guest that panics all the same starts again instead of standing still.
COMMAND_LINE = f"root=LABEL={ROOT_LABEL} rw console=ttyS0 quiet no_timer_check panic=5"

MIB = 1 << 20
DISK_MIB, BOOT_START_MIB, BOOT_MIB = 2048, 1, 62
ROOT_START_MIB = BOOT_START_MIB + BOOT_MIB

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
GPT_BOOT_CODE = Path("/usr/lib/syslinux/mbr/gptmbr.bin")
GUEST_FILES = Path(__file__).parent / "guest"


class BuildError(Exception):
    """The image was not built; the message is one line for the user."""


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
    for path in sorted([Path(__file__), *(p for p in GUEST_FILES.rglob("*") if p.is_file())]):
        digest.update(f"{path.name} {path.stat().st_mode:o} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def apt_sources() -> list[str]:
    """Debian's own archives among those that apt of this machine uses, as lines for sources.list."""
    form = "$(LABEL) $(COMPONENT) $(REPO_URI)"
    listing = _run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).decode()
    return debian_archives(line.split(" ") for line in listing.splitlines())


def debian_archives(targets: Iterable[list[str]]) -> list[str]:
    """Lines for sources.list from apt's (label, component, URI) triples; third-party archives stay out.

    Raises BuildError when Debian's main archive is not among them.
    """
    suites = {"Debian": SUITE, "Debian-Security": f"{SUITE}-security"}
    found = {fields[0]: fields[2] for fields in targets if len(fields) == 3 and fields[1] == "main"}
    if "Debian" not in found:
        raise BuildError("apt knows no Debian archive: run 'apt-get update', or give --mirror URL")
    return [f"deb {found[label]} {suite} main" for label, suite in suites.items() if label in found]


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
    root, initrd, disk, image = work / "root", work / "initrd", work / "disk.raw", work / "disk.qcow2"
    with _step(f"{len(PACKAGES)} packages and what they need"):
        _install_packages(root, sources, work)
    with _step("settings"):
        _configure(root)
    with _step("disk"):
        _write_initrd(root, work / "initrd.d", initrd)
        _partition(disk)
        _write_boot_partition(disk, root, initrd, work)
        _write_root(disk, root)
    with _step("qcow2"):
        _run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(image)])
    return image


def _install_packages(root: Path, sources: Sequence[str], work: Path) -> None:
    # The proxy and the certificates of this machine's apt are needed to fetch, and are no business of the guest's.
    acquire = work / "acquire.conf"
    acquire.write_bytes(_run(["apt-config", "dump", "Acquire"]))
    in_root = '"$1"/etc/apt/apt.conf.d/00host'
    exclude = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_IN_THE_IMAGE]
    _run(
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


def _kernel(root: Path) -> str:
    return max((root / "lib/modules").iterdir()).name


def _write_initrd(root: Path, tree: Path, initrd: Path) -> None:
    for directory in ("bin", "dev", "lib", "proc", "root", "sys"):
        (tree / directory).mkdir(parents=True)
    shutil.copy2(GUEST_FILES / "init", tree / "init")
    shutil.copy2(root / "bin/busybox", tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    drivers = root / "lib/modules" / _kernel(root) / "kernel/drivers"
    for number, name in enumerate(INITIAL_MODULES):
        source = next(drivers.rglob(f"{name}.ko"))
        shutil.copy2(source, tree / "lib" / f"{number}-{name}.ko")
    # Not compressed: unpacking costs an emulated CPU more than reading does.
    names = "\n".join(sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    initrd.write_bytes(_run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree, stdin=names))


def _partition(disk: Path) -> None:
    with disk.open("wb") as raw:
        raw.truncate(DISK_MIB * MIB)
    table = (
        "label: gpt\n"
        f"start={BOOT_START_MIB}MiB, size={BOOT_MIB}MiB, type=U, name=boot, attrs=LegacyBIOSBootable\n"
        f"start={ROOT_START_MIB}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root\n"
    )
    _run(["sfdisk", "--quiet", str(disk)], stdin=table)
    with disk.open("r+b") as raw:
        raw.write(GPT_BOOT_CODE.read_bytes())


def _write_boot_partition(disk: Path, root: Path, initrd: Path, work: Path) -> None:
    start = BOOT_START_MIB * MIB
    fat = f"{disk}@@{start}"
    sectors = str(BOOT_MIB * MIB // 512)
    hidden = str(start // 512)
    # The FAT's size goes by heads and sectors per track; it must end where the partition does.
    _run(["mformat", "-i", fat, "-T", sectors, "-h", "64", "-s", "32", "-H", hidden, "-v", "NPBOOT", "::"])
    _run(["mmd", "-i", fat, "::EFI", "::EFI/BOOT", "::loader", "::loader/entries"])
    (work / "syslinux.cfg").write_text(
        f"DEFAULT debian\nPROMPT 0\nTIMEOUT 0\nLABEL debian\n LINUX /vmlinuz\n INITRD /initrd\n APPEND {COMMAND_LINE}\n"
    )
    (work / "loader.conf").write_text("default debian.conf\ntimeout 0\n")
    (work / "debian.conf").write_text(f"title Debian\nlinux /vmlinuz\ninitrd /initrd\noptions {COMMAND_LINE}\n")
    for source, target in (
        (root / f"boot/vmlinuz-{_kernel(root)}", "vmlinuz"),
        (initrd, "initrd"),
        (root / "usr/lib/systemd/boot/efi/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"),
        (work / "syslinux.cfg", "syslinux.cfg"),
        (work / "loader.conf", "loader/loader.conf"),
        (work / "debian.conf", "loader/entries/debian.conf"),
    ):
        _run(["mcopy", "-i", fat, str(source), f"::{target}"])
    _run(["syslinux", "--offset", str(start), "--install", str(disk)])


def _write_root(disk: Path, root: Path) -> None:
    # The last MiB is the second partition table's.
    size = DISK_MIB - ROOT_START_MIB - 1
    lazy = "lazy_itable_init=1,lazy_journal_init=1"
    _run(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-L", ROOT_LABEL, "-d", str(root)),
            *("-E", f"offset={ROOT_START_MIB * MIB},{lazy}", str(disk), f"{size}M"),
        ]
    )


def _run(command: Sequence[str], *, cwd: Path | None = None, stdin: str = "", **environment: str) -> bytes:
    """What the command wrote. Raises BuildError with the last line of its complaint."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", **environment}
    ended = subprocess.run(command, cwd=cwd, input=stdin.encode(), capture_output=True, env=env, check=False)
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        complaints = [line for line in said if line.startswith(("E:", "Err:"))]
        name = "mmdebstrap" if "mmdebstrap" in command else command[0]
        raise BuildError(f"{name} failed ({ended.returncode}): {(complaints or said)[-1]}")
    return ended.stdout


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
