"""Runs the probes in a child that cannot hang, crash or slow down the run, and makes the report.

A child (worker) takes one probe after the other and sends each fact through a pipe. When a probe overstays its time
or takes the child with it, the child is killed, the fact says so, and a new child goes on with the next probe.
A guest that never leaves KVM_RUN ends like any other hang.
"""

import select
import sys
import time

from agent import VERSION
from agent.facts import PROBES
from agent.worker import Worker, errno_text, fact, milliseconds, stopped

LIMIT = 64 * 1024  # bytes of a report, docs/report.md


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


class Run:
    """One run over some probes, with a deadline on the performance counter.

    What asks KVM and what reads files are two lanes, each with a worker of its own, side by side.
    """

    def __init__(self, probes, root, measure, deadline, timeout, record=None):
        self.probes = probes
        self.root = root
        self.measure = measure
        self.deadline = deadline
        self.timeout = timeout
        self.record = record

    def facts(self):
        """Return {id: fact} for all probes."""
        done = {}  # type: dict
        kvm = [probe for probe in self.probes if probe[0].startswith(("kvm.", "proof."))]
        lanes = [lane for lane in (kvm, [probe for probe in self.probes if probe not in kvm]) if lane]
        workers = []  # type: list
        try:
            while lanes or workers:
                for lane in lanes:
                    self.begin(lane, workers, done)
                lanes = self.listen(workers, done) if workers else []
        finally:
            for each in workers:
                each.end()
        return done

    def begin(self, todo, workers, done):
        """Start a worker on a lane; without time or without a child say so in the facts."""
        if time.perf_counter() >= self.deadline:
            late = "ETIMEDOUT: not begun, the run's %g s were used up" % self.timeout
            for probe in todo:
                done[probe[0]] = stopped(probe, "timeout", "not-begun", late, "", time.perf_counter())
            return
        try:
            workers.append(Worker(todo, self))
        except OSError as e:  # no child to be had: what only reads is read here, what could hang is left
            from agent.machine import Machine

            late = errno_text(e) + ": not begun, for want of a process"
            machine = Machine(self.root, self.measure, record=self.record)
            for probe in todo:
                done[probe[0]] = (
                    stopped(probe, "error", "not-begun", late, "", time.perf_counter())
                    if probe[5]
                    else fact(probe, machine)
                )

    def listen(self, workers, done):
        """Take what the workers send until one ends or overstays; return what the ended ones have left to do."""
        poll = select.poll()
        for each in workers:
            poll.register(each.receive, select.POLLIN)
        left = min(each.until() for each in workers) - time.perf_counter()
        ready = [fd for fd, _ in poll.poll(max(left, 0) * 1000 + 1)]
        lanes = []
        for each in list(workers):
            alive = each.take(done) if each.receive in ready else True
            if alive and each.todo and time.perf_counter() >= each.until():
                error = "ETIMEDOUT: stopped after %.3g s" % (time.perf_counter() - each.since)
                each.give_up("timeout", "timeout", error, done)
                alive = False
            if not alive or not each.todo:
                workers.remove(each)
                each.end()
                if each.todo:
                    lanes.append(each.todo)
        return lanes
