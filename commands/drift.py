"""Where a VM differs from what was asked for: manifest, configuration, running VM and proof held against each other."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from commands.intent import intent
from commands.proven import Proof
from hostcheck.exits import Exit
from hostcheck.model import Asked, Verdict, VmView
from provision.model import Handling, VmSpec
from provision.provider import Difference, Plan

SCHEMA = "nestproof.status/1"
NESTED = "VMClass spec.performanceProfile.nestedVirtualization"
"""Which has sentences of its own."""
HEADS = ("VM", "asked", "configured", "running", "proven")


class VmStatus(msgspec.Struct, frozen=True):
    """How one VM stands."""

    vm: str
    """`namespace/name`."""
    provider: str
    asked: str
    """`on` or `off`: nested virtualization in the manifest."""
    configured: str
    """The same in the provider's configuration: `on`, `off`, `unstated`; `absent` for no VM."""
    feature: str
    running: bool
    state: str
    """What one that does not run does instead, such as `paused`; empty for one that is off."""
    got: bool | None
    """The running VM has the feature; None when it is off or the provider cannot tell."""
    proven: str
    """The verdict of the newest report; empty when there is none."""
    proven_at: float | None
    """Unix time in seconds."""
    intent: str
    """What apply would do; empty when it could not be planned."""
    differences: tuple[Difference, ...]
    drift: tuple[str, ...]
    """One sentence for each; empty where all is as asked."""

    @property
    def exit(self) -> Exit:
        if self.drift:
            return Exit.FAIL
        if self.asked == "off":
            return Exit.OK
        return Exit.OK if self.proven and Verdict(self.proven).works else Exit.INCOMPLETE


def status_of(vm: VmSpec, provider: str, planned: Plan | str, view: VmView | None, proof: Proof | None) -> VmStatus:
    """Join what is known of one VM. `planned` is a text when it cannot be planned any more. Pure."""
    differences = () if isinstance(planned, str) else planned.differences
    return VmStatus(
        vm=vm.key,
        provider=provider,
        asked=_switch(vm.nested),
        configured=view.asked.value if view else "absent",
        feature=view.feature if view else "",
        running=bool(view and view.running),
        state=view.state if view else "",
        got=view.got if view and view.running else None,
        proven=proof.verdict if proof else "",
        proven_at=proof.when if proof else None,
        intent="" if isinstance(planned, str) else intent(planned),
        differences=differences,
        drift=tuple(_drift(vm, planned, view, proof)),
    )


def _drift(vm: VmSpec, planned: Plan | str, view: VmView | None, proof: Proof | None) -> list[str]:
    found = [f"it could not be applied again: {planned}"] if isinstance(planned, str) else []
    if view is None:
        return [*found, "it does not exist: `nestproof apply` makes it"]
    if not isinstance(planned, str):
        found += [
            f"{d.setting}: is {d.observed or 'not there'}, asked is {d.wanted or 'none'}" for d in planned.differences
        ]
        found += _not_as_asked(planned, view)
    asked, feature = (Asked.ON if vm.nested else Asked.OFF), view.feature or "vmx or svm"
    if view.asked is not asked and view.asked is not Asked.UNSTATED:
        found.append(f"nested virtualization: configured is {view.asked}, asked is {asked}")
    if vm.power_on and not view.running:
        found.append(f"it is {view.state or 'off'}, asked is on")
    elif not vm.power_on and view.running:
        found.append("it runs, asked is off")
    if view.running and vm.nested and view.got is False:
        found.append(f"the running VM lacks {feature}: it needs a power cycle, or its host cannot give it")
    if view.running and not vm.nested and view.got:
        found.append(f"the running VM has {feature}, which nobody asked for: it needs a power cycle")
    if vm.nested and proof is not None:
        verdict = Verdict(proof.verdict)
        if not verdict.works and verdict not in (Verdict.UNKNOWN, Verdict.CAPABLE):
            found.append(f"its newest proof failed: {verdict}")
        if proof.unheard:
            found.append(f"asked for its proof again it gave none: {proof.unheard}")
    return found


def _not_as_asked(planned: Plan, view: VmView) -> list[str]:
    """What was read back differently although the configuration is as wanted; but for what the plan says cannot be."""
    if planned.differences:  # said already, and cured by the same apply
        return []
    impossible = {account.path for account in planned.accounts if account.handling is Handling.UNSUPPORTED}
    return [
        f"{setting.path}: is {setting.found}, asked is {setting.asked} ({setting.source})"
        for setting in view.settings
        if setting.differs and setting.path not in impossible and setting.path != NESTED
    ]


def as_json(statuses: Sequence[VmStatus]) -> str:
    """For programs."""
    document = {"schema": SCHEMA, "vms": list(statuses)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_text(statuses: Sequence[VmStatus]) -> str:
    """A table, and the drift of each below it."""
    rows = [HEADS, *(_row(status) for status in statuses)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for status in statuses:
        lines += ["", status.vm] * bool(status.drift) + [f"  drift: {text}" for text in status.drift]
    return "\n".join(lines)


def _row(status: VmStatus) -> tuple[str, ...]:
    got = {True: f"has {status.feature}", False: f"no {status.feature or 'vmx or svm'}", None: "cannot tell"}[
        status.got
    ]
    feature = f" ({status.feature})" if status.feature else ""
    time = datetime.fromtimestamp(status.proven_at, UTC).strftime(" %Y-%m-%d %H:%MZ") if status.proven_at else ""
    running = got if status.running else status.state.partition(":")[0] or "off"
    return status.vm, status.asked, status.configured + feature, running, status.proven + time or "never"


def _switch(on: bool) -> str:
    return "on" if on else "off"
