"""Writing files so that a reader sees the old one or the new one, never half of one."""

import os
from pathlib import Path
from threading import get_ident


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the place and rename; directories are made. Raises OSError and then leaves nothing behind.

    Any number of threads and processes may write the same file: one of them is last.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
