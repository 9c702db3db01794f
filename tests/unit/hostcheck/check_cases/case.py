"""One check on one machine, and what it must say."""

from dataclasses import dataclass

from full_machines import MachineFacts

from hostcheck.model import Status
from hostcheck.policy import Policy

PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN


@dataclass(frozen=True)
class Case:
    """The result, and the ids of the remedies that it names, in their order."""

    check: str
    status: Status
    facts: MachineFacts
    remedies: tuple[str, ...] = ()
    says: str = ""
    policy: Policy | None = None


class Cases(list[Case]):
    """The cases of one room."""

    def add(
        self,
        check: str,
        status: Status,
        facts: MachineFacts,
        *remedies: str,
        says: str = "",
        policy: Policy | None = None,
    ) -> None:
        self.append(Case(check, status, facts, remedies, says, policy))
