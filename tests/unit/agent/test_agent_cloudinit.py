"""The part that cloud-init runs: what it holds, and that it installs, changes nothing twice, and can be removed."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.build import agent_bytes
from agent.cloudinit import user_data_part
from agent.fallback import FALLBACK

CA = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"
SHELLS = ("dash", "bash", "busybox")


def shell(name: str) -> list[str]:
    if not shutil.which(name):
        pytest.skip(f"package {name} is missing")
    return [name, "sh"] if name == "busybox" else [name]


def test_carries_the_agent_and_its_options() -> None:
    part = user_data_part("default/nested-vm")
    assert part.startswith("#cloud-boothook\n#!/bin/sh\n")
    body = part.split("755\n", 1)[1].split("\nEND\n", 1)[0]
    assert base64.b64decode(body) == agent_bytes()
    assert "--vm default/nested-vm --watch --serve-port org.nestproof.report.0" in part
    for word in ("@AGENT@", "@NAME@", "@OPTIONS@", "@SECRETS@", "@FALLBACK@", "@VM@", "@PORT@", "@VERSION@"):
        assert word not in part


def test_carries_channels_token_and_authority() -> None:
    part = user_data_part(
        "a/b", send=["https://collector.example:8443/v1/reports", "guestinfo"], token="s3cret~", ca=CA, every=60
    )
    assert "--send https://collector.example:8443/v1/reports,guestinfo --token-file $dir/token" in part
    assert "--ca-file $dir/ca.pem --every 60" in part
    assert part.count("s3cret~") == 1
    start = next(line for line in part.splitlines() if line.strip().startswith("start="))
    assert "s3cret" not in start


def test_the_name_of_the_vm_may_be_left_out() -> None:
    part = user_data_part()
    assert "--vm" not in part
    assert 'start="/bin/sh $agent org.nestproof.report.0 "' in part


@pytest.mark.parametrize("vm", ["noslash", "a/b/c", "a/$(reboot)", "A/b", "a/b\nc", "a /b"])
def test_refuses_names_that_a_shell_could_misread(vm: str) -> None:
    with pytest.raises(ValueError, match="not namespace/name"):
        user_data_part(vm)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": "../x"}, "virtio-serial port"),
        ({"send": ["https://x/$(id)"]}, "not a channel"),
        ({"send": ["https://x/%i"]}, "not a channel"),
        ({"send": ["http://x/"]}, "no such channel"),
        ({"token": "two words"}, "not a bearer token"),
        ({"token": "x\nEND\nreboot"}, "not a bearer token"),
        ({"ca": "-----BEGIN CERTIFICATE-----\n$(id)"}, "not the PEM text"),
        ({"ca": ""}, "not the PEM text"),
    ],
)
def test_refuses_what_would_break_the_script(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        user_data_part("a/b", **options)  # type: ignore[arg-type]
    assert "two words" not in str(caught.value)


@pytest.mark.parametrize("name", SHELLS)
def test_every_shell_can_read_it(name: str, tmp_path: Path) -> None:
    script = tmp_path / "hook"
    script.write_text(user_data_part("a/b", token="t", ca=CA))
    subprocess.run([*shell(name), "-n", script], check=True, timeout=30)


def in_namespace(script: str, tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in a mount namespace of its own, with empty file systems wherever the part may write."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1)")
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/systemctl").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
    (tmp_path / "bin/systemctl").chmod(0o755)
    head = f"""
        set -e
        for d in /usr/local/lib /run /etc/systemd /var/lib; do mkdir -p $d; mount -t tmpfs none $d; done
        mkdir -p /run/systemd/system /etc/systemd/system
        mount --bind {tmp_path}/bin/systemctl /usr/bin/systemctl
        PATH=/usr/bin:/bin:/usr/sbin
    """
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", head + script],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.root
def test_installs_idempotently_and_is_removed_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(user_data_part("a/b", token="tok", ca=CA, send=["guestinfo"]))
    done = in_namespace(
        f"""
        sh {tmp_path}/hook; sh {tmp_path}/hook
        find /usr/local/lib /run /etc/systemd /var/lib -type f -printf 'FILE %p %m\\n'
        cat /etc/systemd/system/nestproof-agent.service
        /usr/bin/python3 -I -S /usr/local/lib/nestproof/nestproof-agent.pyz --uninstall
        sh {tmp_path}/hook
        find /usr/local/lib /run /etc/systemd /var/lib -type f -printf 'LEFT %p\\n'
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line for line in lines if line.startswith("FILE")) == [
        "FILE /etc/systemd/system/nestproof-agent.service 644",
        "FILE /usr/local/lib/nestproof/ca.pem 644",
        "FILE /usr/local/lib/nestproof/nestproof-agent.pyz 755",
        "FILE /usr/local/lib/nestproof/token 600",
    ]
    start = next(line for line in lines if line.startswith("ExecStart="))
    assert start.startswith("ExecStart=/")
    assert start.endswith(
        "--vm a/b --watch --serve-port org.nestproof.report.0 --send guestinfo "
        "--token-file /usr/local/lib/nestproof/token --ca-file /usr/local/lib/nestproof/ca.pem"
    )
    assert [line for line in lines if line.startswith("LEFT")] == ["LEFT /var/lib/nestproof/removed"]
    assert (tmp_path / "calls").read_text().splitlines() == [
        "daemon-reload",
        "--no-reload enable nestproof-agent.service",
        "--no-block restart nestproof-agent.service",
        "--no-block start nestproof-agent.service",
        "--no-reload disable nestproof-agent.service",
        "daemon-reload",
        "--no-block stop nestproof-agent.service",
    ]


@pytest.mark.root
def test_without_a_service_manager_the_agent_is_started_and_stopped(tmp_path: Path) -> None:
    """As in a container, or under an init that is neither systemd nor OpenRC."""
    (tmp_path / "hook").write_text(user_data_part("a/b"))
    done = in_namespace(
        f"""
        rmdir /run/systemd/system
        mount -t proc proc /proc
        sh {tmp_path}/hook; sh {tmp_path}/hook
        for i in $(seq 100); do [ -s /run/nestproof/report.json ] && break; sleep 0.1; done
        cat /run/nestproof/report.json
        echo "STARTED $(pgrep -cf '[-]-serve-port org')"
        /usr/bin/python3 -I -S /usr/local/lib/nestproof/nestproof-agent.pyz --uninstall
        for i in $(seq 100); do pgrep -f '[-]-serve-port org' >/dev/null || break; sleep 0.1; done
        echo "LEFT $(pgrep -cf '[-]-serve-port org')"
        """,
        tmp_path,
    )
    assert done.returncode == 0 or "LEFT 0" in done.stdout, done.stderr
    report = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert report["subject"]["vm"] == "a/b"
    assert "proof.plain" in report["facts"]
    # the loop of the shell, the watching agent and the serving one; the second run of the part started nothing
    assert "STARTED 3" in done.stdout
    assert done.stdout.rstrip().endswith("LEFT 0")


@pytest.mark.parametrize("name", SHELLS)
def test_without_python_a_shell_reports_that_nothing_was_proven(name: str, tmp_path: Path) -> None:
    script = tmp_path / "fallback"
    script.write_text(
        FALLBACK.replace("@VERSION@", "1.2")
        .replace("/run/nestproof", str(tmp_path / "run"))
        .replace("sleep 60", "exit 0")
    )
    subprocess.run([*shell(name), script, "no.such.port", "a/b"], check=True, timeout=60)
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert report["subject"]["vm"] == "a/b"
    facts = report["facts"]
    assert facts["cpu.identity"]["value"]["cpus"] == os.cpu_count()
    import agent

    mine = agent.collect(only=["cpu.flags", "kernel.release", "kvm.device", "cpu.identity"])["facts"]
    assert facts["cpu.flags"]["value"] == mine["cpu.flags"]["value"]
    assert facts["cpu.identity"]["value"] == mine["cpu.identity"]["value"]
    assert facts["kernel.release"]["value"]["release"] == mine["kernel.release"]["value"]["release"]
    if "value" in mine["kvm.device"]:
        assert {k: v for k, v in mine["kvm.device"]["value"].items() if k != "acl"} == facts["kvm.device"]["value"]
    for proof in ("proof.plain", "proof.nested", "proof.nested_paging"):
        assert facts[proof]["status"] == "unsupported"
        assert "nothing was proven" in facts[proof]["error"]
