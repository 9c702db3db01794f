"""What libvirt, its Python module or a QEMU that ended says, in one line for people."""

import sys
from pathlib import Path

import pytest
from vm_factory import image, wanted

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

import libvirt

from provision.provider import ProviderError
from provision.providers.libvirt.connection import explain
from provision.providers.libvirt.endpoint import parse_endpoint
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.provider import LibvirtProvider

VM = wanted(image(Path("/tiny.img")))
SYSTEM = parse_endpoint("qemu:///system")
MACHINE = Machine(9_000_000, 2, 4096, 2500, cgroups=True)
MSR = (
    "2026-11-26T06:39:01.817789Z qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\n"
    "qemu-system-x86_64: ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion "
    "`ret == cpu->kvm_msr_buf->nmsrs' failed."
)


def said(text: str) -> ProviderError:
    error = libvirt.libvirtError("it failed")
    error.err = (1, 10, text, 2, None, None, None, -1, -1)
    return explain(error, SYSTEM)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (f"internal error: qemu unexpectedly closed the monitor: {MSR}", "failed to set MSR 0x10a to 0x69"),
        (f"internal error: process exited while connecting to monitor: {MSR}", "failed to set MSR 0x10a to 0x69"),
        (f"internal error: QEMU unexpectedly closed the monitor (vm='a.b'): {MSR}", "failed to set MSR 0x10a to 0x69"),
        (
            "internal error: qemu unexpectedly closed the monitor: 2026-11-26T07:25:53.8Z qemu-system-x86_64: -numa "
            f"node,nodeid=0,cpus=0,mem=64: warning: Parameter -numa node,mem is deprecated, use memdev instead\n{MSR}",
            "failed to set MSR 0x10a to 0x69",
        ),
        (
            "internal error: process exited while connecting to monitor: 2026-11-26T06:39:01.8Z qemu-system-x86_64: "
            "-m 64000G: cannot set up guest memory 'pc.ram': Cannot allocate memory",
            "-m 64000G: cannot set up guest memory 'pc.ram': Cannot allocate memory",
        ),
    ],
)
def test_a_qemu_that_ends_at_its_start_is_heard_without_its_noise(words: str, told: str) -> None:
    error = said(words)
    assert str(error) == f"qemu:///system: QEMU ended at its start: {told}"
    assert ("nestproof.org/accel: tcg" in error.hint) is ("MSR" in told)


def test_a_qemu_that_ends_without_a_word() -> None:
    error = said("internal error: qemu unexpectedly closed the monitor")
    assert str(error) == "qemu:///system: QEMU ended at its start and said nothing"


def test_a_libvirt_python_without_its_calls_for_qemu_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong until a VM that runs is looked at: then, whatever looks first."""
    here = "provision.providers.libvirt."
    late = ("qemu_api", "monitor", "inside", "live", "readback", "readback_devices", "observe", "channels", "hearing")
    provider = LibvirtProvider(SYSTEM, None, MACHINE)
    for verb in (lambda: provider.observe(VM), lambda: provider.fetch_report(VM, 1, lambda _line: None)):
        for module in late:
            monkeypatch.delitem(sys.modules, here + module, raising=False)
        monkeypatch.setitem(sys.modules, "libvirt_qemu", None)
        with pytest.raises(ProviderError, match=r"libvirt-python here cannot speak to QEMU: .*libvirt_qemu") as caught:
            verb()
        assert "libvirt-dev" in caught.value.hint
        assert "\n" not in str(caught.value)
