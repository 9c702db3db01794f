"""The outer guest of Intel's VMX and the VMWRITEs that make its VMCS; Intel SDM vol. 3, appendices A and B."""

import struct

from agent.guests.code import VMX, VMX_PAYLOAD
from agent.kvm.ioctls import get_msr, set_msr
from agent.proof.micro import CODE, MAILBOX, PAYLOAD, PML4, RAM, STACK, Failed
from agent.proof.svm import NESTED, tables

TABLE, VMCS, VMXON = 0xA000, 0x10000, 0x11000
EXITS = {
    0: "EXCEPTION",
    2: "SHUTDOWN",
    10: "CPUID",
    12: "HLT",
    18: "VMCALL",
    30: "IO",
    48: "EPT_VIOLATION",
    0x80000021: "INVALID",
}
ZERO = (  # fields that stay 0: masks, bitmaps, MSR counts, bases, SYSENTER, activity, interruptibility
    0x4004,
    0x4006,
    0x4008,
    0x400A,
    0x400E,
    0x4010,
    0x4014,
    0x4016,
    0x6000,
    0x6002,
    0x2802,
    0x4824,
    0x4826,
    0x482A,
    0x4C00,
    0x6822,
    0x6824,
    0x6826,
    0x6C06,
    0x6C08,
    0x6C0A,
    0x6C0C,
    0x6C0E,
    0x6C10,
    0x6C12,
    0x6816,
    0x6818,
    0x4810,
    0x4812,
)


def load(guest, nested_paging):
    """Put code, inner guest and the table of VMCS fields into guest memory; Failed when the vCPU has no VMX."""
    set_msr(guest.vcpu, 0x3A, 5)  # IA32_FEATURE_CONTROL locked with VMX on, as firmware leaves it
    msr = {number: get_msr(guest.vcpu, number) for number in range(0x480, 0x492)}
    if not msr[0x480]:
        raise Failed("no-vmx-msrs", {})
    guest.put(CODE, VMX)
    guest.put(PAYLOAD, VMX_PAYLOAD)
    if nested_paging:
        tables(guest, 0xB7)  # readable, writable, executable, write-back, 2 MiB
    written = fields(msr, nested_paging)
    for n, (field, value) in enumerate(written):
        guest.put64(TABLE + 16 * n, field, value & 0xFFFFFFFFFFFFFFFF)
    revision = struct.pack("<I", msr[0x480] & 0x7FFFFFFF)
    guest.put(VMCS, revision)
    guest.put(VMXON, revision)
    guest.put64(MAILBOX + 0x08, VMCS, VMXON, TABLE, len(written))


def control(msr, number, want):
    """Return a control word: what is wanted, plus what this CPU insists on (low half), within what it allows (high)."""
    true = 0xC if msr[0x480] >> 55 & 1 and number <= 0x484 else 0  # the "true" MSRs 0x48D.. know what is optional
    bounds = msr[number + true]
    if bounds is None:
        raise Failed("no-vmx-msrs", {"msr": number + true})
    value = (want | bounds) & (bounds >> 32) & 0xFFFFFFFF
    if want & ~value:
        raise Failed("vmx-control", {"msr": number + true, "missing": want & ~value})
    return value


def fields(msr, nested_paging):
    """Return the (field, value) pairs for this vCPU's VMX capabilities; HOST_RIP and HOST_RSP are the guest's own."""
    primary = 1 << 7 | 1 << 24 | (1 << 31 if nested_paging else 0)  # HLT, unconditional I/O, secondary controls
    out = [
        (0x4000, control(msr, 0x481, 0)),
        (0x4002, control(msr, 0x482, primary)),
        (0x400C, control(msr, 0x483, 1 << 9)),  # exit to a 64-bit host
        (0x4012, control(msr, 0x484, 1 << 9)),  # enter a 64-bit guest
        (0x2800, -1),  # link pointer
    ]
    if nested_paging:
        out += [(0x401E, control(msr, 0x48B, 2)), (0x201A, NESTED | 3 << 3 | 6)]  # EPT; four levels, write-back
    out += [(field, 0) for field in ZERO]
    cr0 = (0x80000031 | msr[0x486]) & msr[0x487]
    cr4 = (0x2020 | msr[0x488]) & msr[0x489]
    for base, cr3 in ((0x6800, PML4 + (RAM if nested_paging else 0)), (0x6C00, PML4)):  # guest and host
        out += [(base, cr0), (base + 2, cr3), (base + 4, cr4)]
    out += [(0x6004, cr0), (0x6006, cr4)]  # read shadows
    flat = (0x10, 0xC093, 0xFFFFFFFF)
    segments = (flat, (0x08, 0xA09B, 0xFFFFFFFF), flat, flat, flat, flat, (0, 0x10000, 0), (0x18, 0x8B, 0x67))
    for n, (selector, rights, limit) in enumerate(segments):  # es cs ss ds fs gs ldtr tr
        out += [(0x800 + 2 * n, selector), (0x4800 + 2 * n, limit), (0x4814 + 2 * n, rights), (0x6806 + 2 * n, 0)]
    out += [(0xC00 + 2 * n, selector) for n, selector in enumerate((0x10, 0x08, 0x10, 0x10, 0x10, 0x10, 0x18))]
    out += [(0x681A, 0x400), (0x681C, STACK - 0x800), (0x681E, PAYLOAD), (0x6820, 0x202)]  # dr7 rsp rip rflags
    return out
