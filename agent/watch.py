"""Reporting again: after boot, every so often, after a resume; but sending only what is new, or a sign of life."""

import time

from agent.settle import wait_for_kvm

EVERY = 900.0  # seconds between looks
HEARTBEAT = 6 * 3600.0  # seconds after which the same is sent again
JUMP = 30.0  # seconds that the clock may move against the monotonic one: more is a resume, or a restored snapshot
# facts that change all the time and say nothing about virtualization
RESTLESS = ("capacity.", "machine.rivals", "proof.pace", "proof.cost")


def essence(report):
    """Return what of a report must change for it to be news: status and value, not times and not loads."""
    return {
        name: (fact["status"], fact.get("value"))
        for name, fact in report["facts"].items()
        if not name.startswith(RESTLESS)
    }


def watch(make_report, send, every=EVERY, check=lambda: None):
    """Report for ever. ``send(report)`` returns whether it arrived; what did not is sent again at the next look.

    ``check`` is called every few seconds, and ends it by raising.
    """
    wait_for_kvm(time.monotonic())
    last, sent_at = None, 0.0
    while True:
        report = make_report()
        now = essence(report)
        if now != last or time.monotonic() > sent_at + HEARTBEAT:
            last = now if send(report) else None
            sent_at = time.monotonic()
        rest(every, check)


def rest(seconds, check):
    """Sleep, but not beyond a resume."""
    until = time.monotonic() + seconds
    offset = time.time() - time.monotonic()
    while time.monotonic() < until and abs(time.time() - time.monotonic() - offset) < JUMP:
        check()
        time.sleep(max(min(10.0, until - time.monotonic()), 0))
