"""The probe: looks at the machine it is on, runs guests to prove what works, and judges nothing.

Standard library only, Python 3.6 and later; imports are made late, because they are most of the run time.
"""

VERSION = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Sequence


def collect(
    only: "Optional[Sequence[str]]" = None,
    timeout: float = 10.0,
    root: "Optional[str]" = None,
    measure: bool = False,
    vm: "Optional[str]" = None,
) -> "Dict[str, Any]":
    """Return one report (docs/report.md) about this machine, or about the recorded tree below ``root``.

    ``only`` names fact ids (a KeyError names the unknown one), ``timeout`` bounds the whole run in seconds,
    ``measure`` adds what exits cost, ``vm`` becomes ``subject.vm``. Every probe runs in a forked child that is
    killed when it hangs, so this returns in time whatever the machine does.
    """
    from agent.collector import collect as run

    return run(only, timeout, root, measure, vm)
