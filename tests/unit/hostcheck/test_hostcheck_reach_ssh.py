"""What ssh is told: the user's configuration decides, and options of ours only choose within it."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from hostcheck.reach.ssh import POST_QUANTUM, Ssh, classic_order
from hostcheck.reach.targets import TargetError, parse


def permitted(config: Path, *options: str) -> list[str]:
    """The key exchanges that ssh would try for a host, in its order."""
    done = subprocess.run(
        ["ssh", "-G", "-F", config, *options, "kvm01"], capture_output=True, text=True, check=True, timeout=60
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("kexalgorithms "))
    return line.split(" ")[1].split(",")


@pytest.fixture
def config(tmp_path: Path, needs) -> Path:  # type: ignore[no-untyped-def]
    needs("ssh", package="openssh-client")
    return tmp_path / "config"


def test_classic_key_exchanges_come_first_and_none_is_added_or_lost(config: Path) -> None:
    config.write_text("")
    order = asyncio.run(classic_order(parse("kvm01"), Ssh(config=str(config))))
    names = order.split(",")
    assert sorted(names) == sorted(permitted(config))
    first_new = next((n for n, name in enumerate(names) if name.startswith(POST_QUANTUM)), len(names))
    assert all(name.startswith(POST_QUANTUM) for name in names[first_new:])
    assert permitted(config, "-o", f"KexAlgorithms={order}") == names


def test_what_the_user_forbids_stays_forbidden(config: Path) -> None:
    config.write_text("Host kvm*\n  KexAlgorithms diffie-hellman-group14-sha256,sntrup761x25519-sha512@openssh.com\n")
    order = asyncio.run(classic_order(parse("kvm01"), Ssh(config=str(config))))
    assert order == "diffie-hellman-group14-sha256,sntrup761x25519-sha512@openssh.com"


def test_a_configuration_that_ssh_refuses_changes_nothing(config: Path) -> None:
    config.write_text("NoSuchOption yes\n")
    assert asyncio.run(classic_order(parse("kvm01"), Ssh(config=str(config)))) == ""
    command = Ssh(config=str(config)).command(parse("kvm01"))
    assert not any("Kex" in word for word in command)


@pytest.mark.parametrize("target", ["vsphere://vc.example", "proxmox://pve1"])
def test_an_api_is_no_host_to_do_something_on(target: str) -> None:
    with pytest.raises(TargetError, match=r"not by an API; name the host as ssh://HOST"):
        parse(target)
