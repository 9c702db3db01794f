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

    vms, problems = read(files, connect)
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


def read(files: tuple[str, ...], connect: str | None, policy: Path | None = None) -> tuple[list[VmSpec], list[Problem]]:
    """The wanted VMs and everything that is wrong or doubtful, in the order of the files.

    `policy` is the file of the waivers; without one the user's own is read.
    """
    from provision.manifests import load, resolve
    from provision.manifests.leaves import hide_password

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
