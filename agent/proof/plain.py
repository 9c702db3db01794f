"""This machine runs a guest; and at a real CPU's pace, or an instruction emulator's?"""

import struct

from agent.facts import NotOk
from agent.guests.code import PACE, PLAIN
from agent.proof.attempt import attempt
from agent.proof.micro import CODE, MAILBOX, Failed

ITERATIONS, ROUNDS = 101, 3
EMULATED = 50.0  # cycles per iteration; real CPUs need 1 to 3, kvm_pvm's instruction emulator 1800


def prove(machine):
    """Run 64-bit code that makes three CPUID exits, writes "NST1" to memory and halts."""

    def play(guest):
        guest.put(CODE, PLAIN)
        guest.put64(MAILBOX, 3)
        guest.enter_long_mode()
        guest.run()
        wrote = struct.pack("<Q", guest.get64(MAILBOX + 0x70))[:4]
        if guest.stages != "ABZ" or wrote != b"NST1":
            raise Failed("wrong-result", {"wrote": wrote.decode("latin-1")})
        return {}

    return attempt(machine, "plain", play)


def pace(machine):
    """Return TSC cycles per iteration of a loop that never has to exit, the fastest of some rounds."""
    found = {}

    def play(guest):
        guest.put(CODE, PACE)
        guest.put64(MAILBOX, ITERATIONS)
        guest.put64(MAILBOX + 0x28, ROUNDS)
        guest.enter_long_mode()
        guest.run()
        long, short = guest.get64(MAILBOX + 0x48), guest.get64(MAILBOX + 0x50)
        found["cycles"] = max(long - short, 0) / float(ITERATIONS - 1)

    try:
        value = attempt(machine, "plain", play)
    except NotOk as e:
        raise NotOk(e.status, e.error)  # a pace has no stages
    if not value["ok"]:
        raise NotOk("error", "the guest ended by %s" % value["cause"])
    return {"loop_cycles": round(found["cycles"], 2), "emulated": found["cycles"] > EMULATED}
