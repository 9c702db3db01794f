"""The ioctls of /dev/kvm that the agent uses, as in linux/kvm.h; struct sizes are those of x86."""

import errno
import fcntl
import os
import struct

GET_API_VERSION, CREATE_VM, CHECK_EXTENSION, GET_VCPU_MMAP_SIZE = 0xAE00, 0xAE01, 0xAE03, 0xAE04
GET_SUPPORTED_CPUID = 0xC008AE05
CREATE_VCPU, SET_TSS_ADDR, SET_IDENTITY_MAP_ADDR, SET_USER_MEMORY_REGION = 0xAE41, 0xAE47, 0x4008AE48, 0x4020AE46
RUN, GET_REGS, SET_REGS, GET_SREGS, SET_SREGS = 0xAE80, 0x8090AE81, 0x4090AE82, 0x8138AE83, 0x4138AE84
GET_MSRS, SET_MSRS, SET_CPUID2 = 0xC008AE88, 0x4008AE89, 0x4008AE90

# _IO() of these carries a direction bit that x86, arm, s390 and riscv do not have
OTHER_NONE = 0x20000000 if os.uname().machine.startswith(("ppc", "mips", "sparc", "alpha")) else 0


def opened(machine):
    """Return the file descriptor of /dev/kvm, opened once; OSError as open(2) gives it."""
    return machine.once("kvm", lambda: os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))


def plain(fd, request, argument=0):
    """Do an ioctl without a struct, whatever the architecture; its result."""
    return fcntl.ioctl(fd, OTHER_NONE | request, argument)


def supported_cpuid(kvm):
    """Return what KVM offers as CPUID to a guest: the raw struct kvm_cpuid2, and {(leaf, index): (a, b, c, d)}."""
    count = 128
    while True:
        raw = bytearray(8 + 40 * count)
        struct.pack_into("<I", raw, 0, count)
        try:
            fcntl.ioctl(kvm, GET_SUPPORTED_CPUID, raw)
        except OSError as e:
            if e.errno != errno.E2BIG or count > 4096:
                raise
            count *= 2
            continue
        count = min(struct.unpack_from("<I", raw)[0], count)
        entries = {}
        for n in range(count):
            leaf, index, _, a, b, c, d = struct.unpack_from("<7I", raw, 8 + 40 * n)
            entries[leaf, index] = (a, b, c, d)
        return raw[: 8 + 40 * count], entries


def get_msr(fd, number):
    """Return an MSR of a vCPU, or of /dev/kvm itself (feature MSRs); None where KVM does not have it."""
    raw = bytearray(24)
    struct.pack_into("<III", raw, 0, 1, 0, number)
    try:
        return struct.unpack_from("<Q", raw, 16)[0] if int(fcntl.ioctl(fd, GET_MSRS, raw)) == 1 else None
    except OSError:
        return None


def set_msr(fd, number, value):
    """Set an MSR of a vCPU; whether KVM took it."""
    return int(fcntl.ioctl(fd, SET_MSRS, bytearray(struct.pack("<IIIIQ", 1, 0, number, 0, value)))) == 1
