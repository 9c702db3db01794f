"""The terminal: results to stdout, all else to stderr; colour and progress only where a person looks."""

import os
import shutil
import sys
from collections.abc import Callable
from typing import TypedDict

import click

from hostcheck.clock import monotonic

QUIET_SECONDS = 20
"""Between two lines about the same thing in a log that nobody watches."""


class Style(TypedDict):
    """How reports.text may write on this terminal."""

    color: bool
    width: int
    ascii: bool


class Terminal:
    """Both streams with what they can show. `NO_COLOR` beats `FORCE_COLOR` beats what the stream is."""

    def __init__(self) -> None:
        #: a person watches stderr
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        #: where lines go while a display is drawn over and over; None: to stderr
        self.screen: Callable[[str], None] | None = None
        self._shown = ""
        self._said = 0.0

    def style(self) -> Style:
        """For stdout."""
        if os.environ.get("NO_COLOR"):
            color = False
        elif os.environ.get("FORCE_COLOR"):
            color = True
        else:
            color = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
        width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        return {"color": color, "width": width, "ascii": encoding != "utf8"}

    def result(self, text: str) -> None:
        """Something that was asked for."""
        self.clear()
        click.echo(text, nl=not text.endswith("\n"), color=True)

    def note(self, text: str) -> None:
        """Something worth knowing beside the result."""
        if self.screen is not None:
            self.screen(text)
            return
        self.clear()
        click.echo(text, err=True)

    def complaint(self, message: str, hint: str = "") -> None:
        """A failure that does not end the run, as `commands.failures.complain` words it."""
        self.note(f"nestproof: {message}" + (f"\n  {hint}" if hint else ""))

    def progress(self, text: str) -> None:
        """What is going on: one line that is written over on a terminal, now and then a line of its own elsewhere."""
        if text == self._shown:
            return
        if self.live:
            room = shutil.get_terminal_size((80, 24)).columns - 1
            click.echo("\r\x1b[K" + text[:room], err=True, nl=False, color=True)
        elif topic(text) != topic(self._shown) or monotonic() - self._said > QUIET_SECONDS:
            click.echo(text, err=True)
            self._said = monotonic()
        self._shown = text

    def clear(self) -> None:
        """Take the progress line away, before something else is written where it stands."""
        if self.live and self._shown:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)
        self._shown = ""


def topic(line: str) -> str:
    """What a progress line is about, without the figures that change."""
    return line.partition(",")[0]
