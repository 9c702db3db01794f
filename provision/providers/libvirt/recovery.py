"""Setting an embedded driver's directory right after a run of it was killed in the middle of starting a VM.

libvirt notes a starting VM with process 0, before there is even a PID file, and then waits in vain, 30 s for every
call, for a monitor that never answers; a QEMU that it had not noted yet it forgets altogether. Both are ended here,
before the driver is opened. Call it only while holding the directory's lock.
"""

import contextlib
import os
import re
import shutil
import signal
import time
from pathlib import Path

from provision.providers.libvirt.xmltext import XmlError, parse_xml

LOOKS = 20
PAUSE = 0.1
"""A child of libvirt that has not become QEMU yet ends by itself within moments of its parent's death."""


def recover(root: Path) -> None:
    """End what a killed driver left half started below `root`. VMs that run stay as they are."""
    run = root / "run" / "qemu"
    for half in (*run.glob("*.xml.new"), *(root / "etc" / "qemu").glob("*.xml.new")):
        half.unlink(missing_ok=True)  # libvirt writes a file beside the old one and then renames it
    for name in sorted({file.stem for file in (*run.glob("*.pid"), *run.glob("*.xml"))} - {"driver"}):
        file, status = run / f"{name}.pid", run / f"{name}.xml"
        process, noted = _process(file, root), _noted(status)
        if (process and process == noted) or (noted != 0 and not file.exists()):
            continue
        if process:
            _end(process)
        status.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
    _sweep(root, {_id(status) for status in run.glob("*.xml")})


def _sweep(root: Path, running: set[str]) -> None:
    """Remove what was made for VMs whose QEMU never came to be: directories, and TPMs, which end with their QEMU."""
    own = root / "lib" / "qemu"
    for directory in (*own.glob("domain-*"), *own.glob("channel/target/domain-*")):
        found = re.fullmatch(r"domain-(\d+)-.*", directory.name)
        if found and found[1] not in running:
            shutil.rmtree(directory, ignore_errors=True)
    for pid in _tpm_processes(root, running):
        _end(pid)
    for file in (root / "run" / "swtpm").glob("*"):
        found = re.match(r"(\d+)-", file.name)
        if found and found[1] not in running:
            file.unlink(missing_ok=True)


def _tpm_processes(root: Path, running: set[str]) -> list[int]:
    """TPMs below `root` that are of no running VM, and what still sets one up."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
        except OSError:
            continue
        if not any(b"swtpm" in word for word in words.split(b"\0")[:4]) or os.fsencode(root) not in words:
            continue
        served = re.search(rb"/run/swtpm/(\d+)-", words)
        if served is None or served[1].decode() not in running:
            pids.append(int(entry.name))
    return pids


def _id(status: Path) -> str:
    """The number of a running VM, which is part of the names of everything that libvirt makes for it."""
    try:
        domain = parse_xml(status.read_text()).find("domain")
    except (OSError, XmlError):
        return ""
    return domain.get("id", "") if domain is not None else ""


def _noted(status: Path) -> int | None:
    """The process that libvirt knows of a VM; 0 when it had not come so far, None when it has noted nothing."""
    try:
        return int(parse_xml(status.read_text()).get("pid", ""))
    except (OSError, ValueError, XmlError):
        return None


def _process(file: Path, root: Path) -> int:
    """The QEMU in a PID file if it runs and is of this directory, else 0."""
    try:
        pid = int(file.read_text())
    except (OSError, ValueError):
        return 0
    for _ in range(LOOKS):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if _is_zombie(pid):
                return 0
        except OSError:
            return 0
        if b"guest=" in command and os.fsencode(root) in command:
            return pid
        time.sleep(PAUSE)
    return 0


def _is_zombie(pid: int) -> bool:
    """It has ended and nobody has reaped it. Raises OSError when there is no such process. See proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _end(pid: int) -> None:
    with contextlib.suppress(OSError):  # it is gone
        os.kill(pid, signal.SIGKILL)
        for _ in range(LOOKS):
            if _is_zombie(pid):
                return
            time.sleep(PAUSE)
