import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hostcheck.model import Arrival, Asked, HostView, VmView
from reports.store import FILE_NAME, Entry, Store, StoreError, default_path, errors, place_of
from reports.store.place import has_password

ROOT = Path(__file__).parents[3]
VIEW = VmView("default/vm", "libvirt qemu:///system", True, Asked.ON, "vm.yaml:3:1", "svm", True)

ADD_FOREVER = """
import sys
from pathlib import Path
from reports.store import Entry, Store
with Store.open(Path(sys.argv[1])) as store:
    while True:
        print(store.add(Entry("kvm07", "host", 1.0, report=b"x" * 60000)), flush=True)
"""
ADD_SOME = """
import sys
from pathlib import Path
from reports.store import Entry, Store
with Store.open(Path(sys.argv[1])) as store:
    for number in range(25):
        store.add(Entry(f"{sys.argv[2]}-{number}", "vm", 1.0, report=b"{}"))
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def entry(name: str = "kvm07", received: float = 1.0, report: bytes | None = b"{}") -> Entry:
    return Entry(name, "host", received, report=report)


def test_what_was_added_comes_back_byte_for_byte(tmp_path: Path) -> None:
    given = Entry("default/vm", "vm", 1763800000.25, "kvm07", "libvirt", bytes(range(256)), view=VIEW)
    with Store.open(tmp_path / "s") as store:
        store.add(given)
    with Store.open(tmp_path / "s") as store:
        assert list(store.latest()) == [given]


def test_a_vm_whose_report_never_came_has_an_entry(tmp_path: Path) -> None:
    silent = Entry("default/vm", "vm", 2.0, arrival=Arrival.SILENT, arrival_detail="nothing in 300 s", view=VIEW)
    with Store.open(tmp_path / "s") as store:
        store.add(silent)
        assert list(store.latest()) == [silent]


def test_latest_is_the_newest_of_every_subject_with_hosts_first(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        store.add(Entry("a/vm", "vm", 5.0))
        for received in (1.0, 3.0, 2.0):
            store.add(entry("kvm07", received))
        store.add(entry("kvm06", 1.0))
        assert [(e.name, e.received) for e in store.latest()] == [("kvm06", 1.0), ("kvm07", 3.0), ("a/vm", 5.0)]
        assert [e.received for e in store.history("kvm07")] == [3.0, 2.0, 1.0]


def test_forget_removes_one_subject_and_says_how_much(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        store.add(entry("kvm07"))
        store.add(entry("kvm07"))
        store.add(entry("kvm08"))
        assert store.forget("kvm07") == 2
        assert store.forget("kvm07") == 0
        assert [e.name for e in store.latest()] == ["kvm08"]


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / FILE_NAME
    with Store.open(path) as store:
        store.add(entry())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_it_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NESTPROOF_STORE", raising=False)
    monkeypatch.setenv("NESTPROOF_STATE", "/somewhere")
    assert str(place_of()) == f"/somewhere/{FILE_NAME}"
    monkeypatch.delenv("NESTPROOF_STATE")
    assert default_path().parent.name == "nestproof"
    monkeypatch.setenv("NESTPROOF_STORE", "/else/where.db")
    assert str(place_of()) == "/else/where.db"
    assert str(place_of("sqlite:////x/y.db")) == "/x/y.db"
    assert str(place_of(Path("z"))) == "z"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@db.example:5433/team",
        "postgres://me:s3cret@db.example:5433/team?sslmode=require&sslpassword=s3cret",
        "postgresql+psycopg://me@db.example:5433/team?password=s3cret",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    place = place_of(url)
    assert (place.path, str(place)) == (None, "postgresql://me@db.example:5433/team")
    assert "s3cret" not in repr(place) and has_password(url)


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@db:port/x", "mysql://me:s3cret@db/x", "postgresql://me:s3cret@[::1/x"]
)
def test_a_url_that_is_none_is_one_line_without_its_password(url: str) -> None:
    with pytest.raises(StoreError, match="a store is a file, or postgresql://") as refused:
        place_of(url)
    assert "s3cret" not in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgresql://me@db:5432/x", "postgresql:///x?host=/run/pg", "/a:b@c", "x"])
def test_what_has_no_password_may_stand_on_the_command_line(url: str) -> None:
    assert not has_password(url)


def test_the_file_is_in_wal_mode_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Store.open(path) as store:
        store.add(entry())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_writers_at_the_same_time_lose_nothing_even_while_the_store_is_made(tmp_path: Path) -> None:
    writers = [python(ADD_SOME, str(tmp_path / "s"), f"w{number}") for number in range(4)]
    for writer in writers:
        _, complaint = writer.communicate(timeout=120)
        assert (writer.returncode, complaint) == (0, "")
    with Store.open(tmp_path / "s") as store:
        assert len(list(store.latest())) == 100


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_a_writer_that_is_killed_leaves_everything_that_it_had_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "s"
    with python(ADD_FOREVER, str(path)) as writer:
        assert writer.stdout is not None
        numbers = [int(writer.stdout.readline()) for _ in range(acknowledged)]
        os.kill(writer.pid, signal.SIGKILL)
        numbers += [int(line) for line in writer.stdout]
    with Store.open(path) as store:
        assert len(list(store.history("kvm07"))) >= len(numbers)
        assert all(e.report == b"x" * 60000 for e in store.history("kvm07"))
        store.add(entry("afterwards"))
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def refusal(path: Path) -> str:
    """The one line with which a store is refused; the file must be what it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        Store.open(path)
    assert path.read_bytes() == before
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_file_that_is_no_database_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"not a database at all, but long enough to be looked at as one" * 50)
    assert "file is not a database" in refusal(path)


def test_another_database_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE somebody_elses (x)")
    connection.close()
    assert "not a nestproof store" in refusal(path)


def test_an_empty_file_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.touch()
    assert "not a nestproof store" in refusal(path)


def test_a_newer_store_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    Store.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE schema_version SET version = 99")
    connection.commit()
    connection.close()
    assert "store schema 99" in refusal(path)


def test_damage_inside_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Store.open(path) as store:
        for _ in range(20):
            store.add(entry(report=b"x" * 9000))
    data = bytearray(path.read_bytes())
    data[3 * 4096 :] = b"\xff" * (len(data) - 3 * 4096)  # all but the schema
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged or not a nestproof store") as refused, Store.open(path) as store:
        list(store.history("kvm07"))
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == bytes(data)


def test_a_view_that_cannot_be_read_names_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Store.open(path) as store:
        number = store.add(Entry("default/vm", "vm", 1.0, view=VIEW))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE entries SET view = ?", (b'{"name": 3}',))
    connection.commit()
    connection.close()
    with Store.open(path) as store, pytest.raises(StoreError, match=f"entry {number} .'default/vm'.") as refused:
        list(store.latest())
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("place", ["file/inside", "directory"])
def test_a_place_that_cannot_hold_it_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(StoreError) as refused:
        Store.open(tmp_path / place)
    assert str(tmp_path / place) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_store_that_is_locked_for_too_long_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "BUSY_SECONDS", 0)
    path = tmp_path / "s"
    with Store.open(path) as store:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has been writing to it"):
            store.add(entry())
        other.close()
        store.add(entry())


def test_a_host_that_an_api_spoke_of_comes_back_as_one(tmp_path: Path) -> None:
    view = HostView("esx1", "vsphere vc", product="VMware ESXi 8.0.2")
    entry = Entry("esx1", "host", 5.0, provider="vsphere vc", arrival=Arrival.NOT_AWAITED, view=view)
    with Store.open(tmp_path / FILE_NAME) as store:
        store.add(entry)
        assert list(store.latest()) == [entry]
