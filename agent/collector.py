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
from agent.machine import Machine
from agent.worker import Worker, errno_text, fact, milliseconds, stopped

LIMIT = 64 * 1024  # bytes of a report, docs/report.md


def collect(only, timeout, root, measure, vm, record=None):
    """Return the report; see :func:`agent.collect`. What is read is also written below ``record``."""
    known = {probe[0]: probe for probe in PROBES}
    if only is None:
        only = [name for name in known if measure or name != "proof.cost"]
    wanted = [known[name] for name in only]
    started, begin = time.time(), time.perf_counter()
    report = {}  # type: dict
    report["schema"] = "nestproof.report/1"
    report["agent"] = {"version": VERSION, "python": "%d.%d.%d" % sys.version_info[:3]}

    def meanwhile():
        from agent.subject import subject

        report["subject"] = subject(Machine(root, record=record), vm)
        __import__("agent.encode")  # fitted() will want it

    facts = Run(wanted, root, measure, begin + timeout, timeout, record).facts(meanwhile)
    report["started"] = round(started, 3)
    report["duration_ms"] = milliseconds(begin)
    report["facts"] = {probe[0]: facts[probe[0]] for probe in wanted}
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

    What asks KVM and what reads files are two lanes, each with a worker of its own, side by side. What both import is
    imported before; that, and what each does with files of its own, is most of the time that a run takes.
    """

    def __init__(self, probes, root, measure, deadline, timeout, record=None):
        self.probes = probes
        self.root = root
        self.measure = measure
        self.deadline = deadline
        self.timeout = timeout
        self.record = record
        self.workers = []  # type: list
        self.done = {}  # type: dict

    def facts(self, meanwhile=lambda: None):
        """Return {id: fact} for all probes; do ``meanwhile`` beside the workers."""
        kvm = [probe for probe in self.probes if probe[1].startswith(("kvm.", "proof."))]
        files = [probe for probe in self.probes if probe not in kvm]
        files.sort(key=lambda probe: probe[1] == "cpuid")  # asked ahead of all, answered last; see agent/cpuid.py
        try:
            self.begin([lane for lane in (kvm, files) if lane])
            meanwhile()
            while self.workers:
                self.begin(self.listen())
        finally:
            for each in self.workers:
                each.end()
        return self.done

    def begin(self, lanes):
        """Start a worker on each lane of probes; without time or without a child say so in the facts."""
        for todo in lanes:
            if time.perf_counter() >= self.deadline:
                late = "ETIMEDOUT: not begun, the run's %g s were used up" % self.timeout
                for probe in todo:
                    self.done[probe[0]] = stopped(probe, "timeout", "not-begun", late, "", time.perf_counter())
                continue
            try:
                self.workers.append(Worker(todo, self))
            except OSError as e:
                self.alone(todo, errno_text(e))

    def alone(self, todo, why):
        """Do without a child what only reads, and leave what could hang."""
        machine = Machine(self.root, self.measure, record=self.record)
        for probe in todo:
            self.done[probe[0]] = (
                stopped(
                    probe, "error", "not-begun", why + ": not begun, for want of a process", "", time.perf_counter()
                )
                if probe[5]
                else fact(probe, machine)
            )

    def listen(self):
        """Take what the workers send until one ends or overstays; return what the ended ones have left to do."""
        poll = select.poll()
        for each in self.workers:
            poll.register(each.receive, select.POLLIN)
        left = min(each.until() for each in self.workers) - time.perf_counter()
        ready = [fd for fd, _ in poll.poll(max(left, 0) * 1000 + 1)]
        lanes = []
        for each in list(self.workers):
            alive = each.take(self.done) if each.receive in ready else True
            if alive and each.todo and time.perf_counter() >= each.until():
                error = "ETIMEDOUT: stopped after %.3g s" % (time.perf_counter() - each.since)
                each.give_up("timeout", "timeout", error, self.done)
                alive = False
            if not alive or not each.todo:
                self.workers.remove(each)
                each.end()
                if each.todo:
                    lanes.append(each.todo)
        return lanes
