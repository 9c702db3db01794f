"""The reports of this user's, or of a team's, machines: what is kept, what is newest, and what became of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from hostcheck.model import Arrival
from reports.store import database, schema
from reports.store.entry import Entry, entry_of, text, values
from reports.store.errors import StoreError, one_line
from reports.store.place import Place, place_of

_entries = schema.entries
PAGE = 200
"""Rows that are held at a time while many are read."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How much a store holds."""

    place: str
    schema: int
    entries: int
    subjects: int
    oldest: float | None
    newest: float | None
    size: int
    """In bytes, with indexes."""


class Store:
    """Close it when done, or use it as a context manager. Everything raises StoreError."""

    def __init__(self, place: Place, engine: sa.Engine) -> None:
        self.place = place
        self._engine = engine

    @classmethod
    def open(cls, where: str | Path | Place | None = None) -> Self:
        """The store at a path or URL (default: place_of()), made when there is none."""
        place = where if isinstance(where, Place) else place_of(where)
        return cls(place, database.opened(place))

    def add(self, entry: Entry) -> int:
        """Keep the entry; when this returns it is on the disk. Returns its id."""
        with self._writing() as connection:
            result = connection.execute(sa.insert(_entries).values(values(entry)))
            (number,) = result.inserted_primary_key or (0,)
        return int(number)

    def merge(self, entries: Iterable[Entry]) -> int:
        """Keep those of `entries` that are not there yet, all of them or none. Returns how many were new."""
        added = 0
        with self._writing() as connection:
            for entry in entries:
                row = values(entry)
                same = sa.and_(*(_entries.c[key] == value for key, value in row.items()))  # NULL where it is None
                if connection.execute(sa.select(_entries.c.id).where(same).limit(1)).first() is None:
                    connection.execute(sa.insert(_entries).values(row))
                    added += 1
        return added

    def latest(self, before: float | None = None) -> Iterator[Entry]:
        """The newest entry of every subject (of those not after `before`, Unix time): hosts before VMs, each by name.

        Read as it is consumed: memory does not grow with what is kept. Keep the store open meanwhile.
        """
        subject = (_entries.c.kind, _entries.c.name)
        times = sa.select(*subject, sa.func.max(_entries.c.received).label("received")).group_by(*subject)
        newest = (times if before is None else times.where(_entries.c.received <= before)).subquery()
        same = (_entries.c[key] == newest.c[key] for key in ("kind", "name", "received"))
        ids = sa.select(sa.func.max(_entries.c.id)).join_from(_entries, newest, sa.and_(*same))
        return self._read(ids.group_by(*subject).order_by(*subject))

    def history(self, name: str) -> Iterator[Entry]:
        """Every entry of the subject, the newest first."""
        ids = sa.select(_entries.c.id).where(_entries.c.name == text(name))
        return self._read(ids.order_by(_entries.c.received.desc(), _entries.c.id.desc()))

    def everything(self) -> Iterator[Entry]:
        """Every entry in the order in which they were kept."""
        return self._read(sa.select(_entries.c.id).order_by(_entries.c.id))

    def names(self) -> list[str]:
        """The names of all subjects."""
        with self._reading() as connection:
            return list(connection.execute(sa.select(_entries.c.name).distinct().order_by(_entries.c.name)).scalars())

    def forget(self, name: str) -> int:
        """Remove every entry of the subject; returns how many there were."""
        return self._delete(_entries.c.name == text(name))

    def prune(self, *, keep: int | None = None, before: float | None = None) -> int:
        """Remove what is older than `before` and what is beyond the `keep` newest of a subject; returns how many.

        The newest entry of a subject stays, unless it says that the VM was destroyed and is older than `before`.
        """
        ranked = _ranked()
        beyond = [ranked.c.rank > max(keep, 1)] if keep is not None else []
        gone = sa.or_(ranked.c.rank > 1, ranked.c.arrival == Arrival.DESTROYED.value)
        old = [sa.and_(ranked.c.received < before, gone)] if before is not None else []
        removed = self._delete(_entries.c.id.in_(sa.select(ranked.c.id).where(sa.or_(sa.false(), *beyond, *old))))
        if removed and self.place.path is not None:
            with self._reading() as connection:
                connection.exec_driver_sql("VACUUM")  # PostgreSQL does by itself
        return removed

    def overview(self) -> Overview:
        """How much there is."""
        subjects = sa.select(sa.func.count()).select_from(
            sa.select(_entries.c.kind, _entries.c.name).distinct().subquery()
        )
        counted = sa.select(sa.func.count(), sa.func.min(_entries.c.received), sa.func.max(_entries.c.received))
        with self._reading() as connection:
            entries, oldest, newest = connection.execute(counted.select_from(_entries)).one()
            distinct = connection.execute(subjects).scalar_one()
            if self.place.path is None:
                size = connection.execute(sa.select(sa.func.pg_total_relation_size(_entries.name))).scalar_one()
            else:
                pages, each = (
                    connection.exec_driver_sql(f"PRAGMA {p}").scalar_one() for p in ("page_count", "page_size")
                )
                size = pages * each
        return Overview(str(self.place), schema.SCHEMA_VERSION, entries, distinct, oldest, newest, size)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, query: sa.Select[tuple[int]]) -> Iterator[Entry]:
        """The entries of these ids, in their order: sorted by an index alone, then read a page at a time."""
        with self._reading() as connection:
            ids = connection.execute(query).scalars().all()
        for start in range(0, len(ids), PAGE):
            page = ids[start : start + PAGE]
            with self._reading() as connection:
                rows = connection.execute(sa.select(_entries).where(_entries.c.id.in_(page))).all()
            found = {row.id: row for row in rows}  # what was pruned meanwhile is not there
            yield from (self._entry(found[number]) for number in page if number in found)

    def _entry(self, row: Any) -> Entry:
        try:
            return entry_of(row)
        except ValueError as e:  # msgspec's errors are ValueErrors too
            raise StoreError(f"{self.place}: entry {row.id} ({row.name[:80]!r}) cannot be read: {e}") from e

    def _delete(self, which: sa.ColumnElement[bool]) -> int:
        with self._writing() as connection:
            return int(connection.execute(sa.delete(_entries).where(which)).rowcount)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with one_line(self.place, file=self.place.path is not None), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with one_line(self.place, file=self.place.path is not None), database.writing(self._engine) as connection:
            yield connection


def _ranked() -> sa.Subquery:
    """Every entry with its place in the history of its subject, 1 for the newest."""
    newest = (_entries.c.received.desc(), _entries.c.id.desc())
    rank = sa.func.row_number().over(partition_by=(_entries.c.kind, _entries.c.name), order_by=newest)
    columns = (_entries.c.id, _entries.c.received, _entries.c.arrival, rank.label("rank"))
    return sa.select(*columns).subquery()
