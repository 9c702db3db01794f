"""Bundles as files: what was written is read again, and whatever else somebody sends is refused with one line."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostcheck.model import Arrival, Asked, HostView, VmView
from reports.bundle import Bundle, BundleError, model
from reports.bundle import file as bundle_file
from reports.bundle.file import is_bundle, read, write
from reports.store import Entry

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\\\x7f", exclude_categories=["Cc"]), min_size=1, max_size=60
)
FILES = st.dictionaries(NAMES.filter(lambda name: not model.name_fault(name)), st.binary(max_size=300), max_size=6)
ENDINGS = ("x.tar.zst", "x.tar.gz", "x.tar")
REPORT = Entry("kvm07", "host", 1.0, report=b'{"a":1}')
VM = Entry("a/vm", "vm", 2.0, "kvm07", "libvirt", None, Arrival.SILENT, "nothing", VmView("a/vm", "x", True, Asked.ON))
API = Entry(
    "pve3", "host", 3.0, provider="proxmox pve", arrival=Arrival.NOT_AWAITED, view=HostView("pve3", "proxmox pve")
)
quiet = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


def bundle(*entries: Entry, **files: bytes) -> Bundle:
    made = Bundle("0.1.0", "nestproof bundle", 1763800000.0)
    for entry in entries:
        made.add_entry(entry)
    for name, data in files.items():
        made.add(name, data)
    return made


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as refused:
        read(path)
    said = str(refused.value)
    assert "\n" not in said and "\x1b" not in said and str(path) in said
    return said


@quiet
@given(FILES, st.sampled_from(ENDINGS))
def test_what_was_written_is_read_again(directory: Path, files: dict[str, bytes], name: str) -> None:
    made = bundle(REPORT, VM, API)
    for inside, data in files.items():
        made.add("more/" + inside, data)
    write(made, b"<html>", directory / name)
    found = read(directory / name)
    assert found.files == made.files and found.subjects == made.subjects
    assert found.entries() == [REPORT, API, VM]
    assert is_bundle(directory / name)
    first = (directory / name).read_bytes()
    write(made, b"<html>", directory / name)
    assert (directory / name).read_bytes() == first


def test_other_tools_unpack_it_below_one_directory(tmp_path: Path) -> None:
    write(bundle(REPORT), b"<html>", tmp_path / "x.tar.gz")
    with tarfile.open(tmp_path / "x.tar.gz") as tar:
        names = tar.getnames()
        assert names[:2] == ["nestproof-bundle/manifest.json", "nestproof-bundle/index.html"]
        assert all(member.mode == 0o644 and member.uid == 0 and member.isfile() for member in tar)
    assert (tmp_path / "x.tar.gz").stat().st_mode & 0o777 == 0o600


@quiet
@given(st.data(), st.sampled_from(ENDINGS))
def test_a_changed_bundle_is_read_or_refused_with_one_line(directory: Path, data: st.DataObject, name: str) -> None:
    path = directory / name
    write(bundle(REPORT, VM, log=b"line\n" * 50), b"<html>", path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 600))] = data.draw(st.binary(max_size=600))
    path.write_bytes(raw)
    try:
        read(path).entries()
    except BundleError as e:
        assert "\n" not in str(e)


@quiet
@given(st.binary(max_size=3000))
def test_anything_is_read_or_refused_with_one_line(directory: Path, content: bytes) -> None:
    for start in (b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"):
        path = directory / "anything"
        path.write_bytes(start + content)
        with pytest.raises(BundleError):
            read(path)


def hostile(path: Path, change: Callable[[tarfile.TarInfo], None], content: bytes = b"x") -> Path:
    """A bundle with one member more, which somebody made."""
    member = tarfile.TarInfo("nestproof-bundle/evil")
    member.size = len(content)
    change(member)
    write(bundle(REPORT), b"<html>", path)
    with tarfile.open(path, "a") as tar:
        tar.addfile(member, io.BytesIO(content) if member.size == len(content) else None)
    return path


def named(name: str) -> Callable[[tarfile.TarInfo], None]:
    return lambda member: setattr(member, "name", name)


def linked(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, target, 0

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (named("nestproof-bundle/../../etc/passwd"), "leads out"),
        (named("/etc/passwd"), "leads out"),
        (named("other/x"), "outside"),
        (named("nestproof-bundle//x"), "leads out"),
        (named("nestproof-bundle/a\x1b[31mb"), "characters"),
        (named("nestproof-bundle/" + "x" * 300), "longer than"),
        (named("nestproof-bundle/index.html"), "twice"),
        (named("nestproof-bundle/unlisted"), "not named in its manifest"),
        (linked(tarfile.SYMTYPE, "/etc/passwd"), "no plain file"),
        (linked(tarfile.LNKTYPE, "nestproof-bundle/manifest.json"), "no plain file"),
        (linked(tarfile.FIFOTYPE, ""), "no plain file"),
        (linked(tarfile.CHRTYPE, ""), "no plain file"),
        (linked(tarfile.GNUTYPE_SPARSE, ""), "no plain file"),
    ],
)
def test_a_member_that_is_no_plain_file_of_the_bundle_is_refused(
    tmp_path: Path, change: Callable[[tarfile.TarInfo], None], why: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    os.chdir(outside)
    assert why in refusal(hostile(tmp_path / "x.tar", change))
    assert list(outside.iterdir()) == []


def test_a_bomb_goes_off_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_file, "MAX_STREAM", 1 << 20)
    made = bundle(REPORT, a=bytes(9 << 20), b=bytes(9 << 20))
    for name in ("x.tar.zst", "x.tar.gz"):
        write(made, b"<html>", tmp_path / name)
        assert (tmp_path / name).stat().st_size < 1 << 15
        assert "more than 1 MiB" in refusal(tmp_path / name)
    monkeypatch.undo()

    def large(member: tarfile.TarInfo) -> None:
        member.size = 1 << 40

    assert "at most" in refusal(hostile(tmp_path / "x.tar", large))


def test_a_header_that_never_ends_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("nestproof-bundle/x")
        member.pax_headers = {"comment": "y" * 100_000}
        tar.addfile(member)
    block = path.read_bytes()[:512]
    header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    path.write_bytes((block + bytes(-header.size % 512 + header.size)) * 3000)
    refusal(path)


def test_a_changed_file_or_manifest_is_noticed(tmp_path: Path) -> None:
    made = bundle(REPORT, log=b"before")
    write(made, b"<html>", tmp_path / "x.tar")
    raw = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(raw.replace(b"before", b"behind"))
    assert "damaged or changed" in refusal(tmp_path / "x.tar")
    (tmp_path / "x.tar").write_bytes(raw.replace(b"nestproof.bundle/1", b"nestproof.bundle/9"))
    assert "manifest is not one of nestproof.bundle/1" in refusal(tmp_path / "x.tar")


def test_a_manifest_that_names_what_is_not_there_is_refused(tmp_path: Path) -> None:
    made = bundle(REPORT)
    made.files.clear()
    write(made, b"<html>", tmp_path / "x.tar")
    with pytest.raises(BundleError, match="not there"):
        read(tmp_path / "x.tar").entries()


def test_a_report_or_view_that_is_none_is_refused(tmp_path: Path) -> None:
    made = bundle(Entry("x", "host", 1.0, report=b"y" * 70_000))
    with pytest.raises(BundleError, match="at most 65536"):
        made.entries()
    made = bundle(VM)
    made.files["subjects/00001/view.json"] = b"[" * 100_000
    with pytest.raises(BundleError, match="not a view"):
        made.entries()


def test_what_is_too_much_is_named_among_what_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_FILE", 1000)
    monkeypatch.setattr(model, "MAX_TOTAL", 4000)
    monkeypatch.setattr(model, "MAX_FILES", 8)
    made = bundle()
    made.add("large", bytes(1001))
    for number in range(9):
        made.add(f"f{number}", bytes(500))
    made.add("../out", b"")
    made.add("half\udc80", b"")
    assert sum(map(len, made.files.values())) <= 3000
    why = {out.name: out.why for out in made.left_out}
    assert "more than" in why["large"] and why["f8"] == "the bundle is full" and "leads out" in why["../out"]
    json.dumps(why).encode()


def test_the_name_says_how_it_is_packed(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="ends in one of"):
        write(bundle(), b"", tmp_path / "x.zip")
    with pytest.raises(BundleError, match="cannot write"):
        write(bundle(), b"", tmp_path / "no" / "x.tar")
