"""/proc/cpuinfo of several architectures, whole and broken. The texts are shortened from Linux 6.1 and 6.12."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import cpu
from agent.facts import NotOk
from agent.machine import Machine

INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 61
model name\t: Intel(R) Core(TM) i5-5200U
stepping\t: 4
microcode\t: 0x2f
flags\t\t: fpu vmx lm
vmx flags\t: vnmi ept_ad shadow_vmcs

processor\t: 1
vendor_id\t: GenuineIntel
flags\t\t: fpu lm
vmx flags\t: vnmi ept_ad

"""
ARM = """processor\t: 0
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


def machine(tmp_path: Path, text: str) -> Machine:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)
    return Machine(str(tmp_path))


def test_identity_of_intel(tmp_path: Path) -> None:
    assert cpu.identity(machine(tmp_path, INTEL)) == {
        "arch": "x86_64",
        "vendor": "GenuineIntel",
        "model_name": "Intel(R) Core(TM) i5-5200U",
        "family": "6",
        "model": "61",
        "stepping": "4",
        "microcode": "0x2f",
        "cpus": 2,
    }


def test_flags_are_those_of_every_cpu(tmp_path: Path) -> None:
    found = machine(tmp_path, INTEL)
    assert cpu.flags(found) == ["fpu", "lm"]
    assert cpu.vmx_flags(found) == ["ept_ad", "vnmi"]


def test_arm_has_no_vmx_flags(tmp_path: Path) -> None:
    found = machine(tmp_path, ARM)
    assert cpu.identity(found)["arch"] == "aarch64"
    assert cpu.identity(found)["vendor"] == "0x41"
    assert cpu.flags(found) == ["asimd", "fp"]
    with pytest.raises(NotOk) as caught:
        cpu.vmx_flags(found)
    assert caught.value.status == "absent"


@given(st.text())
def test_any_text_is_parsed(text: str) -> None:
    for block in cpu.blocks(text):
        assert block
    words = cpu.common(text, ("flags",))
    assert words is None or words == sorted(set(words))


@given(st.lists(st.sets(st.sampled_from("abcdef")), min_size=1))
def test_common_words_are_the_intersection(rows: list[set[str]]) -> None:
    text = "\n".join("flags : " + " ".join(row) for row in rows)
    assert cpu.common(text, ("flags",)) == sorted(set.intersection(*rows))
