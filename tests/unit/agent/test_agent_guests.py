"""The bytes in code.py are what the sources beside it assemble to."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.guests import code

GUESTS = Path(code.__file__).parent
CASES = {
    "CPUID": ("cpuid.S", ()),
    "PLAIN": ("plain.S", ()),
    "PACE": ("pace.S", ()),
    "OUTS": ("outs.S", ()),
    "SVM": ("svm.S", ()),
    "VMX": ("vmx.S", ()),
    "SVM_PAYLOAD": ("payload.S", ()),
    "VMX_PAYLOAD": ("payload.S", ("--defsym", "VMX=1")),
}


def test_every_source_and_constant_is_compared() -> None:
    assert {source for source, _ in CASES.values()} == {path.name for path in GUESTS.glob("*.S")}
    assert set(CASES) == {name for name in vars(code) if name.isupper()}


@pytest.mark.skipif(not shutil.which("as") or not shutil.which("objcopy"), reason="package binutils is missing")
@pytest.mark.parametrize("name", CASES)
def test_bytes_are_the_assembled_source(name: str, tmp_path: Path) -> None:
    source, options = CASES[name]
    subprocess.run(["as", "--64", *options, "-o", tmp_path / "x.o", GUESTS / source], check=True, timeout=60)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".text", tmp_path / "x.o", tmp_path / "x.bin"], check=True, timeout=60
    )
    assert (tmp_path / "x.bin").read_bytes() == getattr(code, name)
