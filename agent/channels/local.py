"""The channels that end on the machine itself: a file, and a frame on a (serial) console."""

import os
import stat

REPORT = "/run/nestproof/report.json"  # read there by the host through the QEMU guest agent


def write_file(path, report):
    """Write the report so that a reader sees the old one or the new one, never a part; OSError as the system gives."""
    from agent.encode import encode

    directory = os.path.dirname(os.path.abspath(path))
    os.makedirs(directory, exist_ok=True)
    temporary = "%s/.%s.%d" % (directory, os.path.basename(path), os.getpid())
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            os.write(fd, encode(report).encode("ascii") + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def write_console(path, report):
    """Write a frame to a terminal device, on lines of its own; OSError when it takes none within its time."""
    import select

    from agent.frame import frame

    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISCHR(os.fstat(fd).st_mode):
            raise OSError(25, "Not a terminal device", path)
        data = b"\n" + frame(report)
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while data:
            if not poll.poll(10000):
                raise OSError(110, "the console takes nothing", path)
            data = data[os.write(fd, data[:512]) :]
    finally:
        os.close(fd)
