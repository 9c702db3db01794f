"""The guest image's builder, up to where it needs root and the network."""

import subprocess
import sys
from pathlib import Path

import debian_system
import guest_disk
import guest_image
import pytest

BUILDER = Path(guest_image.__file__)


def test_only_debian_archives_reach_the_guest() -> None:
    targets = [
        ["nodistro", "main", "https://third.example/"],
        ["Debian", "main", "http://mirror.example/debian/"],
        ["Debian", "non-free-firmware", "http://mirror.example/debian/"],
        ["Debian-Security", "main", "http://mirror.example/security/"],
        ["Debian", "Backports", "main", "http://label-with-a-blank.example/"],
    ]
    assert debian_system.debian_archives(targets) == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/security/ bookworm-security main",
    ]


def test_a_machine_without_debian_archives_is_told_what_to_do() -> None:
    with pytest.raises(debian_system.BuildError, match="--mirror URL"):
        debian_system.debian_archives([["Ubuntu", "main", "http://archive.example/ubuntu/"]])


def test_what_is_built_from_the_same_inputs_is_not_built_again(tmp_path: Path) -> None:
    image = tmp_path / "debian.qcow2"
    image.write_bytes(b"an image")
    image.with_name("debian.qcow2.inputs").write_text(guest_image.inputs())
    assert guest_image.build(image) is False
    assert image.read_bytes() == b"an image"


def test_a_failed_build_is_one_line_and_leaves_the_old_image(tmp_path: Path) -> None:
    image = tmp_path / "debian.qcow2"
    image.write_bytes(b"an older image")
    # As root there is no archive to read, as anyone else being nobody is the fault.
    command = [sys.executable, str(BUILDER), "--output", str(image), "--mirror", f"file:{tmp_path}/no-archive"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("guest image: ")
    assert image.read_bytes() == b"an older image"
    assert not list(tmp_path.glob("*.build-*"))


def test_every_mask_and_setting_is_for_a_package_of_the_image() -> None:
    assert len(set(guest_image.PACKAGES)) == len(guest_image.PACKAGES)
    assert not set(guest_image.MASKED) & {"kmod-static-nodes.service", "systemd-udevd.service", "dbus.service"}
    overlay = guest_disk.GUEST_FILES / "overlay"
    for name in ("stage", "stages"):
        assert (overlay / "usr/local/lib/cloud-init" / name).stat().st_mode & 0o111
