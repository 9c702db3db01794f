"""Programs that the kernel keeps from something: filters of Berkeley packets, as container runtimes use them.

Numbers are those of linux/filter.h and linux/seccomp.h, on x86-64.
"""


def filtering(instructions: str) -> str:
    """A script that sets the filter `code`, which `instructions` make of argv[1] and argv[2], and becomes argv[3:]."""
    return f"""
import ctypes, os, struct, sys
{instructions}
program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *each) for each in code))
head = ctypes.create_string_buffer(struct.pack("<H6xQ", len(code), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, head, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[3], sys.argv[3:])
"""
