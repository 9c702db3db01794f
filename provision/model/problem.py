"""What is wrong or doubtful in the manifests."""

from enum import StrEnum

import msgspec

from provision.model.origin import Origin


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    """Advice: nothing is wrong."""


class Problem(msgspec.Struct, frozen=True):
    """Something wrong or doubtful in the manifests, at its place. Only errors stop an apply."""

    origin: Origin
    severity: Severity
    path: str
    message: str
    rule: str = ""
    """Stable id of the rule, such as `vbs-needs-secure-boot`."""
    waived: str = ""
    """Why it is put up with, and by whom until when; empty: it is not."""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        rule = f" [{self.rule}]" if self.rule else ""
        waived = f" ({self.waived})" if self.waived else ""
        return f"{self.origin}: {'waived' if self.waived else self.severity}: {path}{self.message}{rule}{waived}"
