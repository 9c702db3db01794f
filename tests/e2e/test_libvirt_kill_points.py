"""kill -9 at twenty random points of apply and of destroy, of VMs with a disk, a seed, UEFI's variables and a TPM.

Whatever was half made or half removed: applying converges to a VM that runs, and destroying leaves nothing.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from test_libvirt_kill import TESTS, Embedded
from vm_factory import tiny_image

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")
pytestmark = pytest.mark.libvirt
POINTS = 20
DRIVER = """
import sys
from pathlib import Path
from vm_factory import image, wanted
from provision.model import Firmware
from provision.providers import open_provider, prepare_process

path, endpoint, *verbs = sys.argv[1:]
vm = wanted(image(Path(path)), endpoint, firmware=Firmware.UEFI, memory_mib=128, tpm=True)
prepare_process([vm.provider])
provider = open_provider(vm.provider)
for verb in verbs:
    print("now", verb, flush=True)
    if verb == "apply":
        provider.apply(provider.plan(vm), lambda _line: None)
        view = provider.observe(vm)
        print("running" if view and view.running and view.got else view)
    else:
        provider.destroy("default", "tiny")
print("done", flush=True)
"""


def start(embedded: Embedded, *verbs: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(embedded.image), f"qemu:///embed?root={embedded.root}", *verbs],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(TESTS)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Embedded:
    needs("qemu-system-x86_64", package="qemu-system-x86")
    needs("qemu-img", package="qemu-utils")
    needs("swtpm_setup", package="swtpm-tools")
    return Embedded(tmp_path_factory.mktemp("p"), tiny_image(tmp_path_factory.mktemp("image")))


@pytest.fixture(scope="module")
def takes(embedded: Embedded) -> dict[str, float]:
    """Seconds that each verb takes on this machine, and what an undisturbed pair of them leaves: nothing."""
    with start(embedded, "apply", "destroy") as process:
        assert process.stdout is not None
        at = {line.strip(): time.monotonic() for line in process.stdout}
    assert embedded.remains() == set()
    return {"apply": at["now destroy"] - at["now apply"], "destroy": at["done"] - at["now destroy"]}


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_anywhere(embedded: Embedded, takes: dict[str, float], point: int) -> None:
    chance = random.Random(f"point {point}")
    killed = "destroy" if point % 2 else "apply"
    with start(embedded, *(("apply", "destroy") if point % 2 else ("apply",))) as process:
        assert process.stdout is not None
        assert any(line.strip() == f"now {killed}" for line in process.stdout)
        time.sleep(takes[killed] * chance.random())
        process.send_signal(signal.SIGKILL)
    again = ("destroy",) if point % 4 == 3 else ("apply", "destroy")
    with start(embedded, *again) as process:
        said = process.communicate(timeout=180)[0].split()
        assert process.returncode == 0
    assert ("running" in said) == ("apply" in again)
    assert embedded.remains() == set()
    assert embedded.processes() == []
