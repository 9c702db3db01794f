"""The catalogue of checks: small pure functions from facts to a finding, each with a stable id."""

from collections.abc import Callable
from dataclasses import dataclass

from hostcheck.facts import Facts
from hostcheck.model import Evidence, Finding, Link, Remedy, Status

CheckFunction = Callable[[Facts], "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check function answers; the catalogue adds the id and the link."""

    status: Status
    summary: str
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the catalogue."""

    id: str
    question: str
    why: str
    link: Link | None
    needs: tuple[str, ...]
    """Ids of the checks whose failure makes this one's failure a mere consequence."""
    function: CheckFunction

    def run(self, facts: Facts) -> Finding:
        outcome = self.function(facts)
        return Finding(self.id, outcome.status, outcome.summary, self.link, outcome.evidence, outcome.remedies)


_registry: dict[str, Check] = {}


def check(
    check_id: str, *, question: str, why: str, link: Link | None = None, needs: tuple[str, ...] = ()
) -> Callable[[CheckFunction], CheckFunction]:
    """Enter a function into the catalogue."""

    def register(function: CheckFunction) -> CheckFunction:
        if check_id in _registry:
            raise ValueError(f"two checks are called {check_id}")
        _registry[check_id] = Check(check_id, question, why, link, needs, function)
        return function

    return register


def catalogue() -> tuple[Check, ...]:
    """Every check, in the order of the chain."""
    from hostcheck.checks import cpu, device, modules, proof  # noqa: F401 - importing registers

    return tuple(_registry.values())
