"""Endpoints that cannot be reached: one line with the URI, and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

from provision.model import ProviderSpec
from provision.provider import ProviderError
from provision.providers import open_provider

pytestmark = pytest.mark.libvirt
OPEN = """
import sys
from provision.model import ProviderSpec
from provision.provider import ProviderError
from provision.providers import open_provider
from provision.providers.libvirt import connection
connection.PATIENCE = 1.0
try:
    for endpoint in sys.argv[1:]:
        open_provider(ProviderSpec("p", "libvirt", endpoint, None))
except ProviderError as e:
    print(e, "|", e.hint)
"""


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """libvirt's sockets have short paths."""
    return tmp_path_factory.mktemp("e")


@pytest.mark.parametrize(
    ("uri", "says", "hint"),
    [
        ("qemu+tcp://127.0.0.1:1/system", "Connection refused", "is libvirtd running"),
        ("qemu:///system?socket=/proc/nonexistent", "No such file or directory", "use qemu:///embed"),
        ("qemu+tcp://nosuch.invalid/system", "resolve", "check the name"),
    ],
)
def test_unreached(uri: str, says: str, hint: str) -> None:
    with pytest.raises(ProviderError, match=says) as caught:
        open_provider(ProviderSpec("p", "libvirt", uri, None))
    assert str(caught.value).startswith(f"{uri}: ")
    assert "\n" not in str(caught.value)
    assert hint in caught.value.hint
    assert not caught.value.refused


def opened(*endpoints: str, **environment: str) -> str:
    """What a fresh process says on opening: nothing else may stand on its output."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, *endpoints],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_missing_driver_names_its_package(short: Path) -> None:
    (short / "drivers").mkdir()
    said = opened(f"qemu:///embed?root={short}", LIBVIRT_DRIVER_DIR=str(short / "drivers"))
    assert "libvirt-daemon-driver-qemu" in said.split("|")[1]


def test_a_root_that_cannot_be_written_is_one_line(short: Path) -> None:
    (short / "file").touch()
    assert "set NESTPROOF_STATE to a writable directory" in opened(f"qemu:///embed?root={short}/file/x")


def test_a_second_root_in_one_process_is_told_to_have_its_own(short: Path) -> None:
    said = opened(*(f"qemu:///embed?root={short / name}" for name in "ab"))
    assert said.startswith(f"qemu:///embed?root={short / 'b'}: ")
    assert "run nestproof once for each of the endpoints" in said


def test_a_second_process_is_told_who_holds_the_driver(short: Path) -> None:
    hold = OPEN + "print('held', flush=True); sys.stdin.read()"
    endpoint = f"qemu:///embed?root={short}"
    with subprocess.Popen(
        [sys.executable, "-c", hold, endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"in use by another nestproof (process {holder.pid})" in opened(endpoint)
        holder.kill()
    assert opened(endpoint) == ""
