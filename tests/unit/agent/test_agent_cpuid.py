"""CPUID by a program of our own making."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent import cpuid
from agent.facts import NotOk
from agent.machine import Machine

x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="CPUID is an x86 instruction")


@pytest.mark.skipif(not shutil.which("readelf"), reason="package binutils is missing")
def test_program_is_an_elf_file_without_writable_code(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(cpuid.program([0, 1]))
    said = subprocess.run(
        ["readelf", "-hlW", tmp_path / "x"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert "EXEC (Executable file)" in said
    assert "RWE" not in said


@x86
def test_agrees_with_the_kernel() -> None:
    leaf = cpuid.execute([0, 1])[0]
    vendor = cpuid.name(leaf[0])
    text = Path("/proc/cpuinfo").read_text()
    assert vendor in text
    assert bool(leaf[1][2] >> 31) == (" hypervisor" in text)


@x86
def test_facts_have_their_shape() -> None:
    machine = Machine()
    features = cpuid.features(machine)
    assert {type(features[k]) for k in ("vmx", "svm", "hypervisor")} == {bool}
    if features["hypervisor"]:
        assert all(set(s) == {"leaf", "signature"} for s in cpuid.signatures(machine))
    else:
        with pytest.raises(NotOk):
            cpuid.signatures(machine)


def test_signatures_of_stacked_hypervisors() -> None:
    machine = Machine()
    blank = (0, 0, 0, 0)
    leaves = dict.fromkeys(cpuid.LEAVES, blank)
    leaves[1] = (0, 0, 1 << 31, 0)
    leaves[0x40000000] = (0x4000000B, 0x7263694D, 0x666F736F, 0x76482074)  # Microsoft Hv, emulated by KVM
    leaves[0x40000100] = (0x40000101, 0x4B4D564B, 0x564B4D56, 0x4D)
    leaves[0x40000200] = (7, 0x41414141, 0, 0)  # a leaf number out of range: not a signature
    machine.kept["cpuid"] = {0: leaves}
    assert cpuid.signatures(machine) == [
        {"leaf": 0x40000000, "signature": "Microsoft Hv"},
        {"leaf": 0x40000100, "signature": "KVMKVMKVM"},
    ]
