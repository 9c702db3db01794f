"""Exports: what was written is read again, and whatever else a file may hold is one line that names it."""

import base64
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostcheck.model import Arrival, Asked, HostView, VmView
from reports.packing import PackError, packed, unpacked
from reports.store import Entry, StoreError
from reports.store.transfer import export, exported, is_export

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VIEWS = {
    "host": st.none() | st.builds(HostView, TEXT, TEXT, TEXT),
    "vm": st.none() | st.builds(VmView, TEXT, TEXT, st.booleans(), st.sampled_from(Asked)),
}
ENTRIES = st.sampled_from(("host", "vm")).flatmap(
    lambda kind: st.builds(
        Entry, TEXT, st.just(kind), st.floats(0, 1e10), TEXT, TEXT, st.none() | st.binary(max_size=99),
        st.sampled_from(Arrival), TEXT, VIEWS[kind],
    )
)  # fmt: skip
ONE = Entry("kvm07", "host", 1.0, report=b"{}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, max_size=5), st.sampled_from(["x.jsonl", "x.jsonl.gz", "x.jsonl.zst"]))
def test_what_was_written_is_read_again(directory: Path, entries: list[Entry], name: str) -> None:
    assert export(entries, directory / name, "1") == len(entries)
    assert list(exported(directory / name)) == entries
    assert is_export(directory / name)
    first = (directory / name).read_bytes()
    export(entries, directory / name, "1")
    assert (directory / name).read_bytes() == first


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["x.jsonl", "x.jsonl.gz", "x.jsonl.zst"]))
def test_a_changed_file_is_read_or_refused_with_one_line(directory: Path, data: st.DataObject, name: str) -> None:
    path = directory / name
    export([ONE, Entry("a/vm", "vm", 2.0)], path, "1")
    raw = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position : position + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    path.write_bytes(raw)
    try:
        list(exported(path))
    except StoreError as e:
        assert str(path) in str(e) and "\n" not in str(e)


def test_a_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    export([ONE] * 5, path, "1")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(StoreError, match="cut off after"):
        list(exported(path))
    path.write_bytes(b"".join([*lines[:3], lines[-1]]))
    with pytest.raises(StoreError, match="2 entries are there"):
        list(exported(path))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"name": "x", "kind": "planet", "received": 1}, "kind"),
        ({"name": "x", "kind": "host"}, "received"),
        ({"name": "x", "kind": "host", "received": 1, "view": {"name": 3}}, "view cannot be read"),
        (
            {"name": "x", "kind": "host", "received": 1, "report": base64.b64encode(b"x" * 70000).decode()},
            "at most 65536",
        ),
    ],
)
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: object, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"schema":"nestproof.export/1","version":"1"}\n' + json.dumps(line) + "\n")
    with pytest.raises(StoreError, match=why) as refused:
        list(exported(path))
    assert f"{path}:2" in str(refused.value)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"{}", b"\x28\xb5\x2f\xfd damaged", b"\x1f\x8b\x08"):
        (tmp_path / "x").write_bytes(content)
        assert not is_export(tmp_path / "x")
        with pytest.raises(StoreError, match=str(tmp_path / "x")):
            list(exported(tmp_path / "x"))
    with pytest.raises(StoreError, match="No such file"):
        list(exported(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match="cannot write"):
        export([], tmp_path / "no" / "where", "1")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(b"before")

    def broken() -> object:
        yield ONE
        raise StoreError("the store is damaged")

    with pytest.raises(StoreError, match="damaged"):
        export(broken(), path, "1")  # type: ignore[arg-type]
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".gz", ".zst", ""])
def test_nothing_is_unpacked_beyond_the_limit(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"bomb{ending}"
    with packed(path) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert not ending or path.stat().st_size < 1 << 20
    with pytest.raises(PackError, match="more than 8 MiB"), unpacked(path, 8 << 20) as file:
        while file.read(1 << 16):
            pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_other_tools_packed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"a") + gzip.compress(b"b"))
    with unpacked(path, 10) as file:
        assert file.read() == b"ab"
