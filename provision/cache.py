"""The cache of images: one process at a time makes a file of it, and none grows without end."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY = 2.0
"""Seconds between two progress lines."""
LARGEST = 200 * 2**30
"""Bytes: neither a server nor a packed file must fill the disk without end."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One maker of the same file at a time; the others wait and find it made."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
