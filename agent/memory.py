"""Anonymous memory files and the address of their mapping, without ctypes where the standard library allows it."""

import os


def memfd(name):
    """Return a new memory file (memfd_create(2)); Python has it since 3.8, before that the C library is asked."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "memfd_create"):
        raise OSError(38, "the C library has no memfd_create")
    fd = libc.memfd_create(name.encode(), 1)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def address(memory, fd):
    """Return where the mmap object ``memory`` of the file ``fd`` lies: its line in /proc/self/maps names the inode."""
    status = os.fstat(fd)
    key = ["%02x:%02x" % (os.major(status.st_dev), os.minor(status.st_dev)), str(status.st_ino)]
    try:
        with open("/proc/self/maps") as lines:
            for line in lines:
                word = line.split()
                if word[3:5] == key:
                    return int(word[0].split("-")[0], 16)
    except OSError:
        pass
    try:
        import ctypes
    except ImportError:
        raise OSError(38, "neither /proc/self/maps nor ctypes tells where memory lies")
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
