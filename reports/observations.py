"""Everything that was said of one subject as one list: the links of its chain in order, then the other findings.

For the formats that speak of results one by one. Pure.
"""

from collections.abc import Iterator

import msgspec

from hostcheck.links import GUEST_CHECKS, HOST_CHECKS
from hostcheck.model import ChainLink, Evidence, Finding, Link, Remedy, Status
from reports.rows import VM_ONLY, Row

CHECKS = HOST_CHECKS | GUEST_CHECKS | {Link.VM_ASKS: "vm.asks", Link.VM_GOT: "vm.got"}
"""The check that a link stands for, also where it could not be judged: a result's identity must not change with it."""


class Observation(msgspec.Struct, frozen=True):
    """One result about one subject."""

    key: str
    """Unique for the subject and the same in every run: the check's id, after `host/` where a VM's host was asked."""
    check: str
    """The check's id."""
    link: Link | None
    """The link of the chain that it stands for; None where it belongs to none."""
    status: Status
    summary: str
    evidence: tuple[Evidence, ...]
    remedies: tuple[Remedy, ...]
    """Alternatives, the likeliest first."""
    cause: bool
    """This is the first broken link: the cause, not a consequence."""
    follows: str
    """The id of the check that this one is a consequence of; empty when it stands on its own."""


def observations(row: Row) -> Iterator[Observation]:
    """Every link that the subject has, then every finding that no link shows."""
    for cell in row.cells:
        if row.chain.kind != "host" or cell.link.link not in VM_ONLY:
            yield _of_link(row, cell.link, cell.broken)
    for found in row.others:
        said = (found.status, found.headline, found.evidence, found.remedies)
        yield Observation(found.check, found.check, None, *said, False, found.follows)


def _of_link(row: Row, link: ChainLink, broken: bool) -> Observation:
    check = link.check or CHECKS[link.link]
    key = f"host/{check}" if row.chain.kind != "host" and link.link in HOST_CHECKS else check
    follows = next((f.follows for f in row.chain.findings if _same(f, link)), "")
    return Observation(key, check, link.link, link.status, link.summary, link.evidence, link.remedies, broken, follows)


def _same(finding: Finding, link: ChainLink) -> bool:
    return (finding.check, finding.headline) == (link.check, link.summary)
