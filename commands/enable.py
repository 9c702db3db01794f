"""`nestproof enable`: switch nested virtualization on for one host's guests."""

import os
from typing import TYPE_CHECKING

import click

from commands.failures import Failure
from commands.options import Finite
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from hostcheck.enable.host import Shell


@click.command()
@click.argument("target", required=False, default="local", metavar="[TARGET]")
@click.option("--apply", "do", flag_value="apply", help="Do what the plan says, prove it, put all back on failure.")
@click.option("--undo", "do", flag_value="undo", help="Put back what was there before the first --apply.")
@click.option("--timeout", type=Finite(1, 3600), default=60.0, show_default=True, metavar="SECONDS",
              help="Limit for looking at a remote host once, connecting included.")  # fmt: skip
@click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Use this ssh configuration in place of your own.")  # fmt: skip
def enable(target: str, do: str | None, timeout: float, ssh_config: str | None) -> int:
    """Switch nested virtualization on for the guests of this machine, or of TARGET.

    Without --apply it shows the plan: what runs, what would change, what that would stop. With it the module's
    `nested` parameter is configured in /etc/modprobe.d/nestproof.conf and, when no VM runs, the module is loaded anew;
    then a guest runs its own guest as the proof. When VMs run they are named and left alone: a reboot makes it
    effective. Whatever fails, all is put back. Needs root; TARGET is ssh://[user@]host[:port], as root or by `sudo -n`.

    \b
    nestproof enable                         the plan
    nestproof enable --apply                 do it
    nestproof enable ssh://kvm01 --apply     on another host
    nestproof enable --undo                  back to what was there

    Exit codes: 0 nothing to do, planned, or done and proven; 2 not root; 3 refused, or failed and put back; 5 it waits
    for a reboot, or the host could not be looked at.
    """
    from hostcheck.clock import now as clock
    from hostcheck.enable import carry_out
    from hostcheck.enable.host import HostError, ShellHost
    from hostcheck.enable.plan import Path, plan
    from hostcheck.enable.state import StateError
    from hostcheck.enable.words import outcome_lines, plan_lines
    from reports.sanitize import sanitize

    terminal = Terminal()

    def show(lines: list[str]) -> None:
        terminal.result("\n".join(sanitize(line) for line in lines))

    try:
        host = ShellHost(_shell(target, timeout, ssh_config or ""))
        found = carry_out.look(host)
        name = found.judgement.name
        if do == "undo":
            outcome = carry_out.undo(host, found)
        else:
            planned = plan(found)
            if do is None or planned.path in (Path.REFUSED, Path.NOTHING):
                show(plan_lines(name, found, planned))
                return planned.code
            terminal.note(f"{name}: {planned.path.value}: {planned.reason}")
            outcome = carry_out.apply(host, found, planned, clock())
    except HostError as e:
        raise Failure(sanitize(str(e)), code=Exit.INCOMPLETE) from e
    except StateError as e:
        raise Failure(sanitize(str(e)), code=Exit.FAIL) from e
    show(outcome_lines(name, found, outcome))
    return {
        carry_out.End.PROVEN: Exit.OK,
        carry_out.End.UNDONE: Exit.OK,
        carry_out.End.WAITS: Exit.INCOMPLETE,
    }.get(outcome.end, Exit.FAIL)


def _shell(text: str, timeout: float, ssh_config: str) -> "Shell":
    """The shell of the target. Raises Failure, and HostError when it cannot be reached."""
    from hostcheck.enable.host import Here, There
    from hostcheck.reach.targets import TargetError, parse

    try:
        target = parse(text)
    except TargetError as e:
        raise Failure(str(e)) from e
    if not target.local:
        return There(target, ssh_config, timeout)
    if os.geteuid() != 0:
        raise Failure("switching nested virtualization on is for root", hint="run it as: sudo nestproof enable")
    return Here()
