"""A virtual machine of one vCPU and 2 MiB, started straight in 64-bit mode: the stage on which proofs play.

It has no interrupt controller, so HLT comes back to us, and an empty interrupt table, so that any fault is a triple
fault and ends as KVM_EXIT_SHUTDOWN. The layout is the one that the sources in agent/guests/ are written for.
"""

import errno
import fcntl
import mmap
import os
import struct

from agent.kvm import ioctls as kvm_h
from agent.memory import address, memfd

RAM = 0x200000
PML4, PDPT, PD = 0x1000, 0x2000, 0x3000
STACK = MAILBOX = 0x7000  # the stack grows down from the mailbox
CODE, PAYLOAD = 0x8000, 0x9000
EXITS = {5: "halt", 6: "mmio", 8: "shutdown", 9: "fail-entry", 10: "interrupted", 17: "internal-error"}


class Failed(Exception):
    """A proof that was executed and did not succeed: one stable word, and what was measured."""

    def __init__(self, cause, detail):
        Exception.__init__(self, cause)
        self.cause = cause
        self.detail = detail


class Refused(Exception):
    """A step that the kernel refused before anything ran: which, and the OSError."""

    def __init__(self, step, error):
        Exception.__init__(self, step)
        self.step = step
        self.error = error


class Micro:
    """One micro-guest. ``stages`` are the letters it wrote to port 0xE9; ``note`` is told of each."""

    def __init__(self, kvm, cpuid, note):
        self.stages = ""
        self.note = note
        self.files = []
        self.maps = []
        try:
            self.build(kvm, cpuid)
        except BaseException:
            self.close()
            raise

    def build(self, kvm, cpuid):
        """Create VM, memory and vCPU; Refused names the step that failed."""
        self.vm = self.keep(self.ioctl(kvm, "KVM_CREATE_VM", kvm_h.CREATE_VM, 0))
        try:  # only Intel without unrestricted guest wants these; the others may refuse
            fcntl.ioctl(self.vm, kvm_h.SET_IDENTITY_MAP_ADDR, struct.pack("<Q", 0x7FFBC000))
            fcntl.ioctl(self.vm, kvm_h.SET_TSS_ADDR, 0x7FFBD000)
        except OSError:
            pass
        try:
            ram = self.keep(memfd("nestproof"))
            os.ftruncate(ram, RAM)
            self.memory = mmap.mmap(ram, RAM)
            self.maps.append(self.memory)
            region = struct.pack("<IIQQQ", 0, 0, 0, RAM, address(self.memory, ram))
        except OSError as e:
            raise Refused("guest memory", e)
        self.ioctl(self.vm, "KVM_SET_USER_MEMORY_REGION", kvm_h.SET_USER_MEMORY_REGION, region)
        self.vcpu = self.keep(self.ioctl(self.vm, "KVM_CREATE_VCPU", kvm_h.CREATE_VCPU, 0))
        try:
            self.run_area = mmap.mmap(self.vcpu, fcntl.ioctl(kvm, kvm_h.GET_VCPU_MMAP_SIZE, 0))
        except OSError as e:
            raise Refused("mmap of the vCPU", e)
        self.maps.append(self.run_area)
        self.ioctl(self.vcpu, "KVM_SET_CPUID2", kvm_h.SET_CPUID2, bytearray(cpuid))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Give back memory and descriptors; with the last of them the VM is gone."""
        for area in self.maps:
            try:
                area.close()
            except BufferError:  # its address was asked by ctypes
                pass
        for fd in reversed(self.files):
            os.close(fd)
        self.maps, self.files = [], []

    def keep(self, fd):
        """Remember a descriptor for :meth:`close`."""
        self.files.append(fd)
        return fd

    def ioctl(self, fd, step, request, argument):
        """Do an ioctl; Refused with the name of the step when the kernel says no."""
        try:
            return fcntl.ioctl(fd, request, argument)
        except OSError as e:
            raise Refused(step, e)

    def put(self, where, data):
        """Write bytes into guest memory."""
        self.memory[where : where + len(data)] = data

    def put64(self, where, *values):
        """Write 64-bit words into guest memory."""
        self.put(where, struct.pack("<%dQ" % len(values), *values))

    def get64(self, where):
        """Read a 64-bit word of guest memory."""
        return struct.unpack_from("<Q", self.memory, where)[0]

    def enter_long_mode(self):
        """Set tables and registers so that the vCPU starts at CODE in 64-bit mode, ring 0, memory mapped one to one."""
        self.put64(PML4, PDPT | 7)
        self.put64(PDPT, PD | 7)
        self.put64(PD, 0x87)  # 2 MiB, present, writable, user (a walk by nested paging counts as user)
        special = bytearray(0x138)
        self.ioctl(self.vcpu, "KVM_GET_SREGS", kvm_h.GET_SREGS, special)
        #                          base limit   selector type present dpl db s l g avl unusable pad
        code = struct.pack("<QIH10B", 0, 0xFFFFFFFF, 0x08, 11, 1, 0, 0, 1, 1, 1, 0, 0, 0)
        data = struct.pack("<QIH10B", 0, 0xFFFFFFFF, 0x10, 3, 1, 0, 1, 1, 0, 1, 0, 0, 0)
        task = struct.pack("<QIH10B", 0, 0x67, 0x18, 11, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        none = struct.pack("<QIH10B", 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1, 0)
        special[:192] = code + data * 5 + task + none  # cs ds es fs gs ss tr ldt
        special[192:224] = bytes(32)  # gdt and idt: empty
        struct.pack_into("<5Q", special, 224, 0x80000031, 0, PML4, 0x20, 0)  # cr0 PG NE ET PE, cr2, cr3, cr4 PAE, cr8
        struct.pack_into("<Q", special, 264, 0x500)  # EFER: LMA LME
        self.ioctl(self.vcpu, "KVM_SET_SREGS", kvm_h.SET_SREGS, bytes(special))
        registers = [0] * 18
        registers[5], registers[6], registers[16] = MAILBOX, STACK, CODE  # rdi rsp rip
        registers[17] = 0x202  # rflags with IF: Bochs 2.7 cannot stop a guest that has it clear
        self.ioctl(self.vcpu, "KVM_SET_REGS", kvm_h.SET_REGS, struct.pack("<18Q", *registers))

    def run(self, clock=None):
        """Run until the guest halts. Failed for any other end; a guest that hangs is for the watchdog to kill.

        With ``clock`` return its reading before the start and at every exit.
        """
        times = [clock()] if clock else []
        area = self.run_area
        while True:
            try:
                fcntl.ioctl(self.vcpu, kvm_h.RUN, 0)
            except OSError as e:
                if e.errno == errno.EINTR:
                    continue
                raise Failed("run-refused", {"errno": errno.errorcode.get(e.errno or 0, str(e.errno))})
            reason = struct.unpack_from("<I", area, 8)[0]
            if clock:
                times.append(clock())
            if reason == 2:  # port I/O: direction, size, port, count, offset of the data
                if not clock:
                    letter = area[struct.unpack_from("<Q", area, 40)[0]]
                    self.stages += chr(letter) if 65 <= letter <= 90 and len(self.stages) < 64 else ""
                    self.note(self.stages)
                continue
            if reason == 5:
                return times
            raise Failed(EXITS.get(reason, "exit-%d" % reason), self.why(reason))

    def why(self, reason):
        """Return what KVM tells about an exit that should not have been."""
        area = self.run_area
        detail = {"rip": None}
        if reason == 9:
            detail["hardware_entry_failure_reason"] = struct.unpack_from("<Q", area, 32)[0]
        if reason == 17:
            detail["suberror"] = struct.unpack_from("<I", area, 32)[0]
        registers = bytearray(0x90)
        try:
            fcntl.ioctl(self.vcpu, kvm_h.GET_REGS, registers)
            detail["rip"] = struct.unpack_from("<Q", registers, 128)[0]
        except OSError:
            pass
        return detail
