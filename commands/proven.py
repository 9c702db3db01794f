"""What is kept of a VM's proof: the newest report that still speaks of the VM as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from hostcheck.judge import judge
from hostcheck.model import Arrival
from hostcheck.policy import Policy
from hostcheck.report import ReportError, decode
from provision.proving import CHANGED

if TYPE_CHECKING:
    from reports.store import Entry  # with it comes a database, which is opened later


class Proof(msgspec.Struct, frozen=True):
    """The newest report of a VM, judged."""

    verdict: str
    when: float
    """It came; Unix time in seconds."""
    unheard: str = ""
    """Why the VM gave none when it was asked again since; empty when it was not, or did."""


def proof_of(name: str, newest_first: Iterable[Entry], policy: Policy) -> Proof | None:
    """None where there is none, or where the VM was changed or removed since it came."""
    unheard = ""
    for entry in newest_first:
        if entry.arrival is Arrival.DESTROYED or entry.arrival_detail == CHANGED:
            return None
        if entry.report is None:
            if entry.arrival in (Arrival.SILENT, Arrival.REFUSED):
                unheard = unheard or entry.arrival_detail
            continue
        try:
            return Proof(judge(decode(entry.report), name, policy).runs_guests.verdict.value, entry.received, unheard)
        except ReportError:
            return None
    return None
