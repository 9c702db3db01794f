"""Whatever a database, its driver and the file system say, as one line that names the place."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

BUSY_SECONDS = 30
"""How long a writer waits for another one; a write takes milliseconds."""
LEFT = "it was left as it is: move it away, or name another with --store or NESTPROOF_STORE"


class StoreError(Exception):
    """The store cannot be used; the message is one line: which one, why, what to do."""


@contextmanager
def one_line(place: object, *, file: bool) -> Iterator[None]:
    """Turn every failure inside into a StoreError."""
    try:
        yield
    except sa.exc.DatabaseError as e:
        raise StoreError(f"{place}: {_of_file(e) if file else _of_server(e)}") from e
    except sa.exc.SQLAlchemyError as e:
        raise StoreError(f"{place}: {_words(e)}") from e
    except OSError as e:
        raise StoreError(f"{place}: {e.strerror}: {e.filename}; name another directory in NESTPROOF_STATE") from e


def _of_file(error: sa.exc.DatabaseError) -> str:
    reason = _words(error.orig)
    if not isinstance(error, sa.exc.OperationalError):
        return f"damaged or not a nestproof store ({reason}); {LEFT}"
    if "locked" in reason:
        return f"{reason}; another process has been writing to it for {BUSY_SECONDS} s; try again when that has ended"
    return f"{reason}; check that the directory exists, has space and is yours, or name another in NESTPROOF_STATE"


def _of_server(error: sa.exc.DatabaseError) -> str:
    reason = _words(error.orig)
    if isinstance(error, sa.exc.OperationalError):
        return f"{reason}; check that the server runs and lets you in (PGPASSWORD, ~/.pgpass)"
    return f"{reason}; its owner has to let you read and write the tables of this database"


def _words(error: object) -> str:
    """All lines as one; a driver explains itself in several."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())[:600]
