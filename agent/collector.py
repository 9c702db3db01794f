"""Runs the probes in a child that cannot hang, crash or slow down the run, and makes the report.

The child (worker) takes one probe after the other and sends each fact through a pipe. When a probe overstays its
time or takes the child with it, the child is killed, the fact says so, and a new child goes on with the next probe.
A guest that never leaves KVM_RUN ends like any other hang.
"""

import errno
import os
import select
import struct
import sys
import time

from agent import VERSION
from agent.facts import PROBES, NotOk

LIMIT = 64 * 1024  # bytes of a report, docs/report.md
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)
DENIED = (errno.EACCES, errno.EPERM)


def collect(only, timeout, root, measure, vm, record=None):
    """Return the report; see :func:`agent.collect`. What is read is also written below ``record``."""
    from agent.machine import Machine
    from agent.subject import subject

    known = {probe[0]: probe for probe in PROBES}
    if only is None:
        only = [name for name in known if measure or name != "proof.cost"]
    wanted = [known[name] for name in only]
    started, begin = time.time(), time.perf_counter()
    facts = Run(wanted, root, measure, begin + timeout, timeout, record).facts()
    report = {
        "schema": "nestproof.report/1",
        "agent": {"version": VERSION, "python": "%d.%d.%d" % sys.version_info[:3]},
        "subject": subject(Machine(root, record=record), vm),
        "started": round(started, 3),
        "duration_ms": milliseconds(begin),
        "facts": {probe[0]: facts[probe[0]] for probe in wanted},
    }
    return fitted(report)


def fitted(report):
    """Return the report within its size limit: the largest facts lose their value, and say so."""
    from agent.encode import encode

    size = len(encode(report))
    while size > LIMIT:
        name = max(report["facts"], key=lambda each: len(encode(report["facts"][each])))
        fact = report["facts"][name]
        report["facts"][name] = {
            "status": "error",
            "source": fact["source"],
            "ms": fact["ms"],
            "error": "EMSGSIZE: the value has %d bytes, too many for one report" % len(encode(fact)),
        }
        size = len(encode(report))
    return report


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
        result["value"] = {
            "ok": False, "kind": kind or "plain", "stages": stages, "cause": cause, "detail": {}
        }
    return result


class Run:
    """One run over some probes, with a deadline on the performance counter."""

    def __init__(self, probes, root, measure, deadline, timeout, record=None):
        self.probes = probes
        self.root = root
        self.measure = measure
        self.deadline = deadline
        self.timeout = timeout
        self.record = record

    def facts(self):
        """Return {id: fact} for all probes."""
        done = {}
        todo = list(self.probes)
        while todo:
            if time.perf_counter() >= self.deadline:
                late = "ETIMEDOUT: not begun, the run's %g s were used up" % self.timeout
                for probe in todo:
                    done[probe[0]] = stopped(probe, "timeout", "timeout", late, "", time.perf_counter())
                break
            try:
                todo = self.work(todo, done)
            except OSError as e:  # no child to be had: what only reads is read here, what could hang is left
                from agent.machine import Machine

                machine = Machine(self.root, self.measure, record=self.record)
                for probe in todo:
                    done[probe[0]] = (
                        stopped(probe, "error", "setup", "no child process: " + errno_text(e), "", time.perf_counter())
                        if probe[5] else fact(probe, machine)
                    )
                break
        return done

    def work(self, todo, done):
        """Let one worker do what it can of ``todo``; return what is left, with every probe begun put into ``done``."""
        receive, send = os.pipe()
        try:
            child = os.fork()
        except OSError:
            os.close(receive)
            os.close(send)
            raise
        if not child:
            os.close(receive)
            worker(todo, self, send)
        os.close(send)
        try:
            return self.listen(child, receive, todo, done)
        finally:
            os.close(receive)
            end(child)

    def listen(self, child, receive, todo, done):
        """Take facts from the worker until it is done, dies, or overstays."""
        poll = select.poll()
        poll.register(receive, select.POLLIN)
        inbox, stages, n = b"", "", 0
        since = time.perf_counter()
        while n < len(todo):
            probe = todo[n]
            until = min(since + probe[4], self.deadline)
            left = until - time.perf_counter()
            if left <= 0 or not poll.poll(left * 1000 + 1):
                if time.perf_counter() < until:
                    continue
                error = "ETIMEDOUT: stopped after %.3g s" % (time.perf_counter() - since)
                done[probe[0]] = stopped(probe, "timeout", "timeout", error, stages, since)
                return todo[n + 1:]
            data = os.read(receive, 65536)
            if not data:
                error = "the probe %s" % fate(child)
                done[probe[0]] = stopped(probe, "error", "killed", error, stages, since)
                return todo[n + 1:]
            inbox += data
            messages, inbox = split(inbox)
            for message in messages:
                if isinstance(message, str):
                    stages = message
                else:
                    done[todo[n][0]] = message
                    n, stages, since = n + 1, "", time.perf_counter()
        return []


def split(inbox):
    """Return the whole messages (length, marshalled object) in a buffer, and the rest of it."""
    from marshal import loads

    out = []
    while len(inbox) >= 4:
        size = struct.unpack_from("<I", inbox)[0]
        if len(inbox) < 4 + size:
            break
        out.append(loads(inbox[4:4 + size]))  # noqa: S302 - from our own fork
        inbox = inbox[4 + size:]
    return out, inbox


def worker(todo, run, send):
    """Be the child: send one fact after the other, then leave without a trace. Does not return."""
    # signal would import enum; the C module below it is all that is needed
    from _signal import SIG_DFL, SIGALRM, alarm, signal  # type: ignore[import-not-found]
    from marshal import dumps

    def message(thing):
        data = dumps(thing, 2)
        os.write(send, struct.pack("<I", len(data)) + data)

    try:
        signal(SIGALRM, SIG_DFL)
        alarm(int(max(run.deadline - time.perf_counter(), 0)) + 2)  # the end, should the parent die before it kills us
        from agent.machine import Machine

        machine = Machine(run.root, run.measure, message, run.record)
        for probe in todo:
            message(fact(probe, machine))
    finally:
        os._exit(0)


def end(child):
    """Kill the worker and reap it; one that is stuck inside the kernel is left behind."""
    try:
        os.kill(child, 9)
    except OSError:
        pass
    for pause in (0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8):
        time.sleep(pause)
        try:
            if os.waitpid(child, os.WNOHANG)[0]:
                return
        except OSError:
            return


def fate(child):
    """Say how a worker ended that closed its pipe too early."""
    for pause in (0.001, 0.01, 0.05):
        try:
            pid, status = os.waitpid(child, os.WNOHANG)
        except OSError:
            break
        if pid:
            if os.WIFSIGNALED(status):
                return "was killed by signal %d" % os.WTERMSIG(status)
            return "ended its process with status %d" % os.WEXITSTATUS(status)
        time.sleep(pause)
    return "ended its process"
