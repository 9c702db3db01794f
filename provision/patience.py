"""How long a guest is waited for: the time that was given, and more while it shows that it is getting on. Pure."""

QUIET = 60.0
"""Seconds without a sign after which a guest is held to stand still."""
BOUND = 3.0
"""Times the time given, whatever the guest shows: one that restarts for ever shows something too."""


def deadline(timeout: float, last_sign: float) -> float:
    """Seconds from the start until the wait ends; `last_sign` are those until the guest's last sign of life."""
    return min(max(timeout, last_sign + min(QUIET, timeout)), BOUND * timeout)


class Signs:
    """When what a guest shows was last seen to have changed, in seconds from the start of the wait."""

    def __init__(self) -> None:
        self.last = 0.0
        self._shown: int | None = None

    def look(self, shown: object, at: float) -> None:
        """What was there at the first look is no sign: it may be of an earlier boot."""
        seen = hash(shown)
        if self._shown is not None and seen != self._shown:
            self.last = at
        self._shown = seen
