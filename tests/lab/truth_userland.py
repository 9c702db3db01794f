"""What remedies call, for a lab's initramfs: Debian's own kmod, passwd, acl, sed and udev, and a tree of modules."""

import os
import subprocess
import tempfile
from pathlib import Path

from lab_artefacts import PYTHON, command, needs, unpacked, userland
from lab_initramfs import module_files

TOOLS = (
    "dash", "kmod", "libkmod2", "liblzma5", "libzstd1", "libssl3", "sed", "acl", "libacl1", "libattr1",
    "libselinux1", "libpcre2-8-0", "passwd", "login", "libaudit1", "libsemanage2", "libsemanage-common",
    "libcap-ng0", "libsepol2", "libbz2-1.0", "libcrypt1", "udev", "libudev1", "libblkid1", "libcap2", "libffi8",
)  # fmt: skip
PROGRAMS = {  # where it goes: where Debian has it
    "bin/dash": "bin/dash",  # busybox's shell prefers its own applets to what it is asked for
    "sbin/modprobe": "bin/kmod",
    "sbin/depmod": "bin/kmod",
    "bin/lsmod": "bin/kmod",
    "bin/sed": "bin/sed",
    "bin/setfacl": "bin/setfacl",
    "bin/newgrp": "usr/bin/newgrp",
    "sbin/usermod": "usr/sbin/usermod",
    "sbin/groupadd": "usr/sbin/groupadd",
    "bin/udevadm": "bin/udevadm",
    "lib/systemd/systemd-udevd": "bin/udevadm",
    "lib/udev/rules.d/50-udev-default.rules": "lib/udev/rules.d/50-udev-default.rules",
}
LIBRARIES = (
    "libkmod.so.2", "liblzma.so.5", "libzstd.so.1", "libcrypto.so.3", "libacl.so.1", "libattr.so.1",
    "libselinux.so.1", "libpcre2-8.so.0", "libaudit.so.1", "libsemanage.so.2", "libcap-ng.so.0", "libsepol.so.2",
    "libbz2.so.1.0", "libcrypt.so.1", "libudev.so.1", "libblkid.so.1", "libcap.so.2", "libffi.so.8",
)  # fmt: skip
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/bin/dash\ndev:x:1000:1000::/tmp:/bin/dash\nnobody:x:65534:65534::/:/bin/dash\n",
    "etc/group": "root:x:0:\ndisk:x:6:\naudio:x:29:\nkvm:x:104:\ndev:x:1000:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\ndev:*:19000:0:99999:7:::\n",
    "etc/gshadow": "root:*::\ndisk:*::\naudio:*::\nkvm:*::\ndev:*::\n",
    "etc/login.defs": "SYS_GID_MIN 100\nSYS_GID_MAX 999\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\ngshadow: files\n",
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
}


def tools() -> dict[str, bytes]:
    """Return programs with the libraries they need, and the accounts of a small Debian, by path."""
    tree = unpacked("tools", list(TOOLS))
    found = {place: (tree / source).read_bytes() for place, source in PROGRAMS.items()}
    for name in LIBRARIES:
        directories = (tree / "lib/x86_64-linux-gnu", tree / "usr/lib/x86_64-linux-gnu")
        path = next(each / name for each in directories if (each / name).exists())
        found[f"lib/x86_64-linux-gnu/{name}"] = path.read_bytes()
    library = userland() / f"usr/lib/python{PYTHON}"
    for path in (*library.glob("ctypes/*.py"), *library.glob("lib-dynload/_ctypes.*.so")):
        found[path.relative_to(userland()).as_posix()] = path.read_bytes()
    return found | {path: text.encode() for path, text in ACCOUNTS.items()}


def module_tree(kernel: Path, names: list[str]) -> dict[str, bytes]:
    """Return some modules where modprobe looks for them, with the indices that Debian's depmod makes, by path."""
    needs(("strip", "binutils"))
    base = next((kernel / "lib/modules").iterdir())
    with tempfile.TemporaryDirectory(prefix="nestproof-lab-") as directory:
        copy = Path(directory) / "lib/modules" / base.name
        for path, content in module_files(kernel, names).values():
            place = copy / path.relative_to(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            place = place.with_name(place.name.removesuffix(".xz"))
            place.write_bytes(content)
            command("strip", "--strip-debug", place)  # an emulated CPU loads it twice as fast
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            (copy / name).write_bytes((base / name).read_bytes())
        tree = unpacked("tools", list(TOOLS))
        subprocess.run(
            ["depmod", "-b", directory, "-a", base.name], executable=tree / "bin/kmod", check=True, timeout=60,
            env={**os.environ, "LD_LIBRARY_PATH": str(tree / "usr/lib/x86_64-linux-gnu")},
        )  # fmt: skip
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in copy.rglob("*") if path.is_file()}
