"""This machine's report: the agent in this process, its proofs in their own children."""

import msgspec

import agent
from hostcheck.report import Report, decode


def local_report(*, timeout: float = 10.0, measure: bool = False) -> Report:
    """Look at this machine now; `timeout` in seconds bounds the whole run. Whatever the machine is like, it answers.

    `measure` adds what exits of guests cost (proof.cost).
    """
    return decode(msgspec.json.encode(agent.collect(timeout=timeout, measure=measure)))
