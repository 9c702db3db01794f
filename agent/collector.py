"""Runs the probes in a child that cannot hang, crash or slow down the run, and makes the report.

A child (worker) takes one probe after the other and sends each fact through a pipe. When a probe overstays its time
or takes the child with it, the child is killed, the fact says so, and a new child goes on with the next probe.
A guest that never leaves KVM_RUN ends like any other hang.
"""

import sys
import time

from agent import VERSION
from agent.facts import PROBES
from agent.machine import Machine
from agent.worker import milliseconds, start

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

    with Run(wanted, root, measure, begin + timeout, timeout, record) as run:
        facts = run.facts(meanwhile)
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
    imported before, and what only their parent needs is imported after; that, and what each does with files of its own,
    is most of the time that a run takes. Used in a ``with``: its end waits for the workers' ends, and by then there is
    something better to do than to wait.
    """

    def __init__(self, probes, root, measure, deadline, timeout, record=None):
        self.probes = probes
        self.root = root
        self.measure = measure
        self.deadline = deadline
        self.timeout = timeout
        self.record = record
        self.workers = []  # type: list
        self.ended = []  # type: list
        self.done = {}  # type: dict

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for each in self.workers + self.ended:
            each.end()

    def facts(self, meanwhile=lambda: None):
        """Return {id: fact} for all probes; do ``meanwhile`` beside the workers."""
        kvm = [probe for probe in self.probes if probe[1].startswith(("kvm.", "proof."))]
        files = [probe for probe in self.probes if probe not in kvm]
        files.sort(key=lambda probe: probe[1] == "cpuid")  # asked ahead of all, answered last; see agent/cpuid.py
        begun = [self.begin(lane) for lane in (kvm, files) if lane]
        from agent.watchdog import attend, listen

        attend(self, begun)
        meanwhile()
        while self.workers:
            attend(self, [self.begin(lane) for lane in listen(self)])
        return self.done

    def begin(self, todo):
        """Start a worker on a lane of probes; return the probes, the time, and process and pipe or the OSError."""
        since = time.perf_counter()
        try:
            return todo, since, start(todo, self)
        except OSError as e:
            return todo, since, e
