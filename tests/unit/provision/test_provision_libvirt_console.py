"""What is made of a guest's console: harmless, short, and telling."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from provision.providers.libvirt.console import KEPT, LINE, FileConsole, harmless, last_line, panic, saw_no_seed


@given(st.binary(max_size=500))
def test_nothing_that_steers_a_terminal_comes_through(data: bytes) -> None:
    assert all(c == "\n" or c.isprintable() for c in harmless(data))
    assert len(last_line(harmless(data))) <= LINE


def test_escape_sequences_go_and_text_stays() -> None:
    said = b"\x1bc\x1b[?7l\x1b[2J\x1b[0m[\x1b[0;32m  OK  \x1b[0m] Started \x1b]0;title\x07cloud-init.\r\n\r\n"
    assert last_line(harmless(said)) == "[  OK  ] Started cloud-init."


def test_no_seed_is_recognised() -> None:
    assert saw_no_seed("Cloud-init v. 22.4.2 finished at ... Datasource DataSourceNone.  Up 24.84 seconds")
    assert not saw_no_seed("Cloud-init v. 22.4.2 finished at ... Datasource DataSourceNoCloud [seed=/dev/vdb]")


def test_only_the_end_of_a_long_console_is_read(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"x" * (2 * KEPT) + b"\nend\n")
    text = FileConsole(log).text()
    assert len(text) == KEPT
    assert last_line(text) == "end"
    assert FileConsole(tmp_path / "none").text() == ""


PANIC = """[    0.008000]  </TASK>
[    0.008000] ---[ end Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug. ]---
"""


def test_a_kernel_that_panicked_and_stands_still_is_told_from_one_that_started_again() -> None:
    """The first line as seen of Debian's 6.1 kernel under QEMU TCG on a busy machine."""
    assert panic(PANIC) == "IO-APIC + timer doesn't work!  Boot with apic=debug."
    assert panic(PANIC + "Debian GNU/Linux 12 nested-vm ttyS0\n") == ""
    assert panic("nested-vm login:") == panic("") == ""
