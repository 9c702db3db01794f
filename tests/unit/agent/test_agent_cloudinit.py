"""The part that cloud-init runs."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.build import agent_bytes
from agent.cloudinit import user_data_part


def test_carries_the_agent_and_its_options() -> None:
    part = user_data_part("default/nested-vm")
    assert part.startswith("#cloud-boothook\n#!/bin/sh\n")
    body = part.split("<<'END'\n", 1)[1].split("\nEND\n", 1)[0]
    assert base64.b64decode(body) == agent_bytes()
    assert "--vm default/nested-vm --serve-port org.nestproof.report.0" in part
    assert "@" not in part.replace(body, "").replace("$@", "")
    assert max(map(len, part.splitlines())) <= 200


@pytest.mark.parametrize("vm", ["", "noslash", "a/b/c", "a/$(reboot)", "A/b", "a/b\nc", "a /b"])
def test_refuses_names_that_a_shell_could_misread(vm: str) -> None:
    with pytest.raises(ValueError, match="not namespace/name"):
        user_data_part(vm)


def test_refuses_odd_ports() -> None:
    with pytest.raises(ValueError, match="virtio-serial port"):
        user_data_part("a/b", port="../x")


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_every_shell_can_read_it(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"package {shell} is missing")
    script = tmp_path / "hook"
    script.write_text(user_data_part("a/b"))
    command = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*command, "-n", script], check=True, timeout=30)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)")
def test_installs_idempotently_and_touches_nothing_else(tmp_path: Path) -> None:
    """Run in a mount namespace of its own, with empty file systems where it may write, and a systemctl that logs."""
    (tmp_path / "hook").write_text(user_data_part("a/b"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
    (tmp_path / "bin/systemctl").chmod(0o755)
    script = f"""
        set -e
        for d in /usr/local/lib /run /etc/systemd /var/lib; do mkdir -p $d; mount -t tmpfs none $d; done
        mkdir -p /run/systemd/system /etc/systemd/system
        PATH={tmp_path}/bin:/usr/bin:/bin:/usr/sbin
        sh {tmp_path}/hook; sh {tmp_path}/hook
        cd /; find /usr/local/lib /run /etc/systemd /var/lib -type f
        cat /etc/systemd/system/nestproof-agent.service
        /usr/local/lib/nestproof/nestproof-agent.pyz --version
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line for line in lines if line.startswith("/")) == [
        "/etc/systemd/system/nestproof-agent.service",
        "/usr/local/lib/nestproof/nestproof-agent.pyz",
    ]
    assert any(
        line.startswith("ExecStart=/") and line.endswith("--vm a/b --serve-port org.nestproof.report.0")
        for line in lines
    )
    assert lines[-1].startswith("nestproof-agent ")
    assert (tmp_path / "calls").read_text().splitlines() == [
        "daemon-reload",
        "--no-reload enable nestproof-agent.service",
        "--no-block restart nestproof-agent.service",
        "--no-block start nestproof-agent.service",
    ]
