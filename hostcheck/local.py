"""This machine's report: the agent in this process, its proofs in their own children."""

import subprocess
import sys
import threading
from pathlib import Path

import msgspec

import agent
from hostcheck.report import Report, ReportError, decode


def local_report(*, timeout: float = 10.0, measure: bool = False) -> Report:
    """Look at this machine now; `timeout` in seconds bounds the whole run. Whatever the machine is like, it answers.

    `measure` adds what exits of guests cost (proof.cost).
    """
    return decode(msgspec.json.encode(agent.collect(timeout=timeout, measure=measure)))


class Look:
    """A look at this machine that goes on while the caller does something else: the agent in a process of its own."""

    def __init__(self, *, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._seen: Report | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = threading.RLock()

    def begin(self) -> None:
        """Begin, if it has not begun."""
        with self._asking:
            if self._process is not None:
                return
            options = ["--json", "--timeout", str(self._timeout)]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(agent.__file__).parent), *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def report(self) -> Report:
        """What it saw, as `local_report` gives it; a process that came to nothing is made up for here."""
        with self._asking:
            if self._seen is None:
                self.begin()
                assert self._process is not None
                try:
                    output, _ = self._process.communicate(timeout=2 * self._timeout)
                    self._seen = decode(output)
                except (subprocess.TimeoutExpired, ReportError):
                    self._seen = local_report(timeout=self._timeout)
            return self._seen

    def close(self) -> None:
        """Nobody needs it any more."""
        if self._process is not None:
            with self._process:
                self._process.kill()


def recorded_report(directory: Path, *, timeout: float = 10.0) -> Report:
    """The same, with every file that was read kept below an empty directory, for others to look at."""
    from agent.collector import collect
    from agent.record import keep_facts

    report = collect(None, timeout, None, False, None, record=str(directory))
    keep_facts(str(directory), report)
    return decode(msgspec.json.encode(report))


def replayed_report(directory: Path, *, timeout: float = 10.0) -> Report:
    """The report of a machine that was recorded in a directory; nothing is executed."""
    return decode(msgspec.json.encode(agent.collect(timeout=timeout, root=str(directory))))
