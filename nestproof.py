"""The front door: one click group, sub-commands imported when they are called."""

import gc
import os
import signal
import sys
from importlib import import_module

# Importing takes a tenth of a second, in which Ctrl-C would end as a traceback. Nothing has begun: it just ends.
INTERRUPTS = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where the signal is ignored
if INTERRUPTS:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import click  # noqa: E402

from agent import VERSION  # noqa: E402
from commands.failures import run  # noqa: E402
from commands.groups import Group  # noqa: E402
from commands.streams import settle  # noqa: E402

if INTERRUPTS:
    signal.signal(signal.SIGINT, signal.default_int_handler)

GARBAGE = 200_000
"""New objects before Python looks for garbage. What importing makes is none: at the usual 700 the search takes a tenth
of the start."""
COMMANDS = {
    "check": "commands.check:check",
    "explain": "commands.explain:explain",
    "enable": "commands.enable:enable",
    "lint": "commands.lint:lint",
    "schema": "commands.schema:schema",
    "plan": "commands.plan:plan",
    "apply": "commands.apply:apply",
    "verify": "commands.apply:verify",
    "status": "commands.status:status",
    "destroy": "commands.destroy:destroy",
    "serve": "commands.serve:serve",
    "matrix": "commands.matrix:matrix",
    "show": "commands.show:show",
    "compare": "commands.compare:compare",
    "bundle": "commands.bundle:bundle",
    "store": "commands.store:store",
    "agent": "commands.agent:agent",
}


class Front(Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(
    cls=Front,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 it works, 1 internal error, 2 wrong input or set-up, 3 it does not work, "
    "4 warnings with --fail-on warn, 5 could not tell, 130 interrupted.",
)
@click.option("--debug", is_flag=True, help="On failure show where in the program it happened.")
@click.version_option(VERSION, "-V", "--version", message="nestproof %(version)s")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Tell whether a VM that must run VMs really can, because it ran one; and if not, which link is broken.

    \b
    nestproof check                          judge this machine
    nestproof apply FILE... --wait           create the VMs of the manifests and prove them
    nestproof verify FILE...                 ask them for a fresh proof, any time
    nestproof destroy FILE...                remove them again
    nestproof matrix --html matrix.html      everything known so far, as one page
    nestproof serve                          take reports over HTTPS, show a live matrix
    """
    ctx.obj = debug


def main() -> None:
    """Run the command line; every failure ends as one line and a documented exit code."""
    gc.set_threshold(GARBAGE)
    settle()
    sys.exit(run(cli, sys.argv[1:]))


if __name__ == "__main__":
    main()
