"""The longest directory that an embedded driver may have holds every socket of a VM, however it is called."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from vm_factory import tiny_image

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

from provision.providers.libvirt.endpoint import LONGEST_ROOT

pytestmark = pytest.mark.libvirt
# In a process of its own: one has room for one embedded driver, and the other tests' has another root
START = """
import sys
from pathlib import Path

sys.path.append(sys.argv[1])
from vm_factory import image, wanted

from provision.model import Firmware, ProviderSpec
from provision.providers import open_provider, prepare_process

spec = ProviderSpec("p", "libvirt", sys.argv[2], None)
prepare_process([spec])
provider = open_provider(spec)
vm = wanted(
    image(Path(sys.argv[3])), spec.endpoint, name="v" * 60, tpm=True, firmware=Firmware.UEFI, memory_mib=256
)
try:
    provider.apply(provider.plan(vm), lambda _: None)
    seen = provider.observe(vm)
    print("running" if seen is not None and seen.running else f"not running: {seen}")
finally:
    provider.destroy(vm.namespace, vm.name)
    provider.close()
"""


@pytest.fixture
def longest() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="np-"))
    root = top / ("x" * (LONGEST_ROOT - len(os.fsencode(top)) - 1))
    yield root
    shutil.rmtree(top)


def test_a_vm_of_a_long_name_starts_with_its_tpm_and_its_ports(longest: Path, tmp_path: Path) -> None:
    assert len(os.fsencode(longest)) == LONGEST_ROOT
    endpoint = f"qemu:///embed?root={longest}"
    done = subprocess.run(
        [sys.executable, "-c", START, Path(__file__).parents[1], endpoint, tiny_image(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("running\n", "")
