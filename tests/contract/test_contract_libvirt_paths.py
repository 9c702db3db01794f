"""The longest directory that an embedded driver may have holds every socket of a VM, however it is called."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from vm_factory import image, tiny_image, wanted

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

from provision.model import Firmware, ProviderSpec
from provision.providers import open_provider, prepare_process
from provision.providers.libvirt.endpoint import LONGEST_ROOT

pytestmark = pytest.mark.libvirt


@pytest.fixture
def longest() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="np-"))
    root = top / ("x" * (LONGEST_ROOT - len(os.fsencode(top)) - 1))
    yield root
    shutil.rmtree(top)


def test_a_vm_of_a_long_name_starts_with_its_tpm_and_its_ports(longest: Path, tmp_path: Path) -> None:
    assert len(os.fsencode(longest)) == LONGEST_ROOT
    spec = ProviderSpec("p", "libvirt", f"qemu:///embed?root={longest}", None)
    prepare_process([spec])
    provider = open_provider(spec)
    vm = wanted(
        image(tiny_image(tmp_path)), spec.endpoint, name="v" * 60, tpm=True, firmware=Firmware.UEFI, memory_mib=256
    )
    try:
        provider.apply(provider.plan(vm), lambda _: None)
        seen = provider.observe(vm)
        assert seen is not None
        assert seen.running
    finally:
        provider.destroy(vm.namespace, vm.name)
        provider.close()
