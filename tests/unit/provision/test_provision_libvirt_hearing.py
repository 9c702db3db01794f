"""Waiting for a report: what libvirt says of a guest while it comes to its end."""

from pathlib import PurePosixPath

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

import libvirt

from hostcheck.model import Silence
from provision.provider import NoReport, ProviderError
from provision.providers.libvirt import hearing, monitor


class Ending:
    """A domain, as libvirt lists its states one after the other; the last one stays."""

    def __init__(self, *states: tuple[int, int]) -> None:
        self.states = list(states)

    def state(self) -> tuple[int, int]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class Console:
    whole = True

    def text(self) -> str:
        return "reboot: Power down\n"


ABOUT_TO_END = (libvirt.VIR_DOMAIN_SHUTDOWN, libvirt.VIR_DOMAIN_SHUTDOWN_USER)
ENDED = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN)


def heard(domain: Ending) -> str:
    with pytest.raises(ProviderError) as caught:
        hearing.Listener(None, domain, Console(), PurePosixPath("/seed.iso")).listen(60, lambda _line: None)
    return str(caught.value)


def test_a_guest_that_is_about_to_end_is_asked_again_why() -> None:
    """Between the guest's power-off and the end of its QEMU libvirt knows no reason yet."""
    assert heard(Ending(ABOUT_TO_END, ABOUT_TO_END, ENDED)) == (
        "no report: it shut itself down; its console ends with: reboot: Power down"
    )


def test_a_guest_that_never_comes_to_its_end_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "ENDING_SECONDS", 0.0)
    assert heard(Ending(ABOUT_TO_END)).startswith("no report: it is not running")


PAUSED = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_UNKNOWN)


@pytest.mark.parametrize(
    ("status", "cause", "says"),
    [
        ("internal-error", Silence.CRASHED, "its CPU stopped at what KVM cannot carry out (internal-error)"),
        ("prelaunch", Silence.PAUSED, "it is paused: prelaunch"),
        ("", Silence.PAUSED, "it is paused;"),
    ],
)
def test_qemu_is_asked_where_libvirt_does_not_know_why(
    monkeypatch: pytest.MonkeyPatch, status: str, cause: Silence, says: str
) -> None:
    def answer(_domain: object, command: str, _expected: object) -> monitor.Status:
        assert command == "query-status"
        if not status:
            raise monitor.MonitorError("it ends")
        return monitor.Status(status)

    monkeypatch.setattr(hearing, "ask", answer)
    with pytest.raises(NoReport) as caught:
        hearing.Listener(None, Ending(PAUSED), Console(), PurePosixPath("/seed.iso")).listen(60, lambda _line: None)
    assert caught.value.silence is cause
    assert says in str(caught.value)
