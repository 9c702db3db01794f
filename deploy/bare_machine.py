"""Run a make goal of a fresh clone in a new minimal Debian 12: `python3 deploy/bare_machine.py demo`.

Proves that this checkout installs all it needs: the new system has git, make and Python, and of this machine only the
kernel, its devices, and the way to the package registries (settings of apt and pip, certificates, the resolver).
Only what is committed takes part. Needs root. The system stays where it is printed until the next run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from debian_system import SUITE, BuildError, apt_sources, make_system

PACKAGES = ("ca-certificates", "git", "make", "python3")
REGISTRY_SETTINGS = ("etc/pip.conf", "etc/hosts", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt")
# A namespace of its own for the mounts: whatever ends this, nothing stays mounted. The root is bound onto itself:
# a real machine's root is a mount point too, and unshare(1) relies on it.
ENTER = """
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount --rbind /sys "$0/sys"
mount --rbind /dev "$0/dev"
exec chroot "$0" make -C /srv/nestproof "$@"
"""


def make_machine(root: Path) -> None:
    """A new Debian with this machine's way to its registries and a clone of this checkout."""
    shutil.rmtree(root, ignore_errors=True)
    make_system(root, SUITE, PACKAGES, *apt_sources())
    for name in REGISTRY_SETTINGS:
        if Path("/", name).exists():
            (root / name).unlink(missing_ok=True)
            shutil.copyfile(Path("/", name), root / name)
    checkout = Path(__file__).parents[1]
    subprocess.run(
        ["git", "clone", "--quiet", "--no-hardlinks", str(checkout), str(root / "srv/nestproof")], check=True
    )


def run(root: Path, goals: list[str]) -> int:
    """Run make in the system. Returns its exit code."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "NESTPROOF_"))}
    passed |= {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ}
    environment = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        **passed,
    }
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, str(root), *goals]
    return subprocess.run(inside, env=environment, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Run make goals of a fresh clone in a new minimal Debian 12 (root).")
    parser.add_argument("goals", nargs="+", metavar="GOAL")
    parser.add_argument("--system", type=Path, default=Path("/var/tmp/nestproof-bare"), help="default: %(default)s")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("bare machine: needs root", file=sys.stderr)
        return 2
    started = time.monotonic()
    try:
        make_machine(arguments.system)
    except (BuildError, OSError, subprocess.CalledProcessError) as error:
        print(f"bare machine: {error}", file=sys.stderr)
        return 2
    made = time.monotonic()
    code = run(arguments.system, arguments.goals)
    print(
        f"bare machine: make {' '.join(arguments.goals)} ended with {code}: {time.monotonic() - made:.0f} s, after"
        f" {made - started:.0f} s for the system in {arguments.system}",
        file=sys.stderr,
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
