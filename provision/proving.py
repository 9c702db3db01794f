"""Hearing a VM's proof: its fresh report, checked to be its own, and the live VM as the provider reads it back."""

import msgspec

from hostcheck.model import Arrival, Asked, VmView
from hostcheck.report import ReportError, decode
from provision.model import VmSpec
from provision.provider import Progress, Provider, ProviderError

CHANGED = "it was changed, and its report was not awaited (--wait)"
"""Kept of a VM: what it had reported before is of no VM that there is."""


class Heard(msgspec.Struct, frozen=True):
    """What is known of a VM after asking the provider and the VM itself."""

    view: VmView
    report: bytes | None
    """The report as it came; None unless it arrived and was accepted."""
    arrival: Arrival
    detail: str
    """Why there is no accepted report, for people; empty when there is one."""


def hear(provider: Provider, vm: VmSpec, timeout: float, progress: Progress) -> Heard:
    """Wait at most `timeout` seconds for the VM's report and read the live VM back.

    A VM that stays silent is an answer, not an exception. Raises ProviderError when the provider itself fails.
    """
    report: bytes | None = None
    try:
        report = provider.fetch_report(vm, timeout, progress)
        fault = refusal(report, vm)
        arrival, detail = (Arrival.REFUSED, fault) if fault else (Arrival.ARRIVED, "")
    except ProviderError as e:
        arrival, detail = Arrival.SILENT, str(e)
    view = provider.observe(vm) or absent(provider, vm)
    return Heard(view, report if arrival is Arrival.ARRIVED else None, arrival, detail)


def not_awaited(provider: Provider, vm: VmSpec, *, changed: bool) -> Heard:
    """The live VM as the provider reads it back, without waiting for the VM to speak.

    `changed`: an apply has just made it something else than what its last report speaks of.
    """
    view = provider.observe(vm) or absent(provider, vm)
    return Heard(view, None, Arrival.NOT_AWAITED, CHANGED if changed else "its report was not awaited (--wait)")


def refusal(data: bytes, vm: VmSpec) -> str:
    """Why these bytes are not this VM's report; "" when they are."""
    try:
        subject = decode(data).subject
    except ReportError as e:
        return f"its report is refused: {e}"
    if subject.vm is not None and subject.vm != vm.key:
        return f"its report is refused: it claims to be of {subject.vm[:80]!r}"
    return ""


def absent(provider: Provider, vm: VmSpec) -> VmView:
    """The view of a VM that does not exist (any more)."""
    asked = Asked.ON if vm.nested else Asked.OFF
    return VmView(vm.key, provider.name, False, asked, exists=False)
