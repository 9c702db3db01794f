"""Work on many things at once: bounded, one outcome each, and an end that can be asked for."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from commands.crew import Interrupted, Job, run
from commands.display import State
from commands.output import Terminal

Speak = Callable[[str], None]


def jobs(work: Callable[[int, Speak, Speak], Any], count: int) -> list[Job[Any]]:
    def one(number: int) -> Callable[[Speak, Speak], Any]:
        return lambda progress, say: work(number, progress, say)

    return [Job(f"vm-{number}", one(number)) for number in range(count)]


def test_never_more_at_once_than_allowed_and_all_of_them() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(number: int, progress: Speak, say: Speak) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return number

    done: list[int] = []
    run("test", jobs(work, 20), Terminal(), 3, lambda job: done.append(job.result))
    assert sorted(done) == list(range(20))
    assert most == 3


def test_the_failure_of_one_stops_no_other() -> None:
    def work(number: int, progress: Speak, say: Speak) -> int:
        if number % 2:
            raise ValueError(f"no {number}")
        return number

    made = jobs(work, 6)
    seen: list[str] = []
    run("test", made, Terminal(), 2, lambda job: seen.append(job.name))
    assert len(seen) == 6
    assert [job.state for job in made] == [State.DONE, State.FAILED] * 3
    assert [str(job.error) for job in made if job.error] == ["no 1", "no 3", "no 5"]


def test_an_interrupt_stops_at_the_next_word_and_tells_how_far_each_came() -> None:
    held = threading.Event()

    def work(number: int, progress: Speak, say: Speak) -> int:
        if number == 0:
            held.wait(10)
            return 0
        while True:
            progress("at it")
            held.set()
            time.sleep(0.01)

    made = jobs(work, 5)

    def done(job: Job[int]) -> None:
        if job.result == 0:
            raise KeyboardInterrupt  # as it reaches the main thread

    with pytest.raises(Interrupted):
        run("test", made, Terminal(), 2, done)
    states = [job.state for job in made]
    assert states[:2] == [State.DONE, State.STOPPED]
    assert states[2] in (State.WAITING, State.STOPPED)  # the free worker may have begun it before the interrupt
    assert states[3:] == [State.WAITING] * 2


def test_a_log_has_a_line_when_something_changes(capsys: pytest.CaptureFixture[str]) -> None:
    def work(number: int, progress: Speak, say: Speak) -> None:
        progress("copying, 1 MiB")
        progress("copying, 2 MiB")
        say("worth knowing")
        progress("starting")

    made = jobs(work, 1)
    made[0].doing = "planning"
    run("test", made, Terminal(), 4, lambda job: None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["vm-0: copying, 1 MiB", "worth knowing", "vm-0: starting"]


def test_a_terminal_has_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal = Terminal()
    terminal.live = True
    terminal.progress("looking at the host")
    drawn = threading.Event()

    def work(number: int, progress: Speak, say: Speak) -> None:
        progress(f"starting [bold]{number}[/bold]")
        if number == 1:
            raise ValueError
        drawn.wait(0.6)  # a few frames

    run("apply", jobs(work, 3), terminal, 3, lambda job: terminal.note(f"{job.name} ended"))
    err = capsys.readouterr().err
    assert "1 of 3 done" in err
    assert ", 1 failed" in err
    assert "starting [bold]2[/bold]" in err, "what a guest or a host says is no markup"
    assert "vm-0 ended\n" in err.replace("\r", "")
    assert terminal.screen is None
    assert "looking at the host\r\x1b[K" in err, "the line before goes, or what comes first would stand behind it"


def test_what_is_to_be_done_meanwhile_is_done_once_while_all_wait() -> None:
    called: list[int] = []

    def meanwhile() -> None:
        called.append(threading.get_ident())
        go_on.set()

    go_on = threading.Event()
    job = Job("slow", lambda _progress, _say: go_on.wait(60))
    run("test", [job], Terminal(), 1, lambda _: None, meanwhile)
    assert job.result is True, "the job waited for nothing else"
    assert called == [threading.get_ident()]
