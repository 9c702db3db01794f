"""Exit codes of the command line: part of the product's interface, never renumbered."""

from enum import IntEnum

from hostcheck.model import Verdict


class Exit(IntEnum):
    """0 pass, 1 our own fault, 2 the user's input or set-up, 3 fail, 4 warnings with --fail-on warn, 5 cannot tell."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    FAIL = 3
    WARN = 4
    INCOMPLETE = 5
    INTERRUPTED = 130


def of_verdict(verdict: Verdict, *, fail_on_warn: bool = False) -> Exit:
    """The exit code for the answer that was asked for."""
    if verdict is Verdict.PROVEN:
        return Exit.OK
    if verdict is Verdict.DEGRADED:
        return Exit.WARN if fail_on_warn else Exit.OK
    if verdict in (Verdict.UNKNOWN, Verdict.CAPABLE):
        return Exit.INCOMPLETE
    return Exit.FAIL


def worst(codes: list[Exit]) -> Exit:
    """The code for several subjects: 3 beats 5 beats 4 beats 0."""
    for code in (Exit.INTERNAL, Exit.USAGE, Exit.FAIL, Exit.INCOMPLETE, Exit.WARN):
        if code in codes:
            return code
    return Exit.OK
