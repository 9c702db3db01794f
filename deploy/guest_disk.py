"""The guest's disk: a FAT partition with kernel, initial RAM disk, SYSLINUX and systemd-boot, and an ext4 root.

It boots under BIOS and UEFI, and the root grows with the disk. No mount and no loop device is needed to write it.
"""

import shutil
from pathlib import Path

from debian_system import run

GUEST_FILES = Path(__file__).parent / "guest"
GPT_BOOT_CODE = Path("/usr/lib/syslinux/mbr/gptmbr.bin")

# Dependencies first. ext4 and NVMe are built into Debian's cloud kernel; it has no AHCI at all.
INITIAL_MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
)

ROOT_LABEL = "nestproof-root"
# no_timer_check: on a busy host an emulated timer is late, which Linux takes for a broken board and panics. panic=5: a
# guest that panics all the same starts again instead of standing still.
COMMAND_LINE = f"root=LABEL={ROOT_LABEL} rw console=ttyS0 quiet no_timer_check panic=5"

MIB = 1 << 20
DISK_MIB, BOOT_START_MIB, BOOT_MIB = 2048, 1, 62
ROOT_START_MIB = BOOT_START_MIB + BOOT_MIB


def write_disk(disk: Path, root: Path, work: Path) -> None:
    """The raw `disk` with the files of `root`; what comes in between stands in `work`. Raises BuildError."""
    initrd = work / "initrd"
    _write_initrd(root, work / "initrd.d", initrd)
    _partition(disk)
    _write_boot_partition(disk, root, initrd, work)
    _write_root(disk, root)


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
    initrd.write_bytes(run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=tree, stdin=names))


def _partition(disk: Path) -> None:
    with disk.open("wb") as raw:
        raw.truncate(DISK_MIB * MIB)
    table = (
        "label: gpt\n"
        f"start={BOOT_START_MIB}MiB, size={BOOT_MIB}MiB, type=U, name=boot, attrs=LegacyBIOSBootable\n"
        f"start={ROOT_START_MIB}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root\n"
    )
    run(["sfdisk", "--quiet", str(disk)], stdin=table)
    with disk.open("r+b") as raw:
        raw.write(GPT_BOOT_CODE.read_bytes())


def _write_boot_partition(disk: Path, root: Path, initrd: Path, work: Path) -> None:
    start = BOOT_START_MIB * MIB
    fat = f"{disk}@@{start}"
    sectors = str(BOOT_MIB * MIB // 512)
    hidden = str(start // 512)
    # The FAT's size goes by heads and sectors per track; it must end where the partition does.
    run(["mformat", "-i", fat, "-T", sectors, "-h", "64", "-s", "32", "-H", hidden, "-v", "NPBOOT", "::"])
    run(["mmd", "-i", fat, "::EFI", "::EFI/BOOT", "::loader", "::loader/entries"])
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
        run(["mcopy", "-i", fat, str(source), f"::{target}"])
    run(["syslinux", "--offset", str(start), "--install", str(disk)])


def _write_root(disk: Path, root: Path) -> None:
    # The last MiB is the second partition table's.
    size = DISK_MIB - ROOT_START_MIB - 1
    lazy = "lazy_itable_init=1,lazy_journal_init=1"
    run(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-L", ROOT_LABEL, "-d", str(root)),
            *("-E", f"offset={ROOT_START_MIB * MIB},{lazy}", str(disk), f"{size}M"),
        ]
    )
