"""What the kernel logged about virtualization."""

import errno
import os

WORDS = ("kvm", "vmx", "svm", "virtualiz", "hypervisor", "vmxon", "sev-", "sev:", "tdx", "vboxdrv", "vmmon")


def wanted(line):
    """Tell whether a line speaks of virtualization."""
    lower = line.lower()
    return "command line:" not in lower and any(word in lower for word in WORDS)


def record(raw):
    """Return the message of one /dev/kmsg record: ``prio,seq,usec,flags;message`` and continuation lines."""
    text = raw.decode("utf-8", "replace").split("\n", 1)[0]
    return text.partition(";")[2]


def messages(machine):
    """Return the lines of the kernel's ring buffer, read once; OSError when it may not be read (dmesg_restrict)."""
    return machine.once("klog", lambda: list(ring()))


def ring():
    """Yield the messages of /dev/kmsg."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for _ in range(20000):
            try:
                yield record(os.read(fd, 8192))
            except BlockingIOError:
                return
            except OSError as e:
                if e.errno != errno.EPIPE:  # EPIPE: overwritten meanwhile, the next read goes on
                    raise
    finally:
        os.close(fd)


def lines(machine):
    """Return at most 64 lines about virtualization, from the ring buffer or else the file that syslog left of it."""
    try:
        found = [line[:256] for line in messages(machine) if wanted(line)]
    except OSError as e:
        try:
            text = machine.text("/var/log/dmesg", 1 << 20)
        except OSError:
            raise e
        found = [line[:256] for line in text.split("\n") if wanted(line)]
    return found[:64]
