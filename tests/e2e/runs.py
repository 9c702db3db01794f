"""Running the command line as a user does, on a state directory of its own, with real Debian guests."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 900
"""Seconds for one proof."""


def guest_image(needs: Callable[..., str]) -> Path:
    """The Debian guest that the tests provision, built where it is not there yet."""
    needs("qemu-system-x86_64", package="qemu-system-x86")
    needs("qemu-img", package="qemu-utils")
    image = ROOT / ".cache/guest/debian-12.qcow2"
    if not image.exists():
        needs("mmdebstrap", package="mmdebstrap")
        subprocess.run([sys.executable, str(ROOT / "deploy/guest_image.py"), "--output", str(image)], check=True)
    return image


def command(state: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nestproof", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NESTPROOF_STATE": str(state)},
        start_new_session=True,
    )


def finished(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = command(state, *arguments)
    out, err = process.communicate(timeout=LIMIT + 60)
    assert "Traceback" not in out + err, err
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def machines_of(state: Path) -> list[str]:
    """QEMU processes of this state directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if "qemu-system" in line and str(state) in line:
                found.append(line[:200])
    return found
