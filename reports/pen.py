"""How the terminal's form writes: colours, symbols, and lines of the terminal's width.

Pure: what the terminal can show is the caller's to find out.
"""

import textwrap
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from hostcheck.model import Status
from reports.rows import Outcome
from reports.sanitize import sanitize


class Ink(StrEnum):
    """SGR parameters; the eight colours that every terminal and every theme has."""

    GOOD = "32"
    WARN = "33"
    BAD = "31"
    UNKNOWN = "35"
    FAINT = "2"
    STRONG = "1"


STATUS_INK = {
    Status.PASS: Ink.GOOD,
    Status.WARN: Ink.WARN,
    Status.FAIL: Ink.BAD,
    Status.SKIP: Ink.FAINT,
    Status.UNKNOWN: Ink.UNKNOWN,
}
SYMBOLS = {Status.PASS: "✔", Status.WARN: "!", Status.FAIL: "✖", Status.SKIP: "–", Status.UNKNOWN: "?"}
ASCII_SYMBOLS = {Status.PASS: "+", Status.WARN: "!", Status.FAIL: "x", Status.SKIP: "-", Status.UNKNOWN: "?"}
OUTCOME_STATUS = {
    Outcome.WORKS: Status.PASS,
    Outcome.DEGRADED: Status.WARN,
    Outcome.BROKEN: Status.FAIL,
    Outcome.UNKNOWN: Status.UNKNOWN,
}


class Pen(msgspec.Struct, frozen=True):
    """How to write on this terminal."""

    color: bool
    width: int
    ascii: bool

    def ink(self, text: str, *inks: Ink) -> str:
        return f"\x1b[{';'.join(inks)}m{text}\x1b[0m" if self.color and text else text

    def plain(self, status: Status) -> str:
        return (ASCII_SYMBOLS if self.ascii else SYMBOLS)[status]

    def symbol(self, status: Status) -> str:
        return self.ink(self.plain(status), STATUS_INK[status])

    def outcome(self, outcome: Outcome) -> str:
        return self.symbol(OUTCOME_STATUS[outcome])

    def wrap(self, text: str, indent: int, first: str | None = None) -> list[str]:
        """Prose in lines of the terminal's width; words that are longer (paths, hashes) stay whole."""
        room = max(self.width - indent, 20)
        lines = textwrap.wrap(sanitize(text), room, break_long_words=False, break_on_hyphens=False) or [""]
        return [(first if first is not None and not n else " " * indent) + line for n, line in enumerate(lines)]

    def headline(self, sentence: str, outcome: Outcome) -> list[str]:
        first, *others = self.wrap(sentence, 2)
        lines = [f"{self.outcome(outcome)} {self.ink(first.strip(), Ink.STRONG)}"]
        return lines + [f"  {self.ink(other.strip(), Ink.STRONG)}" for other in others]

    def page(self, lines: Sequence[str]) -> str:
        text = "\n".join(line.rstrip() for line in lines) + "\n"
        if not self.ascii:
            return text
        return text.replace("…", "...").replace("—", "-").encode("ascii", "replace").decode("ascii")
