"""What every result that is written has: where it comes from, and a file that is put in its place whole."""

import shlex
import sys
from pathlib import Path

from agent import VERSION
from commands.failures import Failure
from hostcheck.clock import now
from hostcheck.files import write_whole
from reports.matrix import Provenance


def provenance() -> Provenance:
    """Of what this run makes."""
    return Provenance(VERSION, shlex.join(["nestproof", *sys.argv[1:]]), now())


def write(path: Path, text: str) -> None:
    """Raises Failure naming the file."""
    try:
        write_whole(path, text.encode("utf-8"))
    except OSError as e:
        raise Failure(f"cannot write {path}: {e.strerror}") from e
