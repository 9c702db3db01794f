"""What every store promises, on a real SQLite file and a real PostgreSQL."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from postgres_server import Postgres, programs, running

from hostcheck.model import Arrival, Asked, Evidence, HostView, VmView
from reports.store import Entry, Store, StoreError, schema
from reports.store.transfer import export, exported

ROOT = Path(__file__).parents[2]
VIEW = VmView("default/vm", "libvirt qemu:///system", True, Asked.ON, "vm.yaml:3:1", "svm", True)
OF_HOST = HostView("pve3", "proxmox pve.example", "Proxmox VE 8.2", "svm")
GIVEN = (
    Entry("kvm07", "host", 1763800000.25, report=bytes(range(256))),
    Entry("pve3", "host", 2.0, provider="proxmox pve.example", arrival=Arrival.NOT_AWAITED, view=OF_HOST),
    Entry("default/vm", "vm", 3.0, "kvm07", "libvirt", b"{}", view=VIEW),
    Entry("default/quiet", "vm", 4.0, arrival=Arrival.SILENT, arrival_detail="nothing in 300 s", view=VIEW),
)
OLD_TABLES = (
    "CREATE TABLE schema_version (version INTEGER NOT NULL)",
    "CREATE TABLE entries (id {key}, name TEXT NOT NULL, kind TEXT NOT NULL, host TEXT NOT NULL, provider TEXT NOT "
    "NULL, received {float} NOT NULL, report {blob}, arrival TEXT NOT NULL, arrival_detail TEXT NOT NULL, view {blob})",
    "CREATE INDEX entries_subject ON entries (kind, name, id)",
    "INSERT INTO schema_version VALUES (1)",
    "INSERT INTO entries (name, kind, host, provider, received, report, arrival, arrival_detail, view) VALUES "
    "('kvm07', 'host', '', '', 5.0, CAST('{{}}' AS {blob}), 'arrived', '', NULL), "
    "('pve3', 'host', '', 'proxmox pve.example', 6.0, NULL, 'not-awaited', '', CAST('{{\"name\":\"pve3\","
    '"provider":"proxmox pve.example","product":"Proxmox VE 8.2","feature":"svm"}}\' AS {blob}))',
)
"""What version 1 of the schema made, with a host's report and what a provider's API said of another host."""
ADD_SOME = """
import sys
from reports.store import Entry, Store
with Store.open(sys.argv[1]) as store:
    for number in range(25):
        store.add(Entry(f"{sys.argv[2]}-{number}", "vm", 1.0, report=b"{}"))
"""
Where = Callable[[], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    found = programs()
    if found is None:
        pytest.skip("initdb is not installed; it comes with the package postgresql")
    with running(found) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place where no store is yet."""
    if request.param == "sqlite":
        return str(tmp_path / "reports.sqlite3")
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh()


def execute(where: str, *statements: str) -> None:
    words = {"key": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "float": "FLOAT", "blob": "BLOB"}
    if "://" in where:
        words = {"key": "SERIAL PRIMARY KEY", "float": "FLOAT", "blob": "BYTEA"}
        with psycopg.connect(where) as connection:
            for statement in statements:
                connection.execute(statement.format(**words).encode())
        return
    with sqlite3.connect(where) as file:
        for statement in statements:
            file.execute(statement.format(**words))
    file.close()


def shape(where: str) -> tuple[set[str], set[str]]:
    """Columns and indexes of the entries."""
    with Store.open(where) as store, store._engine.connect() as connection:
        seen = sa.inspect(connection)
        indexes = {f"{i['name']} {i['column_names']} {i['unique']}" for i in seen.get_indexes("entries")}
        return {f"{c['name']} {c['nullable']}" for c in seen.get_columns("entries")}, indexes


def refusal(where: str) -> str:
    with pytest.raises(StoreError) as refused:
        Store.open(where)
    assert "\n" not in str(refused.value)
    assert "cret" not in str(refused.value)
    return str(refused.value)


def test_what_was_added_comes_back_byte_for_byte(where: str) -> None:
    with Store.open(where) as store:
        numbers = [store.add(entry) for entry in GIVEN]
    with Store.open(where) as store:
        assert sorted(numbers) == numbers
        assert tuple(store.everything()) == GIVEN
        assert [entry.name for entry in store.latest()] == ["kvm07", "pve3", "default/quiet", "default/vm"]


def test_the_newest_is_told_by_its_time_and_at_any_time(where: str) -> None:
    with Store.open(where) as store:
        for received in (1.0, 3.0, 2.0):
            store.add(Entry("kvm07", "host", received))
        store.add(Entry("kvm06", "host", 2.5))
        assert [(e.name, e.received) for e in store.latest()] == [("kvm06", 2.5), ("kvm07", 3.0)]
        assert [(e.name, e.received) for e in store.latest(2.0)] == [("kvm07", 2.0)]
        assert [e.received for e in store.history("kvm07")] == [3.0, 2.0, 1.0]
        assert store.names() == ["kvm06", "kvm07"]


def test_names_are_ordered_by_bytes_and_any_name_can_be_kept(where: str) -> None:
    names = ["a", "B", "b", "Ä", "主", "x'; DROP TABLE entries; --", "nul\0", "half\udc00", "%s", ":x"]
    with Store.open(where) as store:
        for name in names:
            store.add(Entry(name, "host", 1.0))
        kept = [entry.name for entry in store.latest()]
        assert kept == sorted(kept) and len(kept) == len(names)
        for name in names:
            assert store.forget(name) == 1
        assert store.forget("a") == 0


def test_what_is_merged_twice_is_there_once(where: str, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl.zst"
    with Store.open(tmp_path / "other") as other:
        for entry in GIVEN:
            other.add(entry)
        assert export(other.everything(), file, "1") == len(GIVEN)
    with Store.open(where) as store:
        store.add(GIVEN[2])
        assert store.merge(exported(file)) == len(GIVEN) - 1
        assert store.merge(exported(file)) == 0
        assert sorted(store.everything(), key=lambda e: e.name) == sorted(GIVEN, key=lambda e: e.name)


def test_a_merge_that_fails_half_way_leaves_nothing(where: str) -> None:
    def broken() -> Iterator[Entry]:
        yield GIVEN[0]
        raise StoreError("the file ends here")

    with Store.open(where) as store:
        with pytest.raises(StoreError, match="the file ends here"):
            store.merge(broken())
        assert list(store.everything()) == []
        store.add(GIVEN[0])


def test_pruning_leaves_the_newest_of_what_exists(where: str) -> None:
    with Store.open(where) as store:
        for received in range(10):
            store.add(Entry("kvm07", "host", float(received)))
        store.add(Entry("old", "host", 0.0))
        store.add(Entry("a/gone", "vm", 0.0))
        store.add(Entry("a/gone", "vm", 1.0, arrival=Arrival.DESTROYED))
        assert store.prune() == 0
        assert store.prune(keep=4) == 6
        assert store.prune(before=8.0) == 4
        left = {(e.name, e.received) for e in store.everything()}
        assert left == {("kvm07", 8.0), ("kvm07", 9.0), ("old", 0.0)}
        assert store.prune(keep=1, before=100.0) == 1


def test_the_overview_counts(where: str) -> None:
    with Store.open(where) as store:
        assert (store.overview().entries, store.overview().newest) == (0, None)
        for entry in GIVEN:
            store.add(entry)
        seen = store.overview()
    assert (seen.entries, seen.subjects, seen.oldest, seen.newest) == (4, 4, 2.0, 1763800000.25)
    assert seen.size > 1000 and "cret" not in seen.place


def test_writers_at_the_same_time_lose_nothing_even_while_the_store_is_made(where: str) -> None:
    argv = [sys.executable, "-c", ADD_SOME, where]
    writers = [subprocess.Popen([*argv, f"w{n}"], cwd=ROOT, stderr=subprocess.PIPE, text=True) for n in range(4)]
    for writer in writers:
        _, complaint = writer.communicate(timeout=120)
        assert (writer.returncode, complaint) == (0, "")
    with Store.open(where) as store:
        assert sum(1 for _ in store.latest()) == 100


def test_an_older_store_is_brought_up_to_date_and_keeps_everything(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    execute(where, *OLD_TABLES)
    with Store.open(where) as store:
        kept = list(store.everything())
        assert kept[0] == Entry("kvm07", "host", 5.0, report=b"{}")
        assert kept[1] == Entry("pve3", "host", 6.0, "", OF_HOST.provider, None, Arrival.NOT_AWAITED, "", OF_HOST)
        store.add(GIVEN[0])
    new = request.getfixturevalue("postgres").fresh() if "://" in where else str(tmp_path / "new")
    assert shape(where) == shape(new)


def test_an_update_that_fails_half_way_leaves_the_old_store(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(where, *OLD_TABLES)
    monkeypatch.setitem(schema.STEPS, 1, (*schema.STEPS[1], "CREATE TABLE entries (x INTEGER)"))
    assert "entries" in refusal(where)
    monkeypatch.undo()
    with Store.open(where) as store:
        assert len(list(store.everything())) == 2


@pytest.mark.parametrize("number", [3, 99, 0, -1])
def test_a_newer_store_is_refused_and_left(where: str, number: int) -> None:
    with Store.open(where) as store:
        store.add(GIVEN[0])
    execute(where, f"UPDATE schema_version SET version = {number}")
    assert f"store schema {number}" in refusal(where)
    execute(where, f"UPDATE schema_version SET version = {schema.SCHEMA_VERSION}")
    with Store.open(where) as store:
        assert list(store.everything()) == [GIVEN[0]]


@pytest.mark.parametrize(
    "tables",
    [["CREATE TABLE entries (title TEXT)"], ["CREATE TABLE schema_version (version TEXT)"],
     ["CREATE TABLE entries (title TEXT)", "CREATE TABLE schema_version (version TEXT)"]],
    ids=["one", "other", "both"],
)  # fmt: skip
def test_tables_of_another_program_are_refused_and_left(where: str, tables: list[str]) -> None:
    execute(where, *tables)
    assert "it was left as it is" in refusal(where)
    execute(where, *(f"DROP TABLE {statement.split()[2]}" for statement in tables))  # they were there


def test_a_view_that_cannot_be_read_names_its_entry(where: str) -> None:
    with Store.open(where) as store:
        number = store.add(GIVEN[2])
    execute(where, "UPDATE entries SET view = CAST('{{\"name\": 3}}' AS {blob})")
    with Store.open(where) as store, pytest.raises(StoreError, match=f"entry {number} .'default/vm'.") as refused:
        list(store.latest())
    assert "cret" not in str(refused.value)


def test_reading_ends_when_nobody_reads_on(where: str) -> None:
    with Store.open(where) as store:
        for number in range(300):
            store.add(Entry(f"h{number}", "host", 1.0))
        first = next(iter(store.latest()))
        store.add(Entry(first.name, "host", 2.0))
        assert next(iter(store.latest())).received == 2.0


@pytest.mark.parametrize(
    ("password", "port", "why"),
    [("se%3Acret%2Fwrong", 0, "password authentication failed"), ("se%3Acret", 1, "refused"), ("se:cret", 0, "")],
    ids=["wrong password", "no server", "colon"],
)
def test_a_server_that_cannot_be_used_is_one_line_without_the_password(
    postgres: Postgres, password: str, port: int, why: str
) -> None:
    where = Postgres(port or postgres.port, postgres.numbers).url("postgres", password)
    assert why in refusal(where)


def test_a_user_who_may_not_create_tables_is_told(postgres: Postgres) -> None:
    url = postgres.fresh()
    execute(url, "CREATE ROLE reader LOGIN PASSWORD 'x'")
    assert "permission denied" in refusal(url.replace("tester:se%3Acret%2Fword", "reader:x"))


def test_a_lost_connection_is_one_line(postgres: Postgres) -> None:
    url = postgres.fresh()
    with Store.open(url) as store:
        store.add(GIVEN[0])
        execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nestproof'")
        with pytest.raises(StoreError) as lost:
            for _ in range(3):
                store.add(GIVEN[0])
                execute(
                    url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'nest%'"
                )
    assert "\n" not in str(lost.value) and "cret" not in str(lost.value)


def test_evidence_of_a_view_survives(where: str) -> None:
    view = VmView("a/vm", "libvirt", True, Asked.ON, evidence=(Evidence("live XML", "<cpu/>"),), host="pve3")
    with Store.open(where) as store:
        store.add(Entry("a/vm", "vm", 1.0, view=view))
        assert next(store.latest()).view == view


def test_the_command_line_uses_it(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.fresh()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NESTPROOF_STATE": str(tmp_path),
        "LANG": "C.UTF-8",
    }

    def nestproof(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "nestproof", *arguments]
        return subprocess.run(argv, cwd=ROOT, env=environment | env, capture_output=True, text=True, timeout=120)

    with Store.open(url) as store:
        store.add(GIVEN[1])
    shown = nestproof("matrix", NESTPROOF_STORE=url)
    assert shown.returncode == 0 and "pve3" in shown.stdout
    info = nestproof("store", "info", NESTPROOF_STORE=url)
    assert "1, of 1 host or VM\n" in info.stdout and "cret" not in info.stdout + info.stderr
    told = nestproof("matrix", "--store", url)
    assert told.returncode == 2 and "PGPASSWORD" in told.stderr
    bare = nestproof("matrix", "--store", url.replace(":se%3Acret%2Fword", ""), PGPASSWORD="se:cret/word")
    assert bare.returncode == 0 and "pve3" in bare.stdout
