"""How this machine was provisioned, where it is a VM."""

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Severity
from hostcheck.remedies.plumbing import CLEAN_SEED
from hostcheck.report import FactStatus


@check(
    "guest.cloud-init",
    question="Did cloud-init see its seed and finish without errors?",
    why="A seed on a bus that the image's kernel has no driver for is never seen, and cloud-init then does nothing "
    "without a word: the VM looks healthy and lacks all that was asked for.",
    judged="cloud-init's own status files and the labels of disks. Warns for errors, and when there is a seed disk "
    "or a finished run and the data source is None.",
    severity=Severity.DEGRADES,
    facts=("guest.cloud_init",),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("guest.clean-cloud-init",),
    links=("cloud-init documentation, How to debug cloud-init",),
)
def guest_cloud_init(facts: Facts) -> Outcome:
    if facts.cloud_init.status is FactStatus.ABSENT:
        return Outcome(SKIP, "cloud-init has not run here")
    state = facts.cloud_init.known
    if state is None:
        return Outcome(UNKNOWN, f"cloud-init's status could not be read: {facts.cloud_init.error}")
    if state.disabled:
        return Outcome(SKIP, "cloud-init is disabled here")
    source = state.datasource or "none"
    evidence = (
        Evidence("/run/cloud-init", f"data source {source}, {'done' if state.done else 'not done'}"),
        *(Evidence("/run/cloud-init/result.json", error) for error in state.errors),
    )
    mend = (CLEAN_SEED.fill(facts),)
    if state.errors:
        return Outcome(WARN, f"cloud-init had errors: {state.errors[0]}", evidence, mend)
    if (state.done or state.seeds) and "DataSourceNone" in source:
        where = f", though there is a disk {state.seeds[0]}" if state.seeds else ""
        return Outcome(WARN, f"cloud-init never saw its seed{where}", evidence, mend)
    if not state.done:
        return Outcome(UNKNOWN, "cloud-init has not finished", evidence)
    return Outcome(PASS, f"cloud-init finished with {source}", evidence)
