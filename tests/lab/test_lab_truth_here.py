"""This machine, whatever its KVM is: the judge must agree with QEMU, which runs a boot sector by KVM or does not."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from lab_artefacts import needs

from agent.build import agent_bytes
from hostcheck.judge import judge
from hostcheck.local import local_report
from hostcheck.model import Verdict
from hostcheck.report import decode

NOBODY = 65534
# mov al,'K'; out 0xe9,al; mov al,1; out 0xf4,al: says K on QEMU's debug console, and ends QEMU
SECTOR = bytes.fromhex("b04be6e9b001e6f4f4").ljust(510, b"\0") + b"\x55\xaa"


def kvm_ran_a_boot_sector(directory: Path) -> bool:
    """Ask QEMU, which shares nothing with the agent."""
    needs(("qemu-system-x86_64", "qemu-system-x86"))
    disk, console = directory / "disk", directory / "console"
    disk.write_bytes(SECTOR)
    command = [
        "qemu-system-x86_64", "-accel", "kvm", "-m", "32", "-nodefaults", "-display", "none",
        "-drive", f"file={disk},format=raw", "-debugcon", f"file:{console}", "-device", "isa-debug-exit,iobase=0xf4",
    ]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return False
    return console.exists() and b"K" in console.read_bytes()


@pytest.mark.lab
def test_this_machine_runs_guests_exactly_when_qemu_does(tmp_path: Path) -> None:
    answer = judge(local_report(timeout=60)).runs_guests
    assert answer.verdict.works is kvm_ran_a_boot_sector(tmp_path), answer


@pytest.mark.lab
@pytest.mark.root
def test_who_may_not_open_the_node_is_told_so() -> None:
    """The same machine as nobody: a matter of permission where the mode says so, and otherwise the same answer."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    as_root = judge(local_report(timeout=60)).runs_guests
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        program = Path(directory) / "agent.pyz"
        program.write_bytes(agent_bytes())
        done = subprocess.run(
            ["/usr/bin/python3", "-I", "-S", program, "--json", "--timeout", "60"], user=NOBODY, group=NOBODY,
            extra_groups=[], cwd="/", capture_output=True, timeout=120, check=True,
        )  # fmt: skip
    answer = judge(decode(done.stdout)).runs_guests
    node = Path("/dev/kvm")
    if not node.exists() or node.stat().st_mode & 0o006 == 0o006:
        assert answer.verdict is as_root.verdict
    else:
        assert (answer.verdict, answer.decided_by) == (Verdict.BLOCKED_POLICY, "kvm.access")
