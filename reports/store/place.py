"""Where a store is: a file, or a PostgreSQL database by URL. A password is used and never shown."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hostcheck.paths import state_dir
from reports.store.errors import StoreError

FILE_NAME = "reports.sqlite3"
POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
SUCH_AS = "a store is a file, or postgresql://[USER@]HOST[:PORT]/DATABASE"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is. Its text is for people and holds no password."""

    url: sa.URL
    path: Path | None
    """The file of an SQLite store; None for PostgreSQL."""

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        shown = (self.url.username, None, self.url.host, self.url.port, self.url.database)
        return sa.URL.create("postgresql", *shown).render_as_string()

    def __repr__(self) -> str:
        return f"Place({self})"


def default_path() -> Path:
    """The store of this user: in $NESTPROOF_STATE when that is set, else in the XDG state directory."""
    return state_dir() / FILE_NAME


def place_of(written: str | Path | None = None) -> Place:
    """Where the user wrote that the store is; $NESTPROOF_STORE when nothing is written. Raises StoreError."""
    written = written or os.environ.get("NESTPROOF_STORE") or default_path()
    if isinstance(written, Path) or "://" not in written:
        return _file(Path(written))
    scheme = written.split("://")[0].lower()
    if scheme == "sqlite":
        return _file(Path(written.removeprefix("sqlite:///")))
    if scheme not in POSTGRESQL:
        raise StoreError(f"{SUCH_AS}; {scheme[:20]}:// is neither")
    try:
        url = sa.engine.make_url(written).set(drivername="postgresql+psycopg")
    except (ValueError, sa.exc.ArgumentError):  # its own words may repeat the password
        raise StoreError(f"the PostgreSQL URL cannot be read: {SUCH_AS}, special characters as %XX") from None
    return Place(url, None)


def has_password(written: str) -> bool:
    """The URL holds a password, which must not stand on a command line that every user of the machine can read."""
    return bool(re.search(r"://[^/@?]*:[^/]*@|[?&](ssl)?password=", written))


def _file(path: Path) -> Place:
    return Place(sa.URL.create("sqlite+pysqlite", database=str(path)), path)
