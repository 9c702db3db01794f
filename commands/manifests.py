"""Reading the user's manifests: every problem printed at its place, and the wanted VMs where there is no error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from commands.failures import Failure
from commands.output import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from provision.model import Problem, Severity, VmSpec


def wanted(files: tuple[str, ...], connect: str | None, terminal: Terminal) -> list[VmSpec]:
    """The VMs of these files. Prints warnings (notes are for lint); raises Failure after printing every error."""
    from provision.model import Severity

    vms, problems = _read_aside(files, connect)
    for problem in problems:
        if problem.severity is not Severity.NOTE:
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


def _read_aside(files: tuple[str, ...], connect: str | None) -> tuple[list[VmSpec], list[Problem]]:
    """`read`, while the modules load that will be needed for what comes of it: both take the processor, for as long."""
    from commands.aside import Aside
    from provision.providers import preload

    if "-" in files:  # can be read once only, and Aside may have to begin again
        return read(files, connect)
    reading = Aside(lambda: read(files, connect))
    preload(connect)
    return reading.result()


def read(files: tuple[str, ...], connect: str | None, policy: Path | None = None) -> tuple[list[VmSpec], list[Problem]]:
    """The wanted VMs and everything that is wrong or doubtful, in the order of the files.

    `policy` is the file of the waivers; without one the user's own is read.
    """
    from provision.manifests.documents import load
    from provision.manifests.leaves import hide_password
    from provision.manifests.resolve import resolve

    if connect is not None and hide_password(connect) != connect:
        raise Failure(
            "--connect holds a password, which every user of this machine can see",
            hint="leave it out of the URI: a Secret document, GOVC_PASSWORD or PROXMOX_TOKEN_SECRET can give it",
        )
    documents = load(files)
    vms, problems = resolve(documents, connect)
    return vms, _waived(problems, policy) if problems or policy else problems


def _waived(problems: list[Problem], policy_file: Path | None) -> list[Problem]:
    """Those that the policy puts up with are marked. An error never is: the VM could not be made all the same."""
    from commands.policies import policy_in
    from provision.model import Severity

    policy = policy_in(policy_file)
    marked = []
    for problem in problems:
        waiver = policy.waiver(problem.rule) if problem.severity is not Severity.ERROR else None
        marked.append(msgspec.structs.replace(problem, waived=waiver.sentence) if waiver else problem)
    return marked


def count(problems: list[Problem], severity: Severity) -> int:
    return sum(problem.severity is severity and not problem.waived for problem in problems)


def plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
