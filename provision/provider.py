"""The few verbs of a provider. One module per provider under `provision.providers`; none prints.

Everything is idempotent on (namespace, name); state lives with the VM, not on the caller's disk. The verbs are called
for many VMs at once from several threads, never twice at once for the same VM; `progress` may raise to stop one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from hostcheck.model import Evidence, HostView, Judgement, Silence, VmView
from provision.model import FieldAccount, VmSpec

if TYPE_CHECKING:
    from provision.room import Sums


class ProviderError(Exception):
    """What went wrong, where, and what to do: `str()` is one line for the user, `hint` the next step."""

    def __init__(self, message: str, *, hint: str = "", refused: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.refused = refused
        """The request cannot work here (exit 3), as against a broken or misused set-up (exit 2)."""


class NoReport(ProviderError):
    """A VM has sent no report. The message says why, `silence` says it to programs."""

    def __init__(self, message: str, silence: Silence, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.silence = silence


UNCHANGED = "nothing had been made or changed by then"
"""The note (PEP 678) on whatever ends an apply before it has changed anything at the hypervisor."""


@contextmanager
def unchanged() -> Iterator[None]:
    """Around what an apply does before its first change; what is raised there tells so, also where a user ended it."""
    try:
        yield
    except BaseException as e:
        e.add_note(UNCHANGED)
        raise


def is_unchanged(error: BaseException | None) -> bool:
    """Nothing had been changed when this was raised."""
    return UNCHANGED in getattr(error, "__notes__", ())


class Step(msgspec.Struct, frozen=True):
    """One change that an apply will make."""

    action: str
    """A verb: create, replace, start, keep."""
    what: str
    detail: str = ""


class Difference(msgspec.Struct, frozen=True):
    """One setting that is not as wanted. Texts for people; a digest for what is long or secret."""

    setting: str
    observed: str
    """Empty: not there."""
    wanted: str


class Power(StrEnum):
    """What a running VM has to go through for a plan."""

    UNTOUCHED = "untouched"
    """It goes on, or was not running."""
    OFF = "off"
    """It is switched off and stays off."""
    POWER_CYCLE = "power-cycle"
    """Off and on again; a reboot from inside is not enough."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an apply will do for one VM, in order, and what it takes from the manifest."""

    vm: VmSpec
    steps: tuple[Step, ...]
    accounts: tuple[FieldAccount, ...]
    notes: tuple[str, ...]
    """Said aloud to the user, such as: the CPU will be emulated, and why."""
    evidence: tuple[Evidence, ...]
    native: str
    """The provider's own language: domain XML for libvirt."""
    differences: tuple[Difference, ...] = ()
    """Wanted against observed; empty for a VM that is made new or is as wanted."""
    power: Power = Power.UNTOUCHED
    loses_disk: bool = False
    """What the VM wrote to its disk is lost."""

    @property
    def changes(self) -> bool:
        """An apply does something."""
        return any(step.action != "keep" for step in self.steps)


Progress = Callable[[str], None]
"""Called with one short line whenever something worth showing happens."""


class Provider(Protocol):
    """One hypervisor endpoint. Close it when done; also a context manager at the caller's choice."""

    name: str
    """For people: `libvirt qemu:///embed`."""

    def plan(self, vm: VmSpec, host: Judgement | None = None) -> Plan:
        """Wanted against observed, without side effects. Raises ProviderError when it cannot work.

        `host` is what is known by execution of the machine that the VM will run on, where that is this machine.
        """

    def apply(self, plan: Plan, progress: Progress) -> None:
        """Carry out a plan that this provider made; safe to repeat after being killed at any point."""

    def observe(self, vm: VmSpec) -> VmView | None:
        """Read the live VM back; None when it does not exist."""

    def fetch_report(self, vm: VmSpec, timeout: float, progress: Progress) -> bytes:
        """The guest's fresh report, at most `timeout` seconds. Raises ProviderError when none came."""

    def destroy(self, namespace: str, name: str) -> tuple[str, ...]:
        """Remove exactly what apply made; the names of what was removed, empty when nothing was there."""

    def close(self) -> None:
        """Let go of the connection."""


class Artefact(msgspec.Struct, frozen=True):
    """One file of a provider's own about one VM, for whoever has to help: its configuration, a log."""

    name: str
    """Such as `domain.xml`."""
    data: bytes


@runtime_checkable
class Diagnosing(Protocol):
    """A provider that can show more of a VM than its verbs need. One that cannot has no such method."""

    def artefacts(self, namespace: str, name: str) -> tuple[Artefact, ...]:
        """What there is of the VM, secrets left out where the provider can. Raises ProviderError."""


@runtime_checkable
class Seeing(Protocol):
    """A provider whose API also tells of the host that a VM is on. One that cannot has no such method."""

    def host_view(self, name: str) -> HostView | None:
        """What it says of the host of this name; None when there is none. Raises ProviderError."""


@runtime_checkable
class Adding(Protocol):
    """A provider that can add up what many plans need together. One that cannot has no such method."""

    def sums(self, plans: Sequence[Plan]) -> Sums:
        """What plans of this provider need, and what its hosts have, in one look. Raises ProviderError."""


class Estate(Protocol):
    """A hypervisor with many hosts, of which an API tells more than any one of them: vCenter, a Proxmox cluster.

    Looking costs a bounded number of requests, whatever the number of hosts and VMs.
    """

    name: str

    def hosts(self, progress: Progress) -> tuple[HostView, ...]:
        """Every host, also those that are offline. Raises ProviderError when the API gives no answer."""

    def vms(self, progress: Progress, name: str = "") -> tuple[VmView, ...]:
        """Every VM, or those of this name or id, each with its host. Raises ProviderError, also when none has it."""

    def close(self) -> None:
        """Let go of the connection."""
