"""Chains whose every text is the same: for tests that no format obeys what a machine says."""

from hypothesis import strategies as st

from hostcheck.model import Answer, Chain, ChainLink, Evidence, Finding, Link, Remedy, Status, Verdict, Where
from reports.matrix import Matrix, Provenance, build

TEXTS = st.text(st.characters(codec=None), max_size=40)
"""Any text, lone surrogates and control characters too."""


def everywhere(text: str, status: Status = Status.FAIL) -> Matrix:
    """A VM and a host that say the text wherever a machine can say anything."""
    remedy = Remedy(text, Where.HOST_SHELL, (text, text), text, text)
    evidence = (Evidence(text, text),)
    # A check's id is ours: no machine can make it that of another check.
    link = ChainLink(Link.OFFERED, status, text, "y" + text, evidence, (remedy, remedy))
    finding = Finding("x" + text, status, text, None, evidence, (remedy,), text)
    broken = Answer(Verdict.MISCONFIGURED, text, text)
    unknown = Answer(Verdict.UNKNOWN, text)
    chains = [
        Chain(text, "vm", broken.verdict, text, (link,), broken, unknown, Link.OFFERED, text, text, True, (finding,)),
        Chain(text, "host", broken.verdict, text, (link,), broken, unknown, Link.OFFERED, findings=(finding,)),
    ]
    return build(chains, Provenance(text, text, 0.0))
