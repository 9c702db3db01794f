"""Runs inside a lab: breaks the nested guest on purpose in many ways, prints one JSON line {fault: [kind, value]}.

Each fault is played by the agent's own worker and watchdog, as in a report.
"""

import sys
import time
import types

sys.path.insert(0, "/")

from agent.collector import Run
from agent.encode import encode
from agent.guests import code
from agent.kvm.offered import cpuid, offered
from agent.proof import nested, svm, vmx
from agent.proof.attempt import attempt
from agent.proof.micro import CODE, MAILBOX, PAYLOAD

HSAVE_WRITE = bytes.fromhex("b9170101c08b47108b57140f30")


def no_hsave(guest):
    """Never write VM_HSAVE_PA: the two loads and the WRMSR become NOPs."""
    guest.put(CODE, code.SVM.replace(HSAVE_WRITE, b"\x90" * len(HSAVE_WRITE)))


def table_entry(guest, field):
    """Return where a field's value lies in the table of VMWRITEs."""
    for n in range(guest.get64(MAILBOX + 0x20)):
        if guest.get64(vmx.TABLE + 16 * n) == field:
            return vmx.TABLE + 16 * n
    raise KeyError(field)


BOTH = {
    "none": lambda guest: None,
    "hang": lambda guest: guest.put(PAYLOAD, b"\xeb\xfe"),
    "crash": lambda guest: guest.put(PAYLOAD, b"\x0f\x0b"),
    "idle": lambda guest: guest.put(PAYLOAD, b"\xf4"),
}
SVM = {
    "state": lambda guest: guest.put64(svm.VMCB + 0x548, 0),  # CR4 without PAE in long mode
    "intercept": lambda guest: guest.put(svm.VMCB + 0x10, b"\x02\0\0\0"),  # VMRUN not intercepted
    "asid": lambda guest: guest.put(svm.VMCB + 0x58, bytes(4)),
    "hsave": no_hsave,
}
VMX = {
    "state": lambda guest: guest.put64(table_entry(guest, 0x6804) + 8, 0x2000),
    "revision": lambda guest: guest.put(vmx.VMCS, b"\xff\xff\xff\x7f"),
    "field": lambda guest: guest.put64(vmx.TABLE + 16 * 5, 0x7FFE),
}


def without_feature(machine):
    """Return the offered CPUID with VMX and SVM taken out, as a domain whose CPU model lacks them."""
    import struct

    raw = bytearray(cpuid(machine)[0])
    for offset in range(8, len(raw), 40):
        leaf, _, _, _, _, ecx = struct.unpack_from("<6I", raw, offset)
        if leaf in (1, 0x80000001):
            struct.pack_into("<I", raw, offset + 20, ecx & ~(1 << 5 if leaf == 1 else 1 << 2))
    return raw


class Broken:
    """A vendor whose guest is broken after it was loaded."""

    def __init__(self, vendor, fault):
        self.vendor = vendor
        self.fault = fault
        self.EXITS = vendor.EXITS

    def load(self, guest, paging):
        self.vendor.load(guest, paging)
        self.fault(guest)


def main():
    from agent.machine import Machine

    offer = offered(Machine())
    kind = sys.argv[1] if len(sys.argv) > 1 else "vmx" if offer["vmx"] else "svm"
    vendor = nested.vendor_of(kind)
    faults = dict(BOTH, **(VMX if kind == "vmx" else SVM))
    module = types.ModuleType("agent.acted")
    sys.modules["agent.acted"] = module
    probes = []
    for name, fault in faults.items():

        def prove(machine, fault=fault):
            return attempt(machine, kind, lambda guest: nested.play(guest, Broken(vendor, fault), False))

        setattr(module, name, prove)
        probes.append(("proof." + name, "acted", name, "KVM_RUN", 4, True))

    def nocpuid(machine):
        raw = without_feature(machine)
        machine.kept["supported"] = (raw, {})
        try:
            return attempt(machine, kind, lambda guest: nested.play(guest, vendor, False))
        finally:
            del machine.kept["supported"]

    module.nocpuid = nocpuid
    probes.append(("proof.nocpuid", "acted", "nocpuid", "KVM_RUN", 4, True))
    with Run(probes, None, False, time.perf_counter() + 120, 120) as run:
        facts = run.facts()
    print(encode({name[6:]: [fact["status"], fact.get("value"), fact.get("error")] for name, fact in facts.items()}))


main()
