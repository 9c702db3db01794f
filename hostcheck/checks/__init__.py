"""The catalogue of checks: small pure functions from facts to a finding, each with a stable id."""

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module

import msgspec

from hostcheck.facts import Facts
from hostcheck.model import Evidence, Finding, Link, Remedy, Severity, Status

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN

TOPICS = (
    "machine", "cpu", "firmware", "modules", "device", "proof", "nested", "engine", "features", "cost", "rivals",
    "kernel", "drift", "capabilities", "hazards", "capacity", "plumbing", "guest", "exposure", "prerequisites",
    "waivers",
)  # fmt: skip
"""The modules of checks, in the order in which their checks are judged: a cause before its consequences."""


class Outcome(msgspec.Struct, frozen=True):
    """What a check function answers; the catalogue adds the id and the link."""

    status: Status
    summary: str
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()


CheckFunction = Callable[[Facts], Outcome]


class Check(msgspec.Struct, frozen=True):
    """One entry of the catalogue."""

    id: str
    question: str
    why: str
    judged: str
    """How the answer is found, and what each result means."""
    severity: Severity
    facts: tuple[str, ...]
    """Ids of the facts that it reads, and no other (docs/report.md)."""
    gives: tuple[Status, ...]
    """The results that it can give."""
    link: Link | None
    needs: tuple[str, ...]
    """Ids of the checks whose failure makes this one's failure a mere consequence."""
    remedies: tuple[str, ...]
    """Ids of the remedies that it can name."""
    links: tuple[str, ...]
    """Where to read on: documents by name and section."""
    function: CheckFunction

    @property
    def topic(self) -> str:
        """The module that it stands in."""
        function = self.function.func if isinstance(self.function, partial) else self.function
        return function.__module__.rpartition(".")[2]

    def run(self, facts: Facts) -> Finding:
        outcome = self.function(facts)
        return Finding(self.id, outcome.status, outcome.summary, self.link, outcome.evidence, outcome.remedies)


_registry: dict[str, Check] = {}


def check(
    check_id: str,
    *,
    question: str,
    why: str,
    judged: str,
    severity: Severity,
    facts: tuple[str, ...],
    gives: tuple[Status, ...],
    link: Link | None = None,
    needs: tuple[str, ...] = (),
    remedies: tuple[str, ...] = (),
    links: tuple[str, ...] = (),
) -> Callable[[CheckFunction], CheckFunction]:
    """Enter a function into the catalogue."""

    def register(function: CheckFunction) -> CheckFunction:
        if check_id in _registry:
            raise ValueError(f"two checks are called {check_id}")
        entry = Check(
            check_id, question, why, judged, severity, facts, gives, link, needs, remedies, links, function
        )  # fmt: skip
        _registry[check_id] = entry
        return function

    return register


@cache
def catalogue() -> tuple[Check, ...]:
    """Every check: first the chain in its order, then what is worth knowing besides."""
    for topic in TOPICS:
        import_module(f"hostcheck.checks.{topic}")  # registers its checks
    return tuple(sorted(_registry.values(), key=lambda entry: TOPICS.index(entry.topic)))
