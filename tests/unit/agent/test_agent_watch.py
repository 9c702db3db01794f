"""When a watching agent sends."""

from typing import Any

import pytest

from agent import watch
from agent.cli import main


class Over(Exception):
    pass


def report(value: object, load: float = 0.0, ms: float = 1.0) -> dict[str, Any]:
    return {
        "started": ms,
        "facts": {
            "kvm.api": {"status": "ok", "ms": ms, "value": value},
            "capacity.cpu": {"status": "ok", "ms": ms, "value": load},
        },
    }


def watched(reports: list[dict[str, Any]], arrives: list[bool], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Watch these reports, one a look; return which of them were sent."""
    monkeypatch.setattr(watch, "wait_for_kvm", lambda started: None)
    monkeypatch.setattr(watch, "rest", lambda seconds, check: check())
    sent: list[int] = []
    looks = iter(range(len(reports)))
    at = 0

    def make() -> dict[str, Any]:
        nonlocal at
        try:
            at = next(looks)
        except StopIteration:
            raise Over from None
        return reports[at]

    def send(_: dict[str, Any]) -> bool:
        sent.append(at)
        return arrives[at]

    with pytest.raises(Over):
        watch.watch(make, send)
    return sent


def test_sends_first_and_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [report(1), report(1, load=9.0, ms=5.0), report(2), report(2)]
    assert watched(reports, [True] * 4, monkeypatch) == [0, 2]


def test_sends_again_what_did_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched([report(1)] * 4, [False, False, True, True], monkeypatch) == [0, 1, 2]


def test_sends_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "HEARTBEAT", -1.0)
    assert watched([report(1)] * 3, [True] * 3, monkeypatch) == [0, 1, 2]


def test_ends_by_its_check() -> None:
    def check() -> None:
        raise Over

    with pytest.raises(Over):
        watch.rest(60, check)


def test_a_resume_ends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = iter([0.0, 0.0, 3600.0])
    monkeypatch.setattr(watch.time, "time", lambda: watch.time.monotonic() + next(offsets))
    monkeypatch.setattr(watch.time, "sleep", lambda seconds: None)
    watch.rest(1e9, lambda: None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--send", "carrier-pigeon"], "no such channel: carrier-pigeon"),
        (["--watch", "--every", "often"], "--every wants seconds"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
