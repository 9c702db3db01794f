"""Reports out of a byte stream: whole, in pieces, amid garbage, damaged, too long."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.frame import MARK
from hostcheck.frame import LONGEST_HEADER, MARKER, FrameReader
from hostcheck.report import MAX_BYTES


def framed(body: bytes) -> bytes:
    return b"NESTPROOF-REPORT/1 %d %s\n" % (len(body), hashlib.sha256(body).hexdigest().encode()) + body + b"\n"


def test_the_marker_is_the_agents() -> None:
    assert MARKER.decode() == f"{MARK} "


def test_one_frame() -> None:
    assert FrameReader().feed(framed(b"{}")) == b"{}"


@given(st.binary(min_size=1, max_size=300), st.binary(max_size=200), st.integers(1, 50))
def test_a_frame_arrives_whatever_stands_before_it_and_however_it_is_cut(body: bytes, before: bytes, size: int) -> None:
    reader = FrameReader()
    stream = before.replace(b"N", b"n") + framed(body)
    found = [x for i in range(0, len(stream), size) if (x := reader.feed(stream[i : i + size])) is not None]
    assert found == [body]


@given(st.lists(st.sampled_from([MARKER, b"1 ", b"\n", b"NESTPROOF", b"12 " + b"a" * 64 + b"\n", b"x" * 90, b"9" * 9])))
def test_after_hostile_bytes_an_intact_frame_still_arrives(pieces: list[bytes]) -> None:
    reader = FrameReader()
    for piece in pieces:
        assert reader.feed(piece) is None
    # A header among the pieces may claim what follows as its body; it fails its digest and the frame is found after.
    assert (reader.feed(b"\n" + framed(b"{}")) or reader.feed(b"\0" * 20)) == b"{}"


def test_memory_is_bounded() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.feed(b"N" * 65536) is None
        assert len(reader._buffer) < len(MARKER)
    for _ in range(100):
        reader.feed(MARKER + b"9")
        assert len(reader._buffer) <= LONGEST_HEADER


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (framed(b"{}").replace(b"{}", b"[]"), "damaged"),
        (framed(b"{}")[:-1] + b"!", "damaged"),
        (MARKER + b"%d " % (MAX_BYTES + 1) + b"0" * 64 + b"\n", f"at most {MAX_BYTES}"),
        (MARKER + b"02 " + b"0" * 64 + b"\n{}\n", "malformed"),
        (MARKER + b"-2 " + b"0" * 64 + b"\n{}\n", "malformed"),
        (MARKER + b"2 " + b"F" * 64 + b"\n{}\n", "malformed"),
        (b"NESTPROOF-REPORT/1 \n", "malformed"),
    ],
)
def test_a_bad_frame_is_passed_over_and_said(bad: bytes, fault: str) -> None:
    reader = FrameReader()
    assert reader.feed(bad) is None
    assert fault in reader.fault
    assert reader.feed(framed(b"{}")) == b"{}"


def test_the_largest_report_is_accepted() -> None:
    body = b"x" * MAX_BYTES
    assert FrameReader().feed(framed(body)) == body
