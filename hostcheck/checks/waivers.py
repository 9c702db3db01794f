"""The policy about itself."""

from hostcheck.checks import PASS, SKIP, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity


@check(
    "policy.waivers",
    question="Do the waivers of the policy still hold?",
    why="A waiver that nobody looks at again is how a known weakness becomes an unknown one.",
    judged="The day of expiry of each against today. Warns when one has passed; the finding that it covered is then "
    "shown as it is.",
    severity=Severity.ADVISES,
    facts=(),
    gives=(PASS, WARN, SKIP),
    links=("docs/checks.md: Waivers",),
)
def policy_waivers(facts: Facts) -> Outcome:
    policy = facts.policy
    if not policy.waivers:
        return Outcome(SKIP, "there are no waivers")
    evidence = tuple(Evidence(policy.source, f"{w.check}: {w.sentence}") for w in policy.expired)
    if policy.expired:
        first = policy.expired[0]
        summary = f"the waiver of {first.check} ({first.owner}) expired on {first.expires}"
        return Outcome(WARN, summary, evidence)
    return Outcome(PASS, f"{len(policy.waivers)} waivers hold")
