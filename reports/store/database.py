"""A connection to a store's database, opened so that what was kept is on the disk, and its tables as they have to be.

SQLite runs in WAL mode: two applies may write at the same time, and a process may die at any moment. A file is made
beside its place and linked in whole, so that nobody sees half of one; in PostgreSQL an advisory lock lets one of
several first users make the tables.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from reports.store import errors, schema
from reports.store.errors import LEFT, StoreError
from reports.store.place import Place

logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())  # its pool logs a Ctrl-C with a traceback
CONNECT_SECONDS = "10"
LOCK = 0x6E657374
"""The advisory lock that one process holds while it makes or changes the tables: `nest`."""


def opened(place: Place) -> sa.Engine:
    """An engine for the store at `place`, its tables made or brought up to date. Raises StoreError."""
    if place.path is None and find_spec("psycopg") is None:
        raise StoreError("PostgreSQL support is not installed: pip install 'nestproof[server]'")
    with errors.one_line(place, file=place.path is not None):
        if place.path is not None and not place.path.exists():
            _create_file(place.path)
        engine = _engine(place)
        try:
            _prepare(place, engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that is whole or not there."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            with connection.begin():
                yield connection
            return
        # IMMEDIATE waits its turn; a transaction that reads before it writes could be refused at once instead.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _prepare(place: Place, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        number = _version(place, connection)
    if number == schema.SCHEMA_VERSION:
        return
    if number is None and place.path is not None:
        raise StoreError(f"{place}: an SQLite file, but not a nestproof store; {LEFT}")
    with writing(engine) as connection:
        if place.path is None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        number = _version(place, connection)  # another process may have been first
        if number is None:
            schema.create(connection)
        elif number < schema.SCHEMA_VERSION:
            schema.migrate(connection, number)


def _version(place: Place, connection: sa.Connection) -> int | None:
    try:
        number = schema.found_version(connection)
    except LookupError:
        what = "a database with tables of another program" if place.path is None else "not a nestproof store"
        raise StoreError(f"{place}: {what}; {LEFT}") from None
    if number is not None and not 0 < number <= schema.SCHEMA_VERSION:
        raise StoreError(
            f"{place}: written by a newer version of nestproof (store schema {number}, this one reads "
            f"{schema.SCHEMA_VERSION}); use that version, or {LEFT}"
        )
    return number


def _engine(place: Place) -> sa.Engine:
    if place.path is None:
        given = {"application_name": "nestproof", "connect_timeout": CONNECT_SECONDS}
        url = place.url.update_query_dict({key: value for key, value in given.items() if key not in place.url.query})
        return sa.create_engine(url)
    # AUTOCOMMIT: SQLite makes a single statement atomic; `writing` says where a transaction begins.
    engine = sa.create_engine(place.url, isolation_level="AUTOCOMMIT", connect_args={"timeout": errors.BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def durable(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        # WAL's usual NORMAL may forget the last commits when the power fails.
        connection.execute("PRAGMA synchronous=FULL")

    return engine


def _create_file(path: Path) -> None:
    """Make the store beside its place and link it in whole: the first one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-store-") as directory:
        new = Path(directory) / path.name
        new.touch(mode=0o600)
        engine = _engine(Place(sa.URL.create("sqlite+pysqlite", database=str(new)), new))
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                schema.create(connection)
        finally:
            engine.dispose()
        with suppress(FileExistsError):
            os.link(new, path)
