"""The outer guest of AMD's SVM and the control block (VMCB) of the inner one; AMD APM vol. 2, appendix B."""

import struct

from agent.guests.code import SVM, SVM_PAYLOAD
from agent.proof.micro import CODE, MAILBOX, PAYLOAD, PML4, RAM, STACK

VMCB, HSAVE, IOPM, MSRPM = 0x10000, 0x11000, 0x14000, 0x18000
NESTED = 0x20000  # three pages of nested tables
EXITS = {
    0x72: "CPUID",
    0x78: "HLT",
    0x7B: "IOIO",
    0x81: "VMMCALL",
    0x7F: "SHUTDOWN",
    0x400: "NPF",
    0xFFFFFFFFFFFFFFFF: "INVALID",
}


def load(guest, nested_paging):
    """Put code, inner guest and VMCB into guest memory."""
    guest.put(CODE, SVM)
    guest.put(PAYLOAD, SVM_PAYLOAD)
    guest.put64(MAILBOX + 0x08, VMCB, HSAVE)

    def control(layout, offset, *values):
        guest.put(VMCB + offset, struct.pack("<" + layout, *values))

    control("I", 0x0C, 1 << 18 | 1 << 24 | 1 << 27 | 1 << 28 | 1 << 31)  # intercept CPUID HLT IOIO MSR SHUTDOWN
    control("I", 0x10, 3)  # VMRUN (mandatory) and VMMCALL
    control("QQ", 0x40, IOPM, MSRPM)
    control("I", 0x58, 1)  # ASID; 0 is not allowed
    if nested_paging:
        tables(guest, 0x87)
        control("Q", 0x90, 1)
        control("Q", 0xB0, NESTED)
    guest.put(IOPM, b"\xff" * 0x3000)
    guest.put(MSRPM, b"\xff" * 0x2000)
    save = 0x400
    flat = (0x10, 0xC93, 0xFFFFFFFF)
    for n, (selector, attributes, limit) in enumerate(
        (
            flat,
            (0x08, 0xA9B, 0xFFFFFFFF),
            flat,
            flat,
            flat,
            flat,  # es cs ss ds fs gs
            (0, 0, 0),
            (0, 0x82, 0),
            (0, 0, 0),
            (0x18, 0x8B, 0x67),  # gdtr ldtr idtr tr
        )
    ):
        control("HHIQ", save + 16 * n, selector, attributes, limit, 0)
    control("Q", save + 0xD0, 0x1500)  # EFER: SVME (must be set) LMA LME
    cr3 = PML4 + (RAM if nested_paging else 0)
    # cr4 PAE, cr3, cr0 PG NE ET PE, dr7, dr6, rflags IF, rip
    control("7Q", save + 0x148, 0x20, cr3, 0x80000031, 0x400, 0xFFFF0FF0, 0x202, PAYLOAD)
    control("Q", save + 0x1D8, STACK - 0x800)  # rsp
    control("Q", save + 0x268, 0x0007040600070406)  # PAT


def tables(guest, leaf):
    """Write second-level tables that map 0..2 MiB and again 2..4 MiB to the RAM.

    The inner guest's CR3 lies in the upper image, beyond the end of RAM: a host that ignored these tables would fail.
    """
    guest.put64(NESTED, NESTED + 0x1000 | 7)
    guest.put64(NESTED + 0x1000, NESTED + 0x2000 | 7)
    guest.put64(NESTED + 0x2000, leaf, leaf)
