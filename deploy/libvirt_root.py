"""Make roots with libvirt and QEMU of other versions: `python3 deploy/libvirt_root.py bullseye testing`.

Each is a minimal system in a directory below --output, for `pytest --libvirt-suite SUITE`, which starts the libvirtd in
it. Debian's suites come from the archive that apt of this machine uses, those of others from --mirror:

    python3 deploy/libvirt_root.py focal --mirror URL --components main,universe --keyring ubuntu-archive-keyring.gpg

One that is there is not made again; --force makes it of the packages of today. Needs root.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from debian_system import BuildError, apt_sources, make_system

CACHE = Path(__file__).parents[1] / ".cache/libvirt"
PACKAGES = ("iproute2", "libvirt-daemon-system", "ovmf", "qemu-system-x86", "qemu-utils")
WHERE_THERE = ("qemu-utils", "swtpm", "swtpm-tools")
"""Not every suite has them all; apt takes those that a pattern finds, and wants one at least."""
SHOWN = ("libvirt-daemon", "qemu-system-x86", "swtpm")
NOT_NEEDED = ("/usr/share/doc/*", "/usr/share/locale/*")


def make(suite: str, output: Path, archive: list[str], options: list[str], *, force: bool) -> str:
    """The root of one suite, whole or not at all; two makers of the same take turns. Returns what is in it."""
    root, part = output / suite, output / f"{suite}.part"
    output.mkdir(parents=True, exist_ok=True)
    with (output / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if force or not root.is_dir():
            shutil.rmtree(part, ignore_errors=True)
            found = f"?or({','.join(f'?exact-name({name})' for name in WHERE_THERE)})"
            left_out = [f"--dpkgopt=path-exclude={path}" for path in NOT_NEEDED]
            try:
                make_system(part, suite, PACKAGES, *archive, options=[f"--include={found}", *left_out, *options])
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            shutil.rmtree(root, ignore_errors=True)
            part.rename(root)
    return versions(root)


def versions(root: Path) -> str:
    """What the root has, such as `libvirt-daemon 7.0.0-3`."""
    form = ["--showformat", "${Package} ${Version}, "]
    shown = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", *form, *SHOWN],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return shown.stdout.rstrip(", ")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make roots with other suites' libvirt and QEMU. Needs root.")
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    parser.add_argument("--output", type=Path, default=CACHE, help="default: %(default)s")
    parser.add_argument("--mirror", metavar="URL", help="the archive; default: the one of this machine's apt")
    parser.add_argument("--components", default="main", help="of the archive, with commas in between; default: main")
    parser.add_argument("--keyring", type=Path, help="that the archive is signed with; default: this machine's")
    parser.add_argument("--force", action="store_true", help="make it again, of the packages of today")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("libvirt root: needs root", file=sys.stderr)
        return 2
    started = time.monotonic()
    options = [f"--components={arguments.components}"]
    options += [f"--keyring={arguments.keyring.resolve()}"] if arguments.keyring else []

    def one(suite: str) -> bool:
        try:
            archive = [arguments.mirror or apt_sources()[0].split()[1]]
            made = make(suite, arguments.output, archive, options, force=arguments.force)
        except (BuildError, OSError, subprocess.CalledProcessError) as error:
            print(f"libvirt root: {suite}: {error}", file=sys.stderr)
            return False
        print(f"libvirt root: {suite}: {made} ({time.monotonic() - started:.0f} s)", file=sys.stderr)
        return True

    with ThreadPoolExecutor() as pool:
        return 0 if all(list(pool.map(one, arguments.suites))) else 2


if __name__ == "__main__":
    sys.exit(main())
