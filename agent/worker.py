"""A child process that takes one probe after the other and sends each fact; see agent/collector.py."""

import errno
import os
import struct
import time

from agent.facts import NotOk

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)
DENIED = (errno.EACCES, errno.EPERM)


def milliseconds(since):
    """Return the milliseconds since a reading of the performance counter."""
    return round((time.perf_counter() - since) * 1000, 3)


def errno_text(error):
    """Return ``ENOENT: No such file or directory`` for an OSError."""
    return "%s: %s" % (errno.errorcode.get(error.errno, "E%s" % error.errno), error.strerror)


def fact(probe, machine):
    """Run one probe and return its fact; nothing that it raises gets out."""
    begin = time.perf_counter()
    value = error = None
    status = "ok"
    try:
        if machine.root is not None and probe[5]:
            from agent.record import recorded

            return recorded(machine, probe)
        value = getattr(__import__("agent." + probe[1], None, None, (probe[2],)), probe[2])(machine)
    except NotOk as e:
        status, error, value = e.status, e.error, e.value
    except OSError as e:
        status = "absent" if e.errno in ABSENT else "denied" if e.errno in DENIED else "error"
        error = errno_text(e)
    except Exception as e:
        status, error = "error", "%s: %s" % (type(e).__name__, e)
    result = {"status": status, "source": probe[3], "ms": milliseconds(begin)}
    if value is not None:
        result["value"] = value
    if error is not None:
        result["error"] = error[:400]
    return result


def start(todo, run):
    """Start a child on some probes; return its process id and where its facts come from. OSError without a process."""
    receive, send = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(receive)
        os.close(send)
        raise
    if not child:
        os.close(receive)
        work(todo, run, send)
    os.close(send)
    os.set_blocking(receive, False)
    return child, receive


def work(todo, run, send):
    """Be the child: send one fact after the other, then leave without a trace. Does not return."""
    import gc

    # signal would import enum; the C module below it is all that is needed
    from _signal import SIG_DFL, SIGALRM, alarm, signal  # type: ignore[import-not-found]
    from marshal import dumps

    def message(thing):
        data = dumps(thing, 2)
        os.write(send, struct.pack("<I", len(data)) + data)

    try:
        gc.disable()  # it lives for milliseconds
        signal(SIGALRM, SIG_DFL)
        alarm(int(max(run.deadline - time.perf_counter(), 0)) + 2)  # the end, should the parent die before it kills us
        from agent.machine import Machine

        machine = Machine(run.root, run.measure, message, run.record)
        if run.root is None and any(probe[1] == "cpuid" for probe in todo):
            from agent.cpuid import ahead

            ahead(machine)
        for probe in todo:
            message(fact(probe, machine))
        os.close(send)  # tells the parent sooner than the end of the process does
    finally:
        os._exit(0)
