"""What a check says beside its verdicts: the cost of exits that was asked for, and who is shown more than they need."""

from collections.abc import Sequence

from hostcheck.chain import exposed
from hostcheck.model import Chain, Status
from reports.pen import Pen
from reports.sanitize import MAX_NAME, sanitize

COSTS = {"kvm.exit-cost": "an exit of a guest", "nested.exit-cost": "an exit of a guest's guest"}
MAX_NAMED = 20
"""Machines that are named; the others are counted."""


def costs_text(chains: Sequence[Chain], *, color: bool = False, width: int = 80, ascii: bool = False) -> str:
    """What exits cost on every machine, with the environment that the figures are from."""
    pen = Pen(color, width, ascii)
    lines = []
    for chain in chains:
        for check, what in COSTS.items():
            finding = next((each for each in chain.findings if each.check == check), None)
            if finding is not None:
                said = finding.evidence[0].text if finding.evidence else finding.headline
                slow = "slow: " if finding.status is Status.WARN else ""
                name = sanitize(chain.subject, MAX_NAME)
                lines += pen.wrap(f"{name}: {what}: {slow}{said}", 2, f"{pen.symbol(finding.status)} ")
    return pen.page(lines)


def exposed_text(chains: Sequence[Chain], *, color: bool = False, width: int = 80, ascii: bool = False) -> str:
    """Which of many machines are shown vmx or svm for nothing; empty when there are none, or only one was looked at."""
    idle = [sanitize(name, MAX_NAME) for name in exposed(chains)]
    if len(chains) < 2 or not idle:
        return ""
    pen = Pen(color, width, ascii)
    more = f" and {len(idle) - MAX_NAMED} others" if len(idle) > MAX_NAMED else ""
    names = ", ".join(idle[:MAX_NAMED]) + more
    sentence = f"vmx or svm is shown to {len(idle)} of {len(chains)} that do not use it: {names}"
    return pen.page([*pen.wrap(sentence, 2, f"{pen.symbol(Status.WARN)} "), "  nestproof explain guest.exposure"])
