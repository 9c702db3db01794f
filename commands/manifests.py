"""Reading the user's manifests: every problem printed at its place, and the wanted VMs where there is no error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.failures import Failure
from commands.output import Terminal

if TYPE_CHECKING:
    from provision.model import Problem, VmSpec


def wanted(files: tuple[str, ...], connect: str | None, terminal: Terminal) -> list[VmSpec]:
    """The VMs of these files. Prints warnings; raises Failure (exit 2) after printing every error."""
    vms, problems = read(files, connect)
    for problem in problems:
        terminal.note(str(problem))
    errors = count_errors(problems)
    if errors:
        raise Failure(f"{_plural(errors, 'error')} in {' '.join(files)}: nothing was done")
    if not vms:
        raise Failure(f"there is no VirtualMachine in {' '.join(files)}")
    return vms


def read(files: tuple[str, ...], connect: str | None) -> tuple[list[VmSpec], list[Problem]]:
    """The wanted VMs and everything that is wrong or doubtful, in the order of the files."""
    from provision.manifests import load, resolve

    documents = load(files)
    vms, problems = resolve(documents, connect)
    return vms, problems


def count_errors(problems: list[Problem]) -> int:
    from provision.model import Severity

    return sum(problem.severity is Severity.ERROR for problem in problems)


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
