"""Writing files so that a reader sees the old one or the new one, never half of one."""

import os
from pathlib import Path
from threading import get_ident

NO_FILES = (Path("/dev"), Path("/proc"))
"""Where nothing can be put beside what is there."""


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the place and rename; directories are made. Raises OSError and then leaves nothing behind.

    Any number of threads and processes may write the same file: one of them is last. A link stays, and the file that
    it leads to is written; a pipe or a device, which a file must not take the place of, is written into.
    """
    if path.exists() and (not path.is_file() or any(map(path.absolute().is_relative_to, NO_FILES))):
        path.write_bytes(data)
        return
    path = path.resolve()
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
