"""Ignition itself takes up the config that the agent was added to. It is Debian's, unpacked and not installed."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from lab_artefacts import unpacked

from agent.cloudinit import user_data_part
from provision.ignition import SCRIPT, UNIT, UNIT_TEXT, ignition_config

pytestmark = [pytest.mark.lab, pytest.mark.root]
USER = {
    "ignition": {"version": "3.3.0"},
    "storage": {"files": [{"path": "/etc/motd", "mode": 420, "contents": {"source": "data:,hello"}}]},
    "systemd": {"units": [{"name": "theirs.service", "enabled": True, "contents": "[Service]\nExecStart=/bin/true\n"}]},
}


def test_the_user_s_files_and_units_and_the_agent_s_are_made(tmp_path: Path) -> None:
    tree = unpacked("ignition", ["ignition"])
    agent = user_data_part(vm="a/b")
    config = tmp_path / "config.ign"
    config.write_bytes(ignition_config(json.dumps(USER), agent) + b"\n" * 500)
    subprocess.run([tree / "usr/bin/ignition-validate", config], check=True, timeout=60)
    root, bin_ = tmp_path / "root", tmp_path / "bin"
    (root / "etc/selinux").mkdir(parents=True)
    (root / "etc/selinux/config").write_text("SELINUXTYPE=targeted\n")
    bin_.mkdir()
    (bin_ / "setfiles").write_text("#!/bin/sh\ncat >/dev/null\n")  # labels need the policy of a guest
    (bin_ / "setfiles").chmod(0o755)
    for stage in ("fetch", "files"):
        done = subprocess.run(
            [
                tree / "usr/lib/dracut/modules.d/30ignition/ignition", "-platform", "file", "-stage", stage,
                "-root", root, "-config-cache", tmp_path / "cache", "-state-file", tmp_path / "state",
                "-neednet", tmp_path / "neednet", "-log-to-stdout",
            ],
            env={"IGNITION_CONFIG_FILE": str(config), "PATH": f"{bin_}:{os.environ['PATH']}"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
    script = root / SCRIPT.lstrip("/")
    assert (script.read_text(), script.stat().st_mode & 0o777) == (agent, 0o700)
    units = root / "etc/systemd/system"
    assert (units / UNIT).read_text() == UNIT_TEXT
    assert (units / "theirs.service").exists()
    assert (root / "etc/motd").read_text() == "hello"
    presets = "".join(preset.read_text() for preset in (root / "etc/systemd/system-preset").iterdir())
    assert {"enable theirs.service", f"enable {UNIT}"} <= set(presets.splitlines())
