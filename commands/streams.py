"""Standard streams as shells hand them over: closed, full, or a pipe whose reader has left.

None of it changes what a run does: `nestproof check | head -1` still tells by its exit code whether the machine can,
and `nestproof apply | less` does not leave a VM half made because somebody typed q.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from commands.failures import Failure

if TYPE_CHECKING:
    from typing_extensions import Buffer


def settle() -> None:
    """Give the run three streams that can be used, whatever it was started with."""
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is the missing one; else the first file that is opened would become the stream.
            os.open(os.devnull, os.O_RDWR)
            stream = open(number, mode, closefd=False, encoding="utf-8")  # noqa: SIM115 - a number, for good
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    sys.stdout = _forgiving(sys.stdout, must_hold=True)
    sys.stderr = _forgiving(sys.stderr, must_hold=False)


def _forgiving(stream: TextIO, *, must_hold: bool) -> TextIO:
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno(), must_hold)),
        encoding=stream.encoding, errors=stream.errors, line_buffering=getattr(stream, "line_buffering", False),
    )  # fmt: skip


class _Output(io.RawIOBase):
    """Discards what nobody reads any more. Raises Failure, once, when the result cannot be kept."""

    def __init__(self, number: int, must_hold: bool) -> None:
        self._number = number
        self._must_hold = must_hold
        self._lost = False

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int | None:
        if not self._lost:
            try:
                return os.write(self._number, data)
            except BlockingIOError:
                return None
            except BrokenPipeError:
                self._lost = True
            except OSError as e:
                self._lost = True
                if self._must_hold:
                    raise Failure(f"cannot write to standard output: {e.strerror}") from e
        return memoryview(data).nbytes
