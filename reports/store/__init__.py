"""Keeps every accepted report as it came, so that everything can be judged again by newer rules.

In SQLite by default, a file of the user's; in PostgreSQL by URL, for a team. One schema serves both.
"""

from reports.store.entry import Entry
from reports.store.errors import StoreError
from reports.store.place import FILE_NAME, Place, default_path, place_of
from reports.store.store import Overview, Store

__all__ = ["FILE_NAME", "Entry", "Overview", "Place", "Store", "StoreError", "default_path", "place_of"]
