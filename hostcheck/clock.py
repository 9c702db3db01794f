"""The one place that asks what time it is."""

import os
import re
import time


def now() -> float:
    """Unix time in seconds; SOURCE_DATE_EPOCH stands in for it where output has to be reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return float(epoch) if epoch and re.fullmatch("[0-9]{1,11}", epoch) else time.time()


def monotonic() -> float:
    """Seconds on a clock that never jumps: for deadlines and durations."""
    return time.monotonic()
