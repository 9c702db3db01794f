"""No probe can hang, crash or slow down a run."""

import os
import signal
import sys
import time
import types
from pathlib import Path

import pytest

import agent
from agent.collector import LIMIT, Run, fitted
from agent.encode import encode
from agent.facts import PROBES, NotOk
from agent.machine import Machine
from agent.watchdog import split
from agent.worker import fact

STATUSES = {"ok", "absent", "denied", "error", "timeout", "unsupported"}


def hang(machine: Machine) -> None:
    machine.note("svm:ABCD")
    while True:
        time.sleep(60)


def crash(machine: Machine) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(machine: Machine) -> None:
    os._exit(3)


def refuse(machine: Machine) -> None:
    raise NotOk("absent", "nothing there", {"looked": True})


def explode(machine: Machine) -> None:
    raise RuntimeError("boom")


def good(machine: Machine) -> str:
    return "fine"


def much(machine: Machine) -> str:
    return "y" * 20000


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> object:
    module = types.ModuleType("agent.acted")
    for function in (hang, crash, leave, refuse, explode, good, much):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "agent.acted", module)

    def start(*names: str, limit: float = 0.3, timeout: float = 20) -> dict[str, dict[str, object]]:
        probes = [
            (name, "acted", name.split(".")[-1], "test", limit if name.endswith("hang") else 30, True) for name in names
        ]
        with Run(probes, None, False, time.perf_counter() + timeout, timeout) as run:
            return run.facts()

    return start


def test_a_hang_ends_and_the_others_are_done(run) -> None:  # type: ignore[no-untyped-def]
    facts = run("one.good", "proof.hang", "two.good")
    assert facts["one.good"]["value"] == facts["two.good"]["value"] == "fine"
    assert facts["proof.hang"]["status"] == "timeout"
    assert facts["proof.hang"]["value"] == {
        "ok": False,
        "kind": "svm",
        "stages": "ABCD",
        "cause": "timeout",
        "detail": {},
    }


def test_facts_that_do_not_fit_the_pipe_all_come(run) -> None:  # type: ignore[no-untyped-def]
    facts = run(*(f"{n}.much" for n in range(12)), "last.crash", limit=30)
    assert [len(facts[f"{n}.much"]["value"]) for n in range(12)] == [20000] * 12
    assert facts["last.crash"]["error"] == "the probe was killed by signal 9"


def test_a_crash_is_named_and_the_others_are_done(run) -> None:  # type: ignore[no-untyped-def]
    facts = run("proof.crash", "a.leave", "two.good")
    assert facts["proof.crash"]["value"]["cause"] == "killed"
    assert facts["proof.crash"]["error"] == "the probe was killed by signal 9"
    assert facts["a.leave"]["error"] == "the probe ended its process with status 3"
    assert facts["two.good"]["status"] == "ok"


def test_exceptions_become_facts(run) -> None:  # type: ignore[no-untyped-def]
    facts = run("a.refuse", "a.explode", "no.such_function")
    assert facts["a.refuse"] | {"ms": 0} == {
        "status": "absent",
        "source": "test",
        "ms": 0,
        "value": {"looked": True},
        "error": "nothing there",
    }
    assert facts["a.explode"]["error"] == "RuntimeError: boom"
    assert facts["no.such_function"]["status"] == "error"


def test_the_whole_run_is_bounded(run) -> None:  # type: ignore[no-untyped-def]
    facts = run("a.hang", "b.hang", "c.good", limit=60, timeout=0.5)
    assert {fact["status"] for fact in facts.values()} == {"timeout"}
    assert "used up" in facts["c.good"]["error"]


def test_a_proof_that_was_never_begun_says_so(run) -> None:  # type: ignore[no-untyped-def]
    facts = run("proof.hang", "proof.good", limit=60, timeout=0.5)
    assert facts["proof.hang"]["value"]["cause"] == "timeout"
    assert facts["proof.good"]["value"]["cause"] == "not-begun"
    assert facts["proof.good"]["error"] == "ETIMEDOUT: not begun, the run's 0.5 s were used up"


def test_without_children_only_reading_is_done(run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_fork)
    report = agent.collect(only=["cpu.identity", "proof.plain"])
    assert report["facts"]["cpu.identity"]["status"] == "ok"
    assert report["facts"]["proof.plain"]["status"] == "error"
    assert report["facts"]["proof.plain"]["error"].startswith("EAGAIN: ")
    assert report["facts"]["proof.plain"]["error"].endswith(": not begun, for want of a process")
    assert report["facts"]["proof.plain"]["value"]["cause"] == "not-begun"


def children() -> set[str]:
    """Processes that this one has started and not yet reaped, those of other tests among them."""
    tasks = Path("/proc/self/task").iterdir()
    return {child for task in tasks for child in (task / "children").read_text().split()}


def test_no_process_and_no_descriptor_is_left(run) -> None:  # type: ignore[no-untyped-def]
    before = {fd.name for fd in Path("/proc/self/fd").iterdir()}
    others = children()
    run("a.good", "a.hang", "a.crash")
    assert {fd.name for fd in Path("/proc/self/fd").iterdir()} == before
    assert children() <= others


def test_collect_keeps_the_contract() -> None:
    report = agent.collect(vm="team/vm-1")
    assert report["schema"] == "nestproof.report/1"
    assert report["agent"]["version"] == agent.VERSION
    assert report["subject"]["vm"] == "team/vm-1"
    assert list(report["facts"]) == [probe[0] for probe in PROBES if probe[0] != "proof.cost"]
    for each in report["facts"].values():
        assert each["status"] in STATUSES
        assert isinstance(each["source"], str)
        assert isinstance(each["ms"], int | float)
        assert ("error" in each) == (each["status"] != "ok")
    assert len(encode(report)) <= LIMIT


def test_unknown_ids_are_refused() -> None:
    with pytest.raises(KeyError, match=r"no\.such"):
        agent.collect(only=["no.such"])


def test_an_oversized_report_is_cut_to_size() -> None:
    facts = {name: {"status": "ok", "source": "x", "ms": 1, "value": "y" * 40000} for name in ("a", "b")}
    facts["c"] = {"status": "ok", "source": "x", "ms": 1, "value": 1}
    report = fitted({"facts": facts})
    assert len(encode(report)) <= LIMIT
    assert sorted(each["status"] for each in report["facts"].values()) == ["error", "ok", "ok"]


def test_messages_may_arrive_in_pieces() -> None:
    import marshal

    data = b"".join(len(m).to_bytes(4, "little") + m for m in (marshal.dumps("AB", 2), marshal.dumps({"a": 1}, 2)))
    for cut in range(len(data)):
        first, rest = split(data[:cut])
        second, rest = split(rest + data[cut:])
        assert first + second == ["AB", {"a": 1}]
        assert rest == b""


def test_nothing_is_executed_below_a_root(tmp_path) -> None:  # type: ignore[no-untyped-def]
    machine = Machine(str(tmp_path))
    for probe in PROBES:
        result = fact(probe, machine)
        assert result["status"] == ("unsupported" if probe[5] else result["status"])
        assert result["status"] in STATUSES
