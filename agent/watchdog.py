"""The parent's side of the workers: takes their facts, kills the one that overstays, and says what became of it.

Imported when the workers have been started, as a run's time counts. See agent/collector.py.
"""

import os
import select
import struct
import time

from agent.machine import Machine
from agent.worker import errno_text, fact, milliseconds

SHARE = 0.3  # of a whole run's time, that one probe may take when this is more than its own limit
LOOK = 0.05  # seconds; how often the facts of a worker that has not ended are taken


def stopped(probe, status, cause, error, stages, since):
    """Return the fact of a probe whose worker was killed or died; a proof keeps the stages that it had reached."""
    result = {"status": status, "source": probe[3], "ms": milliseconds(since), "error": error}
    if probe[0].startswith("proof.") and probe[0] not in ("proof.pace", "proof.cost"):
        kind, _, stages = stages.rpartition(":")
        result["value"] = {"ok": False, "kind": kind or "plain", "stages": stages, "cause": cause, "detail": {}}
    return result


class Worker:
    """A child process that takes one probe after the other, as its parent sees it."""

    def __init__(self, todo, run, since, child, receive):
        self.todo = list(todo)
        self.run = run
        self.since = since
        self.child = child
        self.receive = receive
        self.inbox = b""
        self.stages = ""

    def until(self):
        """Return when the probe that is at work has to be done; who gives the run more time gives it to each probe."""
        return min(self.since + max(self.todo[0][4], SHARE * self.run.timeout), self.run.deadline)

    def take(self, done):
        """Take what was sent; False when the child has ended before its work was done."""
        try:
            data = os.read(self.receive, 65536)
        except BlockingIOError:
            return True
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
        if self.receive is not None:
            os.close(self.receive)
            self.receive = None
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


def attend(run, begun):
    """Take in hand what was begun: lanes of probes, each with when, process and pipe, or the error that forbade it."""
    for todo, since, started in begun:
        if isinstance(started, OSError):
            alone(run, todo, errno_text(started) + ": not begun, for want of a process")
        else:
            run.workers.append(Worker(todo, run, since, *started))


def alone(run, todo, why):
    """Do without a child what only reads, and leave what could hang."""
    machine = Machine(run.root, run.measure, record=run.record)
    for probe in todo:
        run.done[probe[0]] = not_begun(probe, "error", why) if probe[5] else fact(probe, machine)


def not_begun(probe, status, why):
    """Return the fact of a probe that nobody could or had time to begin."""
    return stopped(probe, status, "not-begun", why, "", time.perf_counter())


def listen(run):
    """Take what the workers send until one ends or overstays; return what the ended ones have left to do.

    A worker's end is waited for, not each of its facts: they keep in the pipe, and to be woken for every one would
    take the workers' CPUs from them.
    """
    poll = select.poll()
    for each in run.workers:
        poll.register(each.receive, 0)
    left = min(each.until() for each in run.workers) - time.perf_counter()
    poll.poll(min(max(left, 0), LOOK) * 1000 + 1)
    lanes = []
    for each in list(run.workers):
        alive = each.take(run.done)
        if alive and each.todo and time.perf_counter() >= each.until():
            error = "ETIMEDOUT: stopped after %.3g s" % (time.perf_counter() - each.since)
            each.give_up("timeout", "timeout", error, run.done)
            alive = False
        if not alive or not each.todo:
            run.workers.remove(each)
            run.ended.append(each)
            if each.todo:
                each.end()
                lanes.append(each.todo)
    if time.perf_counter() >= run.deadline:
        late = "ETIMEDOUT: not begun, the run's %g s were used up" % run.timeout
        run.done.update((probe[0], not_begun(probe, "timeout", late)) for todo in lanes for probe in todo)
        return []
    return lanes
