"""A guest of this machine runs a guest: the proof that nesting works, by shadow paging and by NPT or EPT."""

import struct

from agent.facts import NotOk
from agent.kvm.offered import offered
from agent.proof.attempt import attempt, could_not_begin, has_guest, result
from agent.proof.micro import MAILBOX, Failed

EXITS = 3  # CPUID exits that the inner guest makes


def vendor_of(kind):
    """Return the module with the guests for ``svm`` or ``vmx``; the other one need not be compiled."""
    if kind == "vmx":
        from agent.proof import vmx

        return vmx
    from agent.proof import svm

    return svm


def shadow(machine):
    """Prove nesting with shadow paging: the outer guest's page tables serve the inner one."""
    return prove(machine, False)


def paging(machine):
    """Prove nesting with NPT or EPT: the inner guest lives at addresses that exist only through nested tables."""
    return prove(machine, True)


def prove(machine, nested_paging):
    """Choose what KVM offers, play it, and hold it against the exact result that is due."""
    has_guest()
    try:
        offer = offered(machine)
    except OSError as e:
        raise could_not_begin("svm", "open /dev/kvm", e)
    kind = "vmx" if offer["vmx"] else "svm" if offer["svm"] else None
    if kind is None:
        kind = "svm" if offer["vendor"] in ("AuthenticAMD", "HygonGenuine") else "vmx"
        raise NotOk("absent", "KVM offers neither vmx nor svm to guests", result(kind, "", "not-offered"))
    if nested_paging and not offer["nested_paging"]:
        name = "NPT" if kind == "svm" else "EPT"
        raise NotOk("absent", "KVM offers no %s to guests" % name, result(kind, "", "not-offered"))
    return attempt(machine, kind, lambda guest: play(guest, vendor_of(kind), nested_paging))


def play(guest, vendor, nested_paging, exits=EXITS):
    """Load outer and inner guest, run, and judge; the detail of a success, Failed for everything else."""
    vendor.load(guest, nested_paging)
    guest.put64(MAILBOX, 1)
    guest.put64(MAILBOX + 0x28, exits)
    guest.enter_long_mode()
    guest.run()
    return judge(guest, vendor, exits)


def judge(guest, vendor, exits):
    """Compare what the outer guest counted and the inner one wrote with what is due."""

    def mail(offset):
        return guest.get64(MAILBOX + offset)

    if "F" in guest.stages:
        raise Failed("vmfail", {"rflags": mail(0x90), "instruction_error": mail(0x98), "field": mail(0x88)})
    last = mail(0x60)
    detail = {
        "final_exit": vendor.EXITS.get(last, "0x%x" % last),
        "cpuid_exits": mail(0x48),
        "hypercalls": mail(0x50),
        "io_exits": mail(0x58),
        "io_port": mail(0x68) >> 16 & 0xFFFF,
        "wrote": struct.pack("<Q", mail(0x70))[:4].decode("latin-1"),
        "rax": struct.pack("<Q", mail(0xA0))[:4].decode("latin-1"),
    }
    due = {
        "final_exit": "HLT",
        "cpuid_exits": exits,
        "hypercalls": 2,
        "io_exits": 1,
        "io_port": 0x5A,
        "wrote": "NST2",
        "rax": "DONE",
    }
    if detail == due and guest.stages.endswith("EEZ"):
        return {}
    detail["qualification"] = mail(0x80)
    cause = {"INVALID": "invalid-guest-state", "SHUTDOWN": "inner-shutdown"}.get(detail["final_exit"], "wrong-result")
    raise Failed(cause, detail)
