"""Sending a report by every channel that was configured, again and again until each has it or time is up.

A channel is ``https://...``, ``file:PATH``, ``console:DEVICE`` or ``guestinfo``.
"""

import sys
import time

from agent.channels import guestinfo, https, local

DEADLINE = 300.0  # seconds for all attempts: early after boot the network may take its time
FIRST, LONGEST = 1.0, 60.0  # seconds of back-off


def sender(channel, token_file, ca_file):
    """Return the function that sends a report by a channel; ValueError for what is no channel."""
    kind, _, rest = channel.partition(":")
    if kind == "https" and rest.startswith("//"):
        return lambda report: https.post(channel, report, token_file, ca_file)
    if kind == "file" and rest:
        return lambda report: local.write_file(rest, report)
    if kind == "console" and rest:
        return lambda report: local.write_console(rest, report)
    if channel == "guestinfo":
        return guestinfo.set_variables
    raise ValueError("no such channel: %s" % channel)


def deliver(report, senders, deadline=DEADLINE):
    """Try each (name, function) until all have succeeded; return {name: why} of those that have not."""
    until = time.monotonic() + deadline
    pause = FIRST
    todo = list(senders)
    failed = {}  # type: dict
    while True:
        left = []
        for name, send in todo:
            try:
                send(report)
                failed.pop(name, None)
            except (OSError, ValueError) as e:
                why = str(e)[:200] or type(e).__name__
                if name not in failed:
                    sys.stderr.write("nestproof-agent: %s: %s; trying again for %g s\n" % (name, why, deadline))
                failed[name] = why
                left.append((name, send))
        todo = left
        if not todo or time.monotonic() + pause > until:
            break
        time.sleep(pause)
        pause = min(pause * 2, LONGEST)
    for name in failed:
        sys.stderr.write("nestproof-agent: %s has not got the report: %s\n" % (name, failed[name]))
    return failed
