"""What the firmware decided about virtualization."""

import os
import struct

FEATURE_CONTROL = 0x3A  # Intel SDM vol. 4: bit 0 locked, bit 1 VMX inside SMX, bit 2 VMX outside SMX
VM_CR = 0xC0010114  # AMD APM vol. 2, 15.30.1: bit 3 lock, bit 4 SVM disabled


def read_msr(fd, number):
    """Return one model-specific register, None when this CPU does not have it (EIO)."""
    try:
        return struct.unpack("<Q", os.pread(fd, 8, number))[0]
    except OSError:
        return None


def msr(machine):  # noqa: ARG001
    """Return the two registers by which firmware switches VMX or SVM off (root, and the msr module)."""
    fd = os.open("/dev/cpu/0/msr", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return {"feature_control": read_msr(fd, FEATURE_CONTROL), "vm_cr": read_msr(fd, VM_CR)}
    finally:
        os.close(fd)
