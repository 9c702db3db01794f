"""Keeps every accepted report as it came, so that everything can be judged again by newer rules.

One SQLite file in WAL mode. Two applies may write at the same time, and a process may die at any moment: a record is
either whole in the file or not there. A file that is damaged, foreign or newer is refused with one line and left as
it is.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import platformdirs
import sqlalchemy as sa

from hostcheck.model import Arrival, HostView, VmView

SCHEMA_VERSION = 1
FILE_NAME = "reports.sqlite3"
BUSY_SECONDS = 30
"""How long a writer waits for another one; a write takes milliseconds."""

_metadata = sa.MetaData()
_version = sa.Table("schema_version", _metadata, sa.Column("version", sa.Integer, nullable=False))
_entries = sa.Table(
    "entries",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("received", sa.Float, nullable=False),
    sa.Column("report", sa.LargeBinary),
    sa.Column("arrival", sa.Text, nullable=False),
    sa.Column("arrival_detail", sa.Text, nullable=False),
    sa.Column("view", sa.LargeBinary),
    sa.Index("entries_subject", "kind", "name", "id"),
    sqlite_autoincrement=True,
)


class StoreError(Exception):
    """The store cannot be used; the message is one line: which file, why, what to do."""


class Entry(msgspec.Struct, frozen=True):
    """What is known of one subject from one time. A VM whose report never came has an entry without a report."""

    name: str
    """Host name, or `namespace/name` of a VM."""
    kind: str
    """`host` or `vm`."""
    received: float
    """Unix time in seconds at which the report came, or at which waiting for it ended."""
    host: str = ""
    """The subject name of the host that a VM runs on; empty for a host."""
    provider: str = ""
    report: bytes | None = None
    """The report as it came, byte for byte."""
    arrival: Arrival = Arrival.ARRIVED
    arrival_detail: str = ""
    """Why it did not arrive or was refused; empty when all went well."""
    view: VmView | HostView | None = None
    """What the provider said of it at that time: a VmView of a VM, a HostView of a host."""


def default_path(environ: dict[str, str] | None = None) -> Path:
    """The store of this user: in $NESTPROOF_STATE when that is set, else in the XDG state directory."""
    state = (os.environ if environ is None else environ).get("NESTPROOF_STATE")
    return (Path(state) if state else platformdirs.user_state_path("nestproof")) / FILE_NAME


class Store:
    """The reports of this user's machines. Close it when done, or use it as a context manager."""

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        self.path = path
        self._engine = engine

    @classmethod
    def open(cls, path: Path | None = None) -> Self:
        """The store at `path` (default: default_path()), made when there is none. Raises StoreError."""
        path = default_path() if path is None else path
        with _one_line(path):
            if not path.exists():
                _create(path)
            store = cls(path, _engine(path))
            try:
                store._check_version()
            except BaseException:
                store.close()
                raise
        return store

    def add(self, entry: Entry) -> int:
        """Keep the entry; when this returns it is on the disk. Returns its id. Raises StoreError."""
        values = {field: getattr(entry, field) for field in Entry.__struct_fields__}
        values["arrival"] = entry.arrival.value
        values["view"] = None if entry.view is None else msgspec.json.encode(entry.view)
        with self._connection() as connection:
            result = connection.execute(sa.insert(_entries).values(values))
            (number,) = result.inserted_primary_key or (0,)
        return int(number)

    def latest(self) -> list[Entry]:
        """The newest entry of every subject: hosts before VMs, each by name. Raises StoreError."""
        newest = sa.select(sa.func.max(_entries.c.id)).group_by(_entries.c.kind, _entries.c.name)
        query = sa.select(_entries).where(_entries.c.id.in_(newest)).order_by(_entries.c.kind, _entries.c.name)
        return self._read(query)

    def history(self, name: str) -> list[Entry]:
        """Every entry of the subject, the newest first. Raises StoreError."""
        return self._read(sa.select(_entries).where(_entries.c.name == name).order_by(_entries.c.id.desc()))

    def forget(self, name: str) -> int:
        """Remove every entry of the subject; returns how many there were. Raises StoreError."""
        with self._connection() as connection:
            return int(connection.execute(sa.delete(_entries).where(_entries.c.name == name)).rowcount)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, query: sa.Select[Any]) -> list[Entry]:
        with self._connection() as connection:
            return [_entry(self.path, row) for row in connection.execute(query)]

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        with _one_line(self.path), self._engine.connect() as connection:
            yield connection

    def _check_version(self) -> None:
        with self._connection() as connection:
            if not sa.inspect(connection).has_table(_version.name):
                raise StoreError(f"{self.path}: an SQLite file, but not a nestproof store; {_ELSEWHERE}")
            found = connection.execute(sa.select(_version.c.version)).scalar()
        if found != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: written by another version of nestproof (store schema {found}, this one reads "
                f"{SCHEMA_VERSION}); use that version, or {_ELSEWHERE}"
            )


_ELSEWHERE = "it was left as it is: move it away, or name another directory in NESTPROOF_STATE"


def _engine(path: Path) -> sa.Engine:
    # AUTOCOMMIT: every operation is one statement, which SQLite makes atomic and for which it waits its turn. A
    # transaction that reads before it writes could be refused at once, without waiting, when another one wrote.
    url = sa.URL.create("sqlite+pysqlite", database=str(path))
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def durable(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        # WAL's usual NORMAL may forget the last commits when the power fails.
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _create(path: Path) -> None:
    """Make the store beside its place and link it in whole: nobody ever sees half of one, and the first one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-store-") as directory:
        new = Path(directory) / path.name
        new.touch(mode=0o600)
        engine = _engine(new)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                _metadata.create_all(connection)
                connection.execute(sa.insert(_version).values(version=SCHEMA_VERSION))
        finally:
            engine.dispose()
        with suppress(FileExistsError):
            os.link(new, path)


def _view(kind: str, data: bytes | None) -> VmView | HostView | None:
    if data is None:
        return None
    return msgspec.json.decode(data, type=HostView) if kind == "host" else msgspec.json.decode(data, type=VmView)


def _entry(path: Path, row: sa.Row[Any]) -> Entry:
    try:
        return Entry(
            row.name,
            row.kind,
            row.received,
            row.host,
            row.provider,
            row.report,
            Arrival(row.arrival),
            row.arrival_detail,
            _view(row.kind, row.view),
        )
    except ValueError as e:  # msgspec's errors are ValueErrors too
        raise StoreError(f"{path}: entry {row.id} ({row.name[:80]!r}) cannot be read: {e}") from e


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Whatever SQLite and the file system say, as one StoreError that names the file."""
    try:
        yield
    except sa.exc.OperationalError as e:
        reason = str(e.orig)
        if "locked" in reason:
            hint = f"another process has been writing to it for {BUSY_SECONDS} s; try again when that has ended"
        else:
            hint = "check that the directory exists, has space and is yours, or name another in NESTPROOF_STATE"
        raise StoreError(f"{path}: {reason}; {hint}") from e
    except sa.exc.DatabaseError as e:
        raise StoreError(f"{path}: damaged or not a nestproof store ({e.orig}); {_ELSEWHERE}") from e
    except OSError as e:
        hint = "name another directory in NESTPROOF_STATE"
        raise StoreError(f"{path}: {e.strerror}: {e.filename}; {hint}") from e
