"""How much may be spent on fetching one image: attempts, and time where the manifest bounds it."""

import time

from hostcheck import clock
from provision.model import Preparation

LONGEST_PAUSE = 30.0
"""Seconds between two attempts."""
POLL = 5.0
"""Seconds between two looks for an image that is waited for."""


class TimeUp(ValueError):
    """The time that the manifest gives is over; what has come is kept where it can be gone on with."""


class Budget:
    """Begins when it is made."""

    def __init__(self, prepare: Preparation | None = None) -> None:
        asked = prepare or Preparation()
        self.retries = asked.retries
        self.seconds = asked.timeout
        self._begun = clock.monotonic()

    def left(self) -> float | None:
        """Seconds; None: without end."""
        return None if self.seconds is None else self.seconds - (clock.monotonic() - self._begun)

    def check(self) -> None:
        """Raises TimeUp."""
        left = self.left()
        if left is not None and left <= 0:
            raise TimeUp(f"not here within {duration(self.seconds or 0)}, as prepare.timeout has it")

    def pause(self, seconds: float) -> None:
        """Sleep, at most until the time is over. Raises TimeUp when it is."""
        left = self.left()
        time.sleep(min(seconds, LONGEST_PAUSE, max(left, 0.0) if left is not None else seconds))
        self.check()

    def timeout(self, usual: tuple[float, float]) -> tuple[float, float]:
        """What a request may take to connect and between two blocks."""
        left = self.left()
        return usual if left is None else (min(usual[0], max(left, 0.1)), min(usual[1], max(left, 0.1)))


def duration(seconds: float) -> str:
    """`90s`, `30m`, `1h30m`."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((f"{hours:.0f}h", hours), (f"{minutes:.0f}m", minutes), (f"{rest:g}s", rest))
    return "".join(text for text, value in parts if value) or "0s"
