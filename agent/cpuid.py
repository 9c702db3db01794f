"""The CPUID instruction, executed: what the CPU says, before the kernel has hidden anything.

Python cannot execute an instruction, so a program of 300 bytes does: it needs no ctypes, no writable code, no
privilege and no kernel module. Where it cannot be started, /dev/cpu/0/cpuid is read.
"""

import os
import struct

from agent.facts import NotOk
from agent.guests.code import CPUID

BASES = [0x40000000 + 0x100 * n for n in range(16)]  # where hypervisors stack their signatures
LEAVES = [0, 1, 7, 0x80000000, 0x80000001, 0x8000000A, 0x8000001F, 0x21] + BASES


def program(leaves, cpus=0):
    """Return a Linux x86-64 ELF file that executes CPUID for these leaves; see agent/guests/cpuid.S."""
    table = struct.pack("<II", len(leaves), cpus) + b"".join(struct.pack("<II", leaf, 0) for leaf in leaves)
    base, head = 0x400000, 64 + 2 * 56
    size = head + len(CPUID) + len(table)
    return (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + head, 64, 0, 0, 64, 56, 2, 0, 0, 0)
        + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096)  # PT_LOAD, read and execute
        + struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK, not executable
        + CPUID
        + table
    )


def start(leaves, cpus=0):
    """Start :func:`program`; return its process and where its answers come from. OSError when there is no process.

    All that a seccomp filter may punish is done in the child.
    """
    from agent.memory import memfd

    code = program(leaves, cpus)
    receive, send = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(receive)
        os.close(send)
        raise
    if not child:
        try:
            fd = memfd("cpuid")
            os.write(fd, code)
            os.dup2(send, 1)
            os.execve(fd, ["cpuid"], {})  # noqa: S606
        except OSError as e:
            os._exit(e.errno or 127)
        finally:
            os._exit(127)
    os.close(send)
    return child, receive


def finish(leaves, child, receive):
    """Return {cpu: {leaf: (eax, ebx, ecx, edx)}} of a program that was started; OSError when the system forbade it."""
    try:
        parts = [os.read(receive, 65536)]
        while parts[-1]:
            parts.append(os.read(receive, 65536))
    finally:
        os.close(receive)
    status = 0
    try:
        status = os.waitpid(child, 0)[1]
    except ChildProcessError:  # our parent ignores SIGCHLD, and so the kernel has reaped it
        pass
    if status >> 8:
        raise OSError(status >> 8, os.strerror(status >> 8) + ", by the CPUID program")
    answer, size, found = b"".join(parts), 16 + 16 * len(leaves), {}
    if not answer or len(answer) % size:
        raise OSError(8, "the CPUID program gave %d bytes" % len(answer))
    for begin in range(0, len(answer), size):
        found[struct.unpack_from("<I", answer, begin)[0]] = {
            leaf: struct.unpack_from("<4I", answer, begin + 16 + 16 * n) for n, leaf in enumerate(leaves)
        }
    return found


def execute(leaves, cpus=0):
    """Return what :func:`finish` does, of a program for as many CPUs.

    With ``cpus`` 0 the only key is 0, for whatever CPU it ran on.
    """
    return finish(leaves, *start(leaves, cpus))


def ahead(machine):
    """Start asking all CPUs, for an answer that is wanted later: a CPU that is busy lets the program wait."""
    if os.uname().machine in ("x86_64", "amd64"):
        try:
            machine.once("cpuid program", lambda: start(LEAVES, cpus()))
        except OSError:
            pass  # the probe itself will meet it again, and say so


def cpus():
    """Return how many CPUs there are up to the last that we may use, at most 512."""
    return min(max(os.sched_getaffinity(0)) + 1, 512)


def from_device(leaves):
    """Return the same from /dev/cpu/0/cpuid (root, module cpuid)."""
    fd = os.open("/dev/cpu/0/cpuid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return {leaf: struct.unpack("<4I", os.pread(fd, 16, leaf)) for leaf in leaves}
    finally:
        os.close(fd)


def everywhere(machine):
    """Return {cpu: {leaf: registers}} of all CPUs that we may use, at most 512; asked once."""
    if os.uname().machine not in ("x86_64", "amd64"):
        raise NotOk("unsupported", "CPUID is an x86 instruction")

    def get():
        try:
            try:
                return finish(LEAVES, *(machine.kept.pop("cpuid program", None) or start(LEAVES, cpus())))
            except OSError:  # not even one CPU may be chosen
                return execute(LEAVES)
        except OSError as e:
            try:
                return {0: from_device(LEAVES)}
            except OSError:
                raise e

    return machine.once("cpuid", get)


def leaves(machine):
    """Return the leaves of the first CPU."""
    asked = everywhere(machine)
    return asked[min(asked)]


def name(registers):
    """Return the twelve letters that a leaf spells in ebx, edx, ecx."""
    return struct.pack("<III", registers[1], registers[3], registers[2]).decode("latin-1")


def features(machine):
    """Return whether the CPU itself shows VMX, SVM and a hypervisor, and what bears on guests of a confidential VM."""
    leaf = leaves(machine)
    top, extended = leaf[0][0], leaf[0x80000000][0]
    return {
        "vendor": name(leaf[0]),
        "vmx": bool(leaf[1][2] >> 5 & 1),
        "svm": extended >= 0x80000001 and bool(leaf[0x80000001][2] >> 2 & 1),
        "hypervisor": bool(leaf[1][2] >> 31),
        "svm_features": leaf[0x8000000A][3] if extended >= 0x8000000A else 0,
        "sev_features": leaf[0x8000001F][0] if extended >= 0x8000001F else 0,
        "tdx_guest": top >= 0x21 and name(leaf[0x21]) == "IntelTDX    ",
    }


def signatures(machine):
    """Return every hypervisor signature: emulating another one, a hypervisor shows several, 0x100 leaves apart."""
    leaf = leaves(machine)
    if not leaf[1][2] >> 31:
        raise NotOk("absent", "CPUID shows no hypervisor")  # these leaves then repeat another's content
    found = []
    for base in BASES:
        raw = struct.pack("<III", *leaf[base][1:])
        text = raw.rstrip(b"\0").decode("latin-1")
        if base <= leaf[base][0] < base + 0x100 and text and all(" " <= c <= "~" for c in text):
            found.append({"leaf": base, "signature": text})
    return found


def per_cpu(machine):
    """Return how many CPUs were asked, and which of them show VMX or SVM otherwise than the first."""
    asked = everywhere(machine)

    def shown(leaf):
        svm = bool(leaf[0x80000001][2] >> 2 & 1)  # without it 0x8000000A may hold anything, the APIC id for one
        return {"vmx": bool(leaf[1][2] >> 5 & 1), "svm": svm, "svm_features": leaf[0x8000000A][3] if svm else 0}

    first = shown(asked[min(asked)])
    different = [dict(shown(asked[cpu]), cpu=cpu) for cpu in sorted(asked) if shown(asked[cpu]) != first]
    return {"asked": len(asked), "different": different[:64]}
