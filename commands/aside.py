"""Work in a copy of this process, while the caller goes on: two things that take the processor, of which threads of
Python can do only one at a time."""

import os
import pickle
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """Work that began when this was made. Make it before any thread is started: a copy has only the one that forks.

    What it returns or raises is handed over by pickle. Work that changes anything outside itself does not belong here:
    where the copy ends without an answer that can be read, the work is done again by who asks for its result.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._answer, answers = os.pipe()
        self._copy = os.fork()
        if self._copy == 0:
            os.close(self._answer)
            _answer(work, answers)
        os.close(answers)

    def result(self) -> T:
        """What the work returned. Raises what it raised."""
        with os.fdopen(self._answer, "rb") as file:
            try:
                answer = file.read()
            finally:
                file.close()  # a copy that is still writing ends by that
                os.waitpid(self._copy, 0)
        try:
            result, error = pickle.loads(answer)  # noqa: S301 - by our own copy, through a pipe of ours
        except Exception:
            return self._work()
        if error is not None:
            raise error
        returned: T = result
        return returned


def _answer(work: Callable[[], T], to: int) -> None:
    """Ends the process, whatever happens: nothing of the caller's may go on in a copy of it. What pickle does not take
    is no answer."""
    try:
        try:
            outcome: tuple[T | None, Exception | None] = (work(), None)
        except Exception as e:
            import traceback

            e.add_note("".join(traceback.format_tb(e.__traceback__)))  # it does not go through a pipe
            outcome = (None, e)
        answer = pickle.dumps(outcome)
        with os.fdopen(to, "wb") as file:
            file.write(answer)
    finally:
        os._exit(0)
