"""This machine's report: the agent in this process, its proofs in their own children."""

from pathlib import Path

import msgspec

import agent
from hostcheck.report import Report, decode


def local_report(*, timeout: float = 10.0, measure: bool = False) -> Report:
    """Look at this machine now; `timeout` in seconds bounds the whole run. Whatever the machine is like, it answers.

    `measure` adds what exits of guests cost (proof.cost).
    """
    return decode(msgspec.json.encode(agent.collect(timeout=timeout, measure=measure)))


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
