"""The words of a judgement: finding, verdict, chain, remedy; and the provider's view of a VM.

Pure data, frozen, serialisable with msgspec. Everything that is printed, stored or put on a page is one of these.
"""

from hostcheck.model.chain import Chain, ChainLink, Setting
from hostcheck.model.judgement import (
    Answer,
    Evidence,
    Finding,
    Judgement,
    Link,
    Machine,
    Needs,
    Question,
    Remedy,
    Severity,
    Status,
    Timing,
    Verdict,
    Where,
)
from hostcheck.model.view import Accelerator, Arrival, Asked, HostView, Silence, VmView

__all__ = [
    "Accelerator",
    "Answer",
    "Arrival",
    "Asked",
    "Chain",
    "ChainLink",
    "Evidence",
    "Finding",
    "HostView",
    "Judgement",
    "Link",
    "Machine",
    "Needs",
    "Question",
    "Remedy",
    "Setting",
    "Severity",
    "Silence",
    "Status",
    "Timing",
    "Verdict",
    "VmView",
    "Where",
]
