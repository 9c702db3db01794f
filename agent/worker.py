"""A child process that takes one probe after the other and sends each fact, or is killed; see agent/collector.py."""

import errno
import os
import struct
import time

from agent.facts import NotOk

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)
DENIED = (errno.EACCES, errno.EPERM)

SHARE = 0.3  # of a whole run's time, that one probe may take when this is more than its own limit


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


def stopped(probe, status, cause, error, stages, since):
    """Return the fact of a probe whose worker was killed or died; a proof keeps the stages that it had reached."""
    result = {"status": status, "source": probe[3], "ms": milliseconds(since), "error": error}
    if probe[0].startswith("proof.") and probe[0] not in ("proof.pace", "proof.cost"):
        kind, _, stages = stages.rpartition(":")
        result["value"] = {"ok": False, "kind": kind or "plain", "stages": stages, "cause": cause, "detail": {}}
    return result


class Worker:
    """A child process that takes one probe after the other, as its parent sees it."""

    def __init__(self, todo, run):
        self.todo = list(todo)
        self.run = run
        self.inbox = b""
        self.stages = ""
        self.since = time.perf_counter()
        self.receive, send = os.pipe()
        try:
            self.child = os.fork()
        except OSError:
            os.close(self.receive)
            os.close(send)
            raise
        if not self.child:
            os.close(self.receive)
            work(todo, run, send)
        os.close(send)

    def until(self):
        """Return when the probe that is at work has to be done; who gives the run more time gives it to each probe."""
        return min(self.since + max(self.todo[0][4], SHARE * self.run.timeout), self.run.deadline)

    def take(self, done):
        """Take what was sent; False when the child has ended before its work was done."""
        data = os.read(self.receive, 65536)
        if not data:
            self.give_up("error", "killed", "the probe " + self.fate(), done)
            return False
        messages, self.inbox = split(self.inbox + data)
        for message in messages:
            if isinstance(message, str):
                self.stages = message
            elif self.todo:
                done[self.todo.pop(0)[0]] = message
                self.stages, self.since = "", time.perf_counter()
        return True

    def give_up(self, status, cause, error, done):
        """Write the fact of the probe at work, which will not come any more."""
        probe = self.todo.pop(0)
        done[probe[0]] = stopped(probe, status, cause, error, self.stages, self.since)

    def end(self):
        """Kill the child and reap it; one that is stuck inside the kernel is left behind."""
        os.close(self.receive)
        if self.child:
            try:
                os.kill(self.child, 9)
            except OSError:
                pass
            self.reap()

    def reap(self):
        """Wait some time for the child's end; return its status, None when it does not come."""
        for pause in (0, 0.0002, 0.0002, 0.0005, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8):
            time.sleep(pause)
            try:
                pid, status = os.waitpid(self.child, os.WNOHANG)
            except OSError:  # somebody else in this process has reaped it
                pid, status = self.child, None
            if pid:
                self.child = 0  # the number may be another process by now
                return status
        return None

    def fate(self):
        """Say how a worker ended that closed its pipe too early."""
        status = self.reap()
        if status is None:
            return "ended its process"
        if os.WIFSIGNALED(status):
            return "was killed by signal %d" % os.WTERMSIG(status)
        return "ended its process with status %d" % os.WEXITSTATUS(status)


def split(inbox):
    """Return the whole messages (length, marshalled object) in a buffer, and the rest of it."""
    from marshal import loads

    out = []
    while len(inbox) >= 4:
        size = struct.unpack_from("<I", inbox)[0]
        if len(inbox) < 4 + size:
            break
        out.append(loads(inbox[4 : 4 + size]))  # noqa: S302 - from our own fork
        inbox = inbox[4 + size :]
    return out, inbox


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
    finally:
        os._exit(0)
