"""Reading the user's manifests: every problem printed at its place, and the wanted VMs where there is no error."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from commands.aside import Aside
from commands.failures import Failure
from commands.output import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from provision.manifests.documents import Documents
    from provision.model import Problem, Severity, VmSpec


class Reading:
    """Manifests that are being read, in a copy of this process, from the moment when this is made."""

    def __init__(self, files: tuple[str, ...], connect: str | None) -> None:
        self._files = files
        self._connect = connect
        # What is read from standard input can be read once only, and Aside may have to begin again.
        self._aside = None if "-" in files else Aside(lambda: read(files, connect))

    def wanted(self, terminal: Terminal) -> list[VmSpec]:
        """The VMs. Prints warnings (notes are for lint); raises Failure after printing every error."""
        preload(self._connect)
        vms, problems = self._aside.result() if self._aside else read(self._files, self._connect)
        return _wanted(vms, problems, self._files, terminal)


def wanted(files: tuple[str, ...], connect: str | None, terminal: Terminal) -> list[VmSpec]:
    """The VMs of these files, as `Reading.wanted` gives them."""
    return _wanted(*read(files, connect), files, terminal)


def _wanted(vms: list[VmSpec], problems: list[Problem], files: tuple[str, ...], terminal: Terminal) -> list[VmSpec]:
    from provision.model import Severity

    for problem in with_waivers([problem for problem in problems if problem.severity is not Severity.NOTE]):
        terminal.note(str(problem))
    errors = count(problems, Severity.ERROR)
    if errors:
        raise Failure(f"{plural(errors, 'error')} in {' '.join(files)}: nothing was done")
    if not vms:
        raise Failure(f"there is no VirtualMachine in {' '.join(files)}")
    if any(vm.collector for vm in vms):
        from commands.collecting import enrolled

        vms = [enrolled(vm) for vm in vms]
    return vms


def read(files: tuple[str, ...], connect: str | None) -> tuple[list[VmSpec], list[Problem]]:
    """The wanted VMs and everything that is wrong or doubtful, in the order of the files."""
    from provision.manifests.resolve import resolve

    return resolve(documents_in(files, connect), connect)


def documents_in(files: tuple[str, ...], connect: str | None) -> Documents:
    """What stands in the files. Raises Failure for a password on the command line."""
    from provision.manifests.documents import load
    from provision.manifests.leaves import hide_password

    if connect is not None and hide_password(connect) != connect:
        raise Failure(
            "--connect holds a password, which every user of this machine can see",
            hint="leave it out of the URI: a Secret document, GOVC_PASSWORD or PROXMOX_TOKEN_SECRET can give it",
        )
    return load(files)


def with_waivers(problems: list[Problem], policy_file: Path | None = None) -> list[Problem]:
    """Those that the policy puts up with are marked. An error never is: the VM could not be made all the same.

    Without a file the policy is the user's own.
    """
    if not problems and policy_file is None:
        return problems
    from commands.policies import policy_in
    from provision.model import Severity

    policy = policy_in(policy_file)
    marked = []
    for problem in problems:
        waiver = policy.waiver(problem.rule) if problem.severity is not Severity.ERROR else None
        marked.append(msgspec.structs.replace(problem, waived=waiver.sentence) if waiver else problem)
    return marked


def preload(connect: str | None) -> None:
    """Load what will be needed when the manifests are read. What is wrong with it is said by who needs it."""
    from provision import providers

    providers.preload(connect)


def count(problems: list[Problem], severity: Severity) -> int:
    return sum(problem.severity is severity and not problem.waived for problem in problems)


def typed(files: Sequence[str], connect: str | None) -> str:
    """The files and the endpoint as they are typed, for a command that a user is told to go on with."""
    return shlex.join([*files, *(("-c", connect) if connect is not None else ())])


def plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
