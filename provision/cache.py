"""The cache of images: one process at a time makes a file of it, and none grows without end."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hostcheck import clock

EVERY = 2.0
"""Seconds between two progress lines."""
LOOK = 0.1
"""Seconds between two looks at whether another maker is done."""
LARGEST = 200 * 2**30
"""Bytes: neither a server nor a packed file must fill the disk without end."""


ROOM = "make room there, or set NESTPROOF_CACHE to another place"
"""What to do about a cache without."""


class CacheFull(ValueError):
    """There is no room for what was to come into the cache."""


@contextmanager
def locked(path: Path, waiting: Callable[[], None], pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """One maker of the same file at a time; the others `pause` for as long as it takes, and find it made.

    `waiting` is called now and then meanwhile. One whose process has ended is no maker any more.
    """
    with path.with_name(path.name + ".lock").open("w") as lock:
        said = -EVERY
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock.monotonic() - said >= EVERY:
                    said = clock.monotonic()
                    waiting()
                pause(LOOK)
        yield
