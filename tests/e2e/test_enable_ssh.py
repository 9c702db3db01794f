"""`nestproof enable ssh://…` over real sshd: what a remote host answers, and who cannot be asked.

Nothing is applied: the host behind sshd is this machine. That --apply works is for test_enable_guest.py to show.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sshd

from hostcheck.enable.host import Here, HostError, ShellHost, There
from hostcheck.enable.steps import RemoveFile, WriteFile
from hostcheck.local import local_report
from hostcheck.reach.targets import parse

HOSTS = {"kvm01": "good", "noisy01": "noisy", "denied01": "denied", "dead01": "dead"}
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the login has to be root's"),
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Iterator[sshd.Servers]:
    needs("/usr/sbin/sshd", package="openssh-server")
    running = sshd.start(tmp_path_factory.mktemp("sshd"), HOSTS)
    yield running
    running.stop()


def enable(servers: sshd.Servers, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nestproof", "enable", "--ssh-config", str(servers.config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("name", ["kvm01", "noisy01"])
def test_a_remote_host_is_asked_the_same_questions(servers: sshd.Servers, name: str) -> None:
    host = ShellHost(There(parse(f"ssh://{name}"), str(servers.config)))
    there, here = host.survey(), ShellHost(Here()).survey()
    assert there.uid == 0
    assert (there.conf, there.record, there.use) == (here.conf, here.record, here.use)
    assert host.report().subject.boot_id == local_report().subject.boot_id


def test_steps_are_carried_out_there(servers: sshd.Servers, tmp_path: Path) -> None:
    host = ShellHost(There(parse("ssh://kvm01"), str(servers.config)))
    path = tmp_path / "etc" / "it's 100%.conf"
    host.do(WriteFile(str(path), bytes(range(256)), 0o640))
    assert path.read_bytes() == bytes(range(256))
    host.do(RemoveFile(str(path), with_directory=True))
    assert not path.parent.exists()
    with pytest.raises(HostError, match="failed"):
        host.do(WriteFile("/proc/nowhere/file", b""))


def test_the_plan_for_a_remote_host_is_this_machines(servers: sshd.Servers) -> None:
    there, here = enable(servers, "ssh://kvm01"), enable(servers)
    assert (there.returncode, there.stdout) == (here.returncode, here.stdout)
    assert here.stdout


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("dead01", 5, "dead01: ssh: connect to host 127.0.0.1"),
        ("denied01", 5, "denied01: this account is not available"),
        ("vsphere://vc", 2, "vsphere://vc: this is done on a host itself, not by an API"),
        ("ssh://user:secret@host", 2, "passwords do not belong here"),
    ],
)
def test_a_host_that_cannot_be_asked_is_one_line(servers: sshd.Servers, target: str, code: int, words: str) -> None:
    for option in ([], ["--apply"], ["--undo"]):
        done = enable(servers, target, *option)
        assert done.returncode == code, done.stderr
        assert words in done.stderr and len(done.stderr.splitlines()) == 1
        assert "secret" not in done.stderr and not done.stdout
