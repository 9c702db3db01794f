"""A world that moves between a plan and its apply: other runs, on other machines, that make or change the same VM."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from libvirt_lab import TINY, Lab

pytest.importorskip("libvirt", reason="libvirt-python is not installed (pip install 'nestproof[libvirt]')")

from provision.model import ProviderSpec
from provision.provider import Provider, ProviderError, is_unchanged
from provision.providers import open_provider
from provision.providers.libvirt import domains

pytestmark = pytest.mark.libvirt


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot sector does not hear ACPI: it would be waited for in vain."""
    monkeypatch.setattr(domains, "GRACE", 0.0)


@pytest.fixture
def other(daemon: Lab) -> Iterator[Provider]:
    """The same endpoint, as another run has it."""
    provider = open_provider(ProviderSpec("other", "libvirt", daemon.endpoint, None))
    yield provider
    provider.close()
    daemon.provider.destroy("default", "tiny")


def quiet(_line: str) -> None:
    return


def open_disks(lab: Lab) -> set[str]:
    """Files below the pool that the one running VM has open; of removed ones /proc says so."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            if TINY.encode() in command and os.fsencode(lab.disks) in command:
                found |= {str(link.readlink()) for link in (entry / "fd").iterdir()}
        except OSError:
            continue
    return {path for path in found if path.startswith(str(lab.disks))}


def test_a_plan_that_has_become_a_rebuild_is_refused(embedded: Lab) -> None:
    """The VM stays off: no disk may be lost that the plan did not name."""
    try:
        off = embedded.vm(power_on=False)
        embedded.provider.apply(embedded.provider.plan(off), quiet)
        larger = embedded.provider.plan(embedded.vm(power_on=False, cpus=2))
        assert not larger.loses_disk
        told = embedded.vm(power_on=False, user_data="#cloud-config\n{}\n")
        embedded.provider.apply(embedded.provider.plan(told), quiet)
        before = embedded.remains()
        with pytest.raises(ProviderError, match=r"its disk would be lost, which the plan did not say") as caught:
            embedded.provider.apply(larger, quiet)
        assert caught.value.refused and is_unchanged(caught.value)
        assert embedded.remains() == before
    finally:
        embedded.provider.destroy("default", "tiny")


def test_a_vm_that_another_run_has_made_meanwhile_is_kept(daemon: Lab, other: Provider) -> None:
    """Both found nothing there; the second comes when the first is done."""
    vm = daemon.vm()
    ours, theirs = daemon.provider.plan(vm), other.plan(vm)
    other.apply(theirs, quiet)
    running = open_disks(daemon)
    daemon.provider.apply(ours, quiet)
    assert open_disks(daemon) == running != set()


def test_a_vm_that_another_run_makes_at_the_same_time_has_its_disk(daemon: Lab, other: Provider) -> None:
    """The other starts it on a disk that we are about to replace: it must not go on with one that is removed."""
    vm = daemon.vm()
    ours, theirs = daemon.provider.plan(vm), other.plan(vm)

    def meanwhile(line: str) -> None:
        if line == "making disk and seed":
            other.apply(theirs, quiet)

    daemon.provider.apply(ours, meanwhile)
    disks = open_disks(daemon)
    assert disks and not [path for path in disks if path.endswith(" (deleted)")], disks
