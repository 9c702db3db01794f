"""Work in a copy of the process: what it returns and raises comes over, and a copy that dies costs only time."""

import os
import signal

import pytest

from commands.aside import Aside
from commands.failures import Failure
from hostcheck.exits import Exit


def test_the_answer_comes_from_another_process() -> None:
    assert Aside(os.getpid).result() != os.getpid()


def test_more_than_a_pipe_holds() -> None:
    assert Aside(lambda: b"x" * 3_000_000).result() == b"x" * 3_000_000


def test_a_failure_keeps_its_code_and_hint_and_where_it_happened() -> None:
    def work() -> None:
        raise Failure("no such thing", code=Exit.FAIL, hint="make one")

    with pytest.raises(Failure, match="no such thing") as caught:
        Aside(work).result()
    assert (caught.value.code, caught.value.hint) == (Exit.FAIL, "make one")
    assert "in work" in "".join(caught.value.__notes__)


class Odd(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def test_what_cannot_be_handed_over_is_done_here() -> None:
    def work() -> None:
        raise Odd("two", "arguments")  # pickle would call it with one

    with pytest.raises(Odd, match="two arguments"):
        Aside(work).result()
    assert Aside(lambda: lambda: 5).result()() == 5, "a function is handed over by name only"


def test_the_work_of_a_copy_that_was_killed_is_done_here() -> None:
    here = os.getpid()

    def work() -> str:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    assert Aside(work).result() == "done"


def test_nothing_is_left_of_the_copy() -> None:
    copy = Aside(os.getpid).result()
    with pytest.raises(ChildProcessError):
        os.waitpid(copy, os.WNOHANG)
