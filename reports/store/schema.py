"""The tables, the same in SQLite and PostgreSQL, and the steps from older schemas to this one.

A step is part of one transaction: a store has the old schema or the new one, never half of each. It is added here when
the tables change, together with a new SCHEMA_VERSION; steps that were released are never edited.
"""

import sqlalchemy as sa

SCHEMA_VERSION = 2

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Ordered by bytes everywhere, whatever the language of a database."""

metadata = sa.MetaData()
version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", _TEXT, nullable=False),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("host", _TEXT, nullable=False),
    sa.Column("provider", _TEXT, nullable=False),
    sa.Column("received", sa.Float, nullable=False),
    sa.Column("report", sa.LargeBinary),
    sa.Column("arrival", _TEXT, nullable=False),
    sa.Column("arrival_detail", _TEXT, nullable=False),
    sa.Column("view", sa.LargeBinary),
    sa.Index("entries_history", "kind", "name", "received", "id"),
    sa.Index("entries_name", "name"),
    sqlite_autoincrement=True,
)

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        # What is newest is told by its time, since imports bring older reports after newer ones.
        "CREATE INDEX entries_history ON entries (kind, name, received, id)",
        "CREATE INDEX entries_name ON entries (name)",
        "DROP INDEX entries_subject",
    ),
}
"""Version -> what leads from it to the next one, in SQL that both databases speak."""


def found_version(connection: sa.Connection) -> int | None:
    """The schema of a store; None where no store is. Raises LookupError for tables that are not ours."""
    tables = set(sa.inspect(connection).get_table_names())
    ours = {version.name, entries.name} & tables
    if not ours:
        return None
    if len(ours) == 1:
        raise LookupError
    columns = {column["name"] for column in sa.inspect(connection).get_columns(entries.name)}
    if not {"name", "kind", "received", "report", "arrival"} <= columns:
        raise LookupError
    number = connection.execute(sa.select(version.c.version)).scalar()
    if not isinstance(number, int):
        raise LookupError
    return number


def create(connection: sa.Connection) -> None:
    """Make the tables of this version."""
    metadata.create_all(connection)
    connection.execute(sa.insert(version).values(version=SCHEMA_VERSION))


def migrate(connection: sa.Connection, number: int) -> None:
    """Go from an older version to this one, step by step. The caller holds the transaction."""
    for step in range(number, SCHEMA_VERSION):
        for statement in STEPS[step]:
            connection.exec_driver_sql(statement)
    connection.execute(sa.update(version).values(version=SCHEMA_VERSION))
