"""A VM that is larger than its host."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from vm_factory import image, wanted

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from hostcheck.model import Accelerator
from provision.model import Origin, SetField
from provision.provider import ProviderError
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import Offer
from provision.providers.libvirt.room import CPUS, MEMORY, check_room

VM = wanted(image(Path("tiny.img")))
HOST = Machine(9_000_000, cpus=4, memory_mib=8192, mhz=2500, cgroups=True)
OFFER = Offer(Accelerator.KVM, True, max_cpus=255)


def test_what_fits_is_not_spoken_of() -> None:
    assert check_room(replace(VM, cpus=4, memory_mib=8192), OFFER, HOST) == ()
    unknown = replace(HOST, cpus=0, memory_mib=0)
    assert check_room(replace(VM, cpus=64, memory_mib=1 << 20), replace(OFFER, max_cpus=0), unknown) == ()


def test_more_cpus_than_the_host_has_are_a_note() -> None:
    (note,) = check_room(replace(VM, cpus=5), OFFER, HOST)
    assert note.startswith("it has 5 CPUs, its host 4: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"memory_mib": 8193}, "8193 MiB of memory are more than the 8192 MiB of that host"),
        ({"cpus": 256}, "256 CPUs are more than the 255 that a VM can have there"),
    ],
)
def test_what_cannot_be_is_refused_where_it_was_said(change: dict[str, int], says: str) -> None:
    own, of_class = (Origin("vm.yaml", 30, 7), Origin("class.yaml", 6, 11))
    paths = MEMORY if "memory_mib" in change else CPUS
    vm = replace(VM, origins={"vm": Origin("vm.yaml", 20, 1), paths[0]: own, paths[1]: of_class}, **change)
    with pytest.raises(ProviderError) as caught:
        check_room(vm, OFFER, HOST)
    assert str(caught.value) == f"class.yaml:6:11: {says}"
    assert caught.value.refused and caught.value.hint
    with pytest.raises(ProviderError) as caught:
        check_room(replace(vm, fields=(SetField(paths[0], paths[0], "1", False, own),)), OFFER, HOST)
    assert str(caught.value) == f"vm.yaml:30:7: {says}"
