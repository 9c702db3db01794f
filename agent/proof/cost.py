"""What leaving a guest costs (--measure): to the kernel, to this program, and from a guest's guest to the guest."""

import time

from agent.facts import NotOk
from agent.guests.code import OUTS, PLAIN
from agent.kvm.offered import offered
from agent.proof import nested
from agent.proof.attempt import attempt
from agent.proof.micro import CODE, MAILBOX

ROUNDS, EXITS = 5, 300


def spread(samples):
    """Return the median and the range of some nanoseconds per exit."""
    ordered = sorted(samples)
    return {"median_ns": ordered[len(ordered) // 2], "min_ns": ordered[0], "max_ns": ordered[-1]}


def clock():
    """Return nanoseconds of a steady clock (perf_counter_ns is of Python 3.7)."""
    return int(time.perf_counter() * 1e9)


def cost(machine):
    """Return nanoseconds per exit, of each kind that this machine has; null where a guest failed."""
    value = {
        "cpuid_exit": measured(machine, "plain", plain_cpuid),
        "port_exit": measured(machine, "plain", port),
    }
    offer = offered(machine)
    kind = "vmx" if offer["vmx"] else "svm" if offer["svm"] else None
    if kind:
        vendor = nested.vendor_of(kind)
        value["inner_cpuid_exit"] = measured(machine, kind, lambda guest: inner(guest, vendor, False))
        if offer["nested_paging"]:
            value["inner_cpuid_exit_paging"] = measured(machine, kind, lambda guest: inner(guest, vendor, True))
    return value


def measured(machine, kind, play):
    """Play some rounds, each in a fresh guest; their spread, or None when one failed."""
    samples = []
    for _ in range(ROUNDS):
        found = []  # type: list

        def once(guest, found=found):
            found.append(play(guest))

        try:
            if not attempt(machine, kind, once)["ok"]:
                return None
        except NotOk as e:
            raise NotOk(e.status, e.error)
        samples.append(found[0])
    return spread(samples)


def plain_cpuid(guest):
    """CPUID: the host's kernel answers."""
    guest.put(CODE, PLAIN)
    guest.put64(MAILBOX, EXITS)
    guest.enter_long_mode()
    times = guest.run(clock)  # start, A, B, Z, halt
    return (times[2] - times[1]) // EXITS


def port(guest):
    """OUT: this program is asked."""
    guest.put(CODE, OUTS)
    guest.put64(MAILBOX, EXITS)
    guest.enter_long_mode()
    times = guest.run(clock)
    return (times[EXITS] - times[1]) // (EXITS - 1)


def inner(guest, vendor, nested_paging):
    """CPUID in the inner guest: the outer one answers."""
    vendor.load(guest, nested_paging)
    guest.put64(MAILBOX, 1)
    guest.put64(MAILBOX + 0x28, EXITS)
    guest.enter_long_mode()
    times = guest.run(clock)
    halt = len(times) - 1
    return (times[halt - 2] - times[halt - 3]) // EXITS  # between the two hypercalls E, E; then Z, halt
