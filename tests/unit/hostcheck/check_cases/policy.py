"""What a policy waives."""

import datetime

from full_machines import amd

from check_cases.case import PASS, SKIP, WARN, Cases
from hostcheck.policy import Policy, Waiver

CASES = Cases()
case = CASES.add

TODAY = datetime.date(2026, 11, 22)


def waiver(check: str, expires: datetime.date) -> Policy:
    return Policy(waivers=(Waiver(check, "known", "ann", expires),), today=TODAY, source="nestproof.toml")


case("policy.waivers", PASS, amd(), policy=waiver("kvm.paging", TODAY))
case("policy.waivers", WARN, amd(), policy=waiver("kvm.paging", TODAY - datetime.timedelta(days=1)), says="expired")
case("policy.waivers", SKIP, amd())
