"""The terminal form against golden files; `pytest tests/unit/reports --regenerate` rewrites them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from chain_factory import (
    PROVENANCE,
    host,
    host_with_nesting_off,
    link,
    nobody_in_a_vm,
    pvm_host,
    silent_vm,
    tcg_vm,
    vm,
    vm_without_nesting,
)
from golden_files import Golden

from hostcheck.model import Answer, Chain, Evidence, Finding, Link, Remedy, Status, Verdict, Where
from reports.matrix import build
from reports.text import check_text, matrix_text

GOLDENS = Path(__file__).parent / "goldens"
HOSTILE = "a\x1b]0;owned\x07\x9b31m\u202eb\r\nc"
MACHINES = [host, host_with_nesting_off, pvm_host, nobody_in_a_vm, tcg_vm, vm_without_nesting, silent_vm]


@pytest.mark.parametrize("chain", MACHINES)
def test_one_machine(chain: Callable[[], Chain], golden: Golden) -> None:
    golden(GOLDENS / f"check-{chain.__name__}.text", check_text(chain()))


def test_one_machine_with_all_links_and_findings(golden: Golden) -> None:
    finding = Finding(
        "capacity.memory",
        Status.WARN,
        "2 GiB of memory are little for nested guests",
        evidence=(Evidence("/proc/meminfo", "MemTotal: 2097152 kB\nMemAvailable: 900000 kB"),),
        follows="kvm.run",
    )
    golden(GOLDENS / "verbose-host.text", check_text(host(findings=(finding,)), verbose=True, width=100))


def test_all_remedies_of_two_causes(golden: Golden) -> None:
    golden(GOLDENS / "verbose-nobody_in_a_vm.text", check_text(nobody_in_a_vm(), verbose=True, width=100))


def test_two_causes_are_both_shown_the_asked_one_first() -> None:
    text = check_text(nobody_in_a_vm())
    assert text.index("Broken: CPU, so its guests do not nest") < text.index("virt-xml NAME")
    assert text.index("virt-xml NAME") < text.index("Broken: Access, so it runs no guests") < text.index("usermod -aG")


def test_one_cause_of_two_answers_is_shown_once() -> None:
    why = "kvm_amd is not loaded"
    answer = Answer(Verdict.MISCONFIGURED, why, "check.module")
    remedy = Remedy("load kvm_amd", Where.HOST_SHELL, ("modprobe kvm_amd",))
    missing = link(Link.MODULE, Status.FAIL, why, remedy)
    text = check_text(host("kvm07", missing, runs=answer, nests=answer, broken=Link.MODULE))
    assert text.count("modprobe kvm_amd") == 1
    assert "Broken: Kernel module\n" in text


def test_alternatives_are_told_from_steps() -> None:
    text = check_text(nobody_in_a_vm())
    assert "To mend it (hypervisor of this VM): libvirt:" in text
    assert "Or instead (hypervisor of this VM): Proxmox VE:" in text
    assert "qm set VMID" in text
    assert "To mend it (host shell, these steps in order):" in check_text(host_with_nesting_off())


def test_nothing_in_the_store() -> None:
    assert matrix_text(build([], PROVENANCE)) == "? Nothing was checked yet\n"


def test_the_verdict_is_the_first_line() -> None:
    first = check_text(host_with_nesting_off()).splitlines()[0]
    assert first == "✖ kvm08 cannot run VMs that run VMs: kvm_amd was loaded with nested=0"


def test_emulation_is_said_plainly() -> None:
    assert "The CPU is emulated in software" in check_text(tcg_vm())
    assert "The CPU is emulated in software" in matrix_text(build([tcg_vm()], PROVENANCE))
    assert "emulated in software" not in check_text(vm())


def test_colour_only_when_asked_for_and_it_changes_no_word() -> None:
    plain, coloured = check_text(host_with_nesting_off()), check_text(host_with_nesting_off(), color=True)
    assert "\x1b" not in plain
    assert "\x1b[31m✖\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("chain", [host_with_nesting_off(), tcg_vm(), silent_vm(), host(HOSTILE), host("主机-7")])
def test_ascii_terminals_get_ascii(chain: Chain) -> None:
    assert check_text(chain, ascii=True, verbose=True).isascii()
    assert matrix_text(build([chain], PROVENANCE), ascii=True).isascii()


def test_prose_keeps_to_the_width_and_commands_stay_whole() -> None:
    for width in (60, 80, 120):
        for line in check_text(host_with_nesting_off(), width=width).splitlines():
            assert len(line) <= width or line.startswith("    echo 'options kvm_amd nested=1' > /etc/modprobe.d/")


def test_nothing_that_a_machine_says_reaches_the_terminal_as_a_command() -> None:
    remedy = Remedy(HOSTILE, Where.HOST_SHELL, (HOSTILE,), HOSTILE, HOSTILE)
    chain = host(
        HOSTILE,
        link(Link.OFFERED, Status.FAIL, HOSTILE, remedy, saw=HOSTILE),
        nests=Answer(Verdict.UNSUPPORTED, HOSTILE),
        broken=Link.OFFERED,
        findings=(Finding("x", Status.WARN, HOSTILE, evidence=(Evidence(HOSTILE, HOSTILE),)),),
    )
    for text in (check_text(chain), check_text(chain, verbose=True), matrix_text(build([chain], PROVENANCE))):
        assert not any((c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0)) or c == "\u202e" for c in text)


def test_a_huge_name_does_not_fill_the_screen() -> None:
    text = check_text(host("x" * 65536)) + matrix_text(build([host("x" * 65536)], PROVENANCE))
    assert len(text) < 3000
    assert "(65536 characters)" in text


def test_long_evidence_is_cut_and_says_how_much_is_left() -> None:
    log = "\n".join(f"line {number}" for number in range(40))
    chain = host(
        "kvm07",
        link(Link.OFFERED, Status.FAIL, "no", saw=log),
        nests=Answer(Verdict.UNSUPPORTED, "no"),
        broken=Link.OFFERED,
    )
    text = check_text(chain)
    assert "… 34 more lines" in text
    assert "line 39" not in text
    assert "line 39" in check_text(chain, verbose=True)


def test_a_remedy_says_whether_it_was_ever_run() -> None:
    assert "Proven: run in lab/test_svm_nested_off" in check_text(host_with_nesting_off())
    assert "Not proven: not yet run in a test" in check_text(vm_without_nesting())
