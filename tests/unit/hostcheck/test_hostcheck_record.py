"""The record of a remote machine: what is whole is taken, what was made to hurt is refused or passed over."""

import gzip
import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.reach.record import MAX_BYTES, MAX_FILES, RecordError, record_in
from reports.bundle import Bundle


def framed(data: bytes) -> bytes:
    return b"NESTPROOF-RECORD/1 %d %s\n" % (len(data), hashlib.sha256(data).hexdigest().encode()) + data


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as made:
        for member, data in members:
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return gzip.compress(stream.getvalue())


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def test_the_files_are_taken_from_between_banners() -> None:
    data = tar((named("."), b""), (named("./proc/cpuinfo"), b"flags: svm\n"), (named("./sys", tarfile.DIRTYPE), b""))
    assert record_in(b"*** authorised use ***\n" + framed(data) + b"NESTPROOF-REPORT/1 ") == {
        ".": b"",
        "proc/cpuinfo": b"flags: svm\n",
    }


def test_links_and_devices_are_passed_over() -> None:
    links = [(named("etc", tarfile.SYMTYPE, "/etc"), b""), (named("a", tarfile.LNKTYPE, "/etc/shadow"), b"")]
    devices = [(named("disk", tarfile.BLKTYPE), b""), (named("pipe", tarfile.FIFOTYPE), b"")]
    data = tar(*links, *devices, (named("real"), b"x"))
    assert record_in(framed(data)) == {"real": b"x"}


@pytest.mark.parametrize("name", ["/etc/passwd", "../../.ssh/authorized_keys", "a/../../b", "a\nb", "x" * 300])
def test_no_bundle_takes_a_name_that_leads_out_of_it(name: str) -> None:
    bundle = Bundle("0", "nestproof bundle", 0.0)
    for found, data in record_in(framed(tar((named(name), b"x")))).items():
        bundle.add(f"subjects/00001/capture/{found}", data)
    assert not bundle.files and len(bundle.left_out) == 1


def test_a_file_of_zeros_without_end_is_not_read() -> None:
    member = named("hole")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    assert record_in(framed(tar((member, b"0\n".ljust(512, b"\0")), form=tarfile.PAX_FORMAT))) == {}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "no record"),
        (b"NESTPROOF-RECORD/1 99999999 " + b"0" * 64 + b"\n", "damaged"),
        (framed(tar((named("a"), b"x")))[:-1], "damaged"),
        (framed(b"no tar at all"), "cannot be read"),
        (framed(gzip.compress(bytes(MAX_BYTES + 1))), "larger than 64 MiB"),
        (framed(tar(*((named(f"f{n}"), b"") for n in range(MAX_FILES + 1)))), "more than 10000 files"),
    ],
)
def test_what_is_damaged_or_too_large_is_refused_with_the_reason(sent: bytes, why: str) -> None:
    with pytest.raises(RecordError, match=why):
        record_in(sent)


@given(st.binary(max_size=2000), st.integers(0, 1 << 20))
def test_nothing_but_a_refusal_comes_of_garbage(noise: bytes, at: int) -> None:
    whole = tar((named("a"), b"x" * 100), (named("b"), b"y"))
    at %= len(whole)
    for data in (noise, gzip.compress(noise), whole[:at] + noise + whole[at + len(noise) :]):
        try:
            assert all(isinstance(value, bytes) for value in record_in(framed(data)).values())
        except RecordError:
            continue
