"""Work on many VMs at once: a bounded number of threads, one outcome per VM, and an end that can be asked for.

Only the main thread prints and keeps; what the workers have to say reaches it through one queue.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from commands.display import Board, Row, State, board
from commands.output import Terminal
from hostcheck.clock import monotonic
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from provision.provider import Progress

T = TypeVar("T")
TICK = 0.1
"""Seconds between two looks at what the display shows, where nothing happens."""
GRACE = 5.0
"""Seconds that workers get, after Ctrl-C, to come to a place where they can stop."""


class Stopped(BaseException):
    """Raised in a worker that is to stop; no handler of ordinary errors catches it."""


class Job(msgspec.Struct, Generic[T]):
    """One piece of work and what became of it."""

    name: str
    work: Callable[[Progress, Callable[[str], None]], T]
    """Called in a worker with two ways to speak: what is going on, and what has to stay on the screen."""
    doing: str = ""
    """Shown before its first progress, on a live display only."""
    state: State = State.WAITING
    result: T | None = None
    error: BaseException | None = None


class _Kind(StrEnum):
    BEGUN = "begun"
    PROGRESS = "progress"
    SAID = "said"
    ENDED = "ended"


class _Event(msgspec.Struct, frozen=True):
    kind: _Kind
    index: int
    text: str = ""


class Interrupted(Exception):
    """Ctrl-C ended the work; the jobs tell how far each came."""


def run(
    title: str, jobs: Sequence[Job[T]], terminal: Terminal, parallel: int, done: Callable[[Job[T]], None],
    meanwhile: Callable[[], object] | None = None,
) -> None:  # fmt: skip
    """Do all jobs, at most `parallel` at a time; `done` is called here, in this thread, as each ends.

    `meanwhile` is called once, here too, when all who work have waited for something else for a while.

    A job's exception is its outcome and stops no other. Raises Interrupted on Ctrl-C, when the workers have stopped.
    """
    crew = _Crew(title, jobs, terminal, parallel, done, meanwhile)
    crew.run()


class _Crew(Generic[T]):
    def __init__(
        self, title: str, jobs: Sequence[Job[T]], terminal: Terminal, parallel: int, done: Callable[[Job[T]], None],
        meanwhile: Callable[[], object] | None,
    ) -> None:  # fmt: skip
        self._jobs = jobs
        self._terminal = terminal
        self._done = done
        self._meanwhile = meanwhile
        self._rows = [Row(job.name, doing=job.doing) for job in jobs]
        self._board: Board = board(title, self._rows, terminal)
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._next = iter(range(len(jobs)))
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._left = len(jobs)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(parallel, len(jobs)))]

    def run(self) -> None:
        with self._board:
            try:
                for thread in self._threads:
                    thread.start()
                while self._left:
                    self._handle(TICK)
            except KeyboardInterrupt:
                self._wind_up()
                raise Interrupted from None
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._taking:
                index = next(self._next, None)
            if index is None:
                return
            job = self._jobs[index]
            self._events.put(_Event(_Kind.BEGUN, index))
            try:
                job.result = job.work(self._speaker(_Kind.PROGRESS, index), self._speaker(_Kind.SAID, index))
            except BaseException as e:
                job.error = e
            self._events.put(_Event(_Kind.ENDED, index))

    def _speaker(self, kind: _Kind, index: int) -> Callable[[str], None]:
        def speak(text: str) -> None:
            if self._stop.is_set():
                raise Stopped
            self._events.put(_Event(kind, index, text))

        return speak

    def _handle(self, seconds: float) -> None:
        """One event, or a tick of the display."""
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            self._board.update(None)
            if self._meanwhile is not None:
                meanwhile, self._meanwhile = self._meanwhile, None
                meanwhile()
            return
        job, row = self._jobs[event.index], self._rows[event.index]
        if event.kind is _Kind.BEGUN:
            job.state = row.state = State.WORKING
            row.begun = monotonic()
        elif event.kind is _Kind.PROGRESS:
            row.line = event.text
        elif event.kind is _Kind.SAID:
            self._board.say(event.text)
        else:
            self._left -= 1
            stopped = isinstance(job.error, Stopped)
            job.state = row.state = State.STOPPED if stopped else State.FAILED if job.error else State.DONE
            row.ended = monotonic()
            if not stopped:
                self._done(job)
        self._board.update(row)

    def _wind_up(self) -> None:
        """Let the workers come to an end; what is in the middle of a call that does not end is left behind."""
        self._stop.set()
        self._board.say("stopping: what is being done is left where it can be gone on with (Ctrl-C again: at once)")
        deadline = monotonic() + GRACE
        try:
            while any(thread.is_alive() for thread in self._threads) and monotonic() < deadline:
                self._handle(0.1)
            while not self._events.empty():
                self._handle(0)
        except KeyboardInterrupt:
            return


def leave(code: Exit) -> None:
    """End the process at once where threads are still inside a library that cannot be interrupted.

    An ordinary exit would wait for them or tear the library down under them. What apply leaves behind at any point is
    gone on with by the next one, so nothing is lost.
    """
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
