from hypothesis import given
from hypothesis import strategies as st

from reports.sanitize import sanitize


@given(st.text())
def test_nothing_that_a_terminal_obeys_survives(text: str) -> None:
    shown = sanitize(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    shown.encode("utf-8")


@given(st.text())
def test_what_was_made_harmless_stays_as_it_is(text: str) -> None:
    once = sanitize(text, newlines=True)
    assert sanitize(once, newlines=True) == once


def test_names_in_any_script_are_kept() -> None:
    for name in (
        "kvm07.example.org",
        "сервер-7",
        "主机七",
        "מארח",
        "خادم",
        "می‌خواهم",
        "ホスト",
        "ძირი",
        "होस्ट",
        "κόμβος",
    ):
        assert sanitize(name) == name


def test_what_stood_there_is_marked() -> None:
    assert sanitize("a\x1b[31mb\u202ec\x00") == "a�[31mb�c�"


def test_lines_become_one_line_unless_they_are_wanted() -> None:
    assert sanitize("one\r\ntwo\tthree") == "one two three"
    assert sanitize("one\r\ntwo", newlines=True) == "one\ntwo"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert sanitize("x" * 65536, 10) == "xxxxxxxxxx… (65536 characters)"
    assert sanitize("x" * 10, 10) == "x" * 10


def test_lone_surrogates_can_be_written_as_utf8() -> None:
    assert sanitize("host\udcff").encode("utf-8") == "host�".encode()
