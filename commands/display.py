"""What a person sees while many VMs are worked on: a live table on a terminal, plain lines in a log."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import msgspec

from commands.output import QUIET_SECONDS, Terminal, topic
from hostcheck.clock import monotonic

if TYPE_CHECKING:
    from rich.console import RenderableType


class State(StrEnum):
    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """By the user, half way."""


class Row(msgspec.Struct):
    """One VM on the display."""

    name: str
    state: State = State.WAITING
    line: str = ""
    doing: str = ""
    begun: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        return (self.ended or monotonic()) - self.begun if self.begun else 0.0


class Board(Protocol):
    """The display of one run of work."""

    def __enter__(self) -> Board: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, row: Row | None) -> None:
        """A row changed; None: only time went by."""

    def say(self, text: str) -> None:
        """A line that stays."""


def board(title: str, rows: Sequence[Row], terminal: Terminal) -> Board:
    """A live table where a person watches, else lines."""
    return _Live(title, rows, terminal) if terminal.live else _Lines(terminal)


class _Lines:
    """One line when what a VM does changes, and now and then one while it does not."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, row: Row | None) -> None:
        if row is None or row.state is not State.WORKING or not row.line:
            return
        shown, when = self._shown.get(row.name, ("", 0.0))
        if topic(row.line) == topic(shown) and (row.line == shown or monotonic() - when < QUIET_SECONDS):
            return
        self._shown[row.name] = (row.line, monotonic())
        self._terminal.note(f"{row.name}: {row.line}")

    def say(self, text: str) -> None:
        self._terminal.note(text)


class _Live:
    """A table that is drawn over: how many are done, and what is going on; never higher than the screen."""

    def __init__(self, title: str, rows: Sequence[Row], terminal: Terminal) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._rows = rows
        self._begun = monotonic()
        self._terminal = terminal
        self._live = Live(
            console=Console(stderr=True, highlight=False, markup=False, soft_wrap=True),
            get_renderable=self._draw, transient=True, refresh_per_second=5, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Board:
        self._terminal.clear()
        self._terminal.screen = self.say
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)
        self._terminal.screen = None

    def update(self, row: Row | None) -> None:
        """Live draws on its own, five times a second."""

    def say(self, text: str) -> None:
        self._live.console.print(text)

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        count = {state: sum(row.state is state for row in self._rows) for state in State}
        ended = count[State.DONE] + count[State.FAILED] + count[State.STOPPED]
        head = Text(f"{self._title}: {ended} of {len(self._rows)} done", style="bold", no_wrap=True)
        if count[State.FAILED]:
            head.append(f", {count[State.FAILED]} failed", style="bold red")
        waiting = f", {count[State.WAITING]} waiting" if count[State.WAITING] else ""
        head.append(f", {count[State.WORKING]} at work{waiting}, {monotonic() - self._begun:.0f} s")
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=40)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        room = max(3, shutil.get_terminal_size((80, 24)).lines - 3)
        for row in [row for row in self._rows if row.state is State.WORKING][:room]:
            table.add_row(f"  {row.name}", f"{row.seconds:.0f} s", row.line or row.doing)
        return Group(head, table)
