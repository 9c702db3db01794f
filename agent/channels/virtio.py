"""The virtio-serial channel: give a fresh report to whoever connects to the host end of the port.

Without a host the port polls as POLLHUP at once, for ever, so waiting for one means to look now and then; once the
host is there, poll(2) waits properly, for room as for its leaving (drivers/char/virtio_console.c).
"""

import os
import select
import sys
import time

from agent.frame import frame
from agent.settle import wait_for_kvm

PAUSE = 0.25  # seconds between looks at a port whose host end is closed
STALLED = 60.0  # seconds that a connected host may take without reading
AGAIN = 60.0  # seconds after which a host that is still, or again, connected gets another report


def serve(name, make_report, check):
    """Serve the port for ever. ``check`` is called while there is nothing to do, and ends it by raising."""
    started = time.monotonic()
    said = ""
    while True:
        try:
            fd = os.open(find(name), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as e:  # not there yet, gone, or taken by another process
            if str(e) != said:
                said = str(e)
                sys.stderr.write("nestproof-agent: waiting for port %s: %s\n" % (name, said))
            check()
            time.sleep(4 * PAUSE)
            continue
        said = ""
        try:
            while True:
                wait_for_host(fd, check)
                wait_for_kvm(started)
                if send(fd, frame(make_report())):
                    wait_for_leave(fd, AGAIN)
        except OSError:  # the port was unplugged
            check()
            time.sleep(PAUSE)
        finally:
            os.close(fd)


def find(name):
    """Return the device of a port; without udev there is no link by name, then sysfs is searched."""
    path = "/dev/virtio-ports/" + name
    if "/" in name or os.path.exists(path):
        return path
    base = "/sys/class/virtio-ports"
    try:
        for port in os.listdir(base):
            with open(base + "/" + port + "/name") as f:
                if f.read(256).strip() == name:
                    return "/dev/" + port
    except OSError:
        pass
    return path


def events(fd, mask, seconds):
    """Return what poll(2) says of the port; OSError when the port itself is gone."""
    poll = select.poll()
    poll.register(fd, mask)
    found = poll.poll(seconds * 1000)
    state = found[0][1] if found else 0
    if state & (select.POLLNVAL | select.POLLERR):
        raise OSError(19, "the port is gone")
    return state


def wait_for_host(fd, check):
    """Wait until the host end is open: only then is there room to write and no hang-up."""
    while True:
        check()
        state = events(fd, select.POLLOUT, PAUSE)
        if state & select.POLLOUT and not state & select.POLLHUP:
            return
        if state & select.POLLHUP:
            gone(fd)
            time.sleep(PAUSE)


def gone(fd):
    """Raise OSError when the port was unplugged: to poll(2) that looks like a host that is not there."""
    os.stat("/dev/" + os.path.basename(os.readlink("/proc/self/fd/%d" % fd)))


def send(fd, data):
    """Write all of it; False when the host left or stopped reading."""
    while data:
        state = events(fd, select.POLLOUT, STALLED)
        if state & select.POLLHUP or not state:
            return False
        try:
            data = data[os.write(fd, data[:16384]) :]
        except BlockingIOError:
            time.sleep(PAUSE)
    return True


def wait_for_leave(fd, seconds):
    """Wait until the host closes its end, or sends anything: that asks for another report.

    A host that leaves and comes back within a blink is not seen leaving; it gets its report after ``seconds``.
    """
    if events(fd, select.POLLIN, seconds) & select.POLLIN:
        try:
            os.read(fd, 4096)
        except BlockingIOError:
            pass
