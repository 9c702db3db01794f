"""Checking hypervisors by their API: every host of a vCenter or a Proxmox cluster, and the VMs that are asked for."""

import os
from collections.abc import Sequence

import msgspec

from commands.endpoints import code_of
from commands.failures import Failure, complain
from commands.output import Terminal
from hostcheck.exits import Exit
from hostcheck.model import HostView, VmView
from provision.manifests.access import of_target
from provision.provider import Estate, ProviderError
from provision.providers import ESTATES, open_estate

ALL = "all"
"""What stands for every VM on the command line."""


class Looked(msgspec.Struct):
    """What the APIs said, and the exit codes of those that said nothing."""

    hosts: list[HostView] = msgspec.field(default_factory=list)
    vms: list[VmView] = msgspec.field(default_factory=list)
    codes: list[Exit] = msgspec.field(default_factory=list)


def split(targets: Sequence[str]) -> tuple[list[str], list[str]]:
    """The estates among the targets, and the others."""
    estates = [target for target in targets if scheme(target) in ESTATES]
    return estates, [target for target in targets if target not in estates]


def scheme(target: str) -> str:
    """The scheme of a URL, in lower case; empty where there is none."""
    before, separator, _ = target.strip().partition("://")
    return before.lower() if separator else ""


def look(targets: Sequence[str], names: Sequence[str], terminal: Terminal) -> Looked:
    """Ask every estate for its hosts and for the VMs of these names. One that fails does not stop the others.

    Raises Failure when VMs are asked for and there is no estate to ask.
    """
    if names and not targets:
        raise Failure("--vm needs a hypervisor to ask", hint="nestproof check vsphere://HOST --vm NAME")
    looked = Looked()
    for target in targets:
        try:
            estate = open_estate(of_target(target, os.environ))
        except ValueError as e:
            complain(str(e))
            looked.codes.append(Exit.USAGE)
            continue
        except ProviderError as e:
            complain(str(e), e.hint)
            looked.codes.append(code_of(e))
            continue
        try:
            _ask(estate, names, looked, terminal)
        except ProviderError as e:
            complain(f"{estate.name}: {e}", e.hint)
            looked.codes.append(code_of(e))
        finally:
            estate.close()
    return looked


def _ask(estate: Estate, names: Sequence[str], looked: Looked, terminal: Terminal) -> None:
    def progress(line: str) -> None:
        terminal.progress(f"{estate.name}: {line}")

    progress("looking at its hosts")
    looked.hosts += estate.hosts(progress)
    if ALL in names:
        looked.vms += estate.vms(progress)
        return
    for name in names:
        looked.vms += estate.vms(progress, name)
