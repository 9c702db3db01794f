"""The one place that runs other programs: an argument list, a time limit, a plain locale, and nothing on its stdin."""

import os
import subprocess
from collections.abc import Mapping, Sequence

import msgspec


class ProcessError(Exception):
    """The program could not be run to its end; the message is one line."""


class Finished(msgspec.Struct, frozen=True):
    """A program that ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def last_words(self) -> str:
        """The last line that it wrote to stderr, which is where programs say why."""
        lines = self.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


def run(argv: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None) -> Finished:
    """Run a program to its end, at most `timeout` seconds. `env` is added to this process's environment.

    Any exit code is an answer. Raises ProcessError when it is not installed, may not run, or takes too long.
    """
    environment = {**os.environ, "LC_ALL": "C", **(env or {})}
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=timeout, check=False
        )
    except FileNotFoundError as e:
        raise ProcessError(f"{argv[0]} is not installed") from e
    except subprocess.TimeoutExpired as e:
        raise ProcessError(f"{argv[0]} did not finish within {timeout:g} s") from e
    except OSError as e:
        raise ProcessError(f"{argv[0]}: {e.strerror}") from e
    return Finished(done.returncode, done.stdout, done.stderr)
