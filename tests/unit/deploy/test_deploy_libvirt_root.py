"""The maker of roots with other versions of libvirt, up to where it needs the network."""

import os
import subprocess
import sys
from pathlib import Path

import libvirt_root
import pytest

MAKER = Path(libvirt_root.__file__)


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(MAKER), *arguments], capture_output=True, text=True, check=False)


def test_a_suite_that_cannot_be_had_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """As root there is no archive to read, as anyone else being nobody is the fault."""
    made = ended("nosuch", "--output", str(tmp_path), "--mirror", f"file:{tmp_path}/no-archive")
    assert made.returncode == 2
    assert len(made.stderr.splitlines()) == 1, made.stderr
    assert made.stderr.startswith("libvirt root: ")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_one_that_is_there_is_not_made_again_and_tells_its_versions(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs to be root, as the maker does")
    dpkg = tmp_path / "old/var/lib/dpkg"
    dpkg.mkdir(parents=True)
    package = (
        "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nMaintainer: x\nDescription: x\nVersion: {}\n"
    )
    (dpkg / "status").write_text(package.format("libvirt-daemon", "7.0.0-3") + "\n" + package.format("bash", "5"))
    made = ended("old", "--output", str(tmp_path), "--mirror", f"file:{tmp_path}/no-archive")
    assert made.returncode == 0
    assert made.stderr.startswith("libvirt root: old: libvirt-daemon 7.0.0-3 (")
    assert (dpkg / "status").exists()
