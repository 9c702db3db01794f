"""`nestproof agent`: the one-file agent, and how it gets into a guest."""

from pathlib import Path

import click

from commands.failures import Failure
from commands.groups import Group


@click.group(cls=Group)
def agent() -> None:
    """The agent that runs in a guest (or on any machine) with nothing but Python 3.6 or later.

    \b
    nestproof agent build                            one file to copy anywhere
    nestproof agent cloud-init --vm default/ci1      the same for a VM that is made without `nestproof apply`
    nestproof agent run --text                       on this machine, to see what it sees
    """


@agent.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("nestproof-agent.pyz"), show_default=True,
    help="Where to write it.",
)  # fmt: skip
def build(output: Path) -> None:
    """Write the agent as one file that runs as `python3 nestproof-agent.pyz`.

    It needs nothing else: no package, no root, no network. `--help` of the file shows its options.

    \b
    nestproof agent build -o /srv/nestproof-agent.pyz
    scp nestproof-agent.pyz kvm01: && ssh kvm01 python3 nestproof-agent.pyz --text
    """
    from agent.build import build as build_agent

    try:
        written = build_agent(output)
    except OSError as e:
        raise Failure(f"cannot write {output}: {e.strerror}") from e
    click.echo(f"{written} ({written.stat().st_size} bytes): run it with python3 {written}", err=True)


@agent.command("cloud-init")
@click.option("--vm", metavar="NAMESPACE/NAME", default="", help="What the VM is called in reports.")
@click.option(
    "--collector", metavar="URL",
    help="Also send reports to this `nestproof serve`, such as https://nestproof.example:8443; needs --vm.",
)  # fmt: skip
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate of the collector's only authority; default: the one that `nestproof serve` made here.",
)  # fmt: skip
def cloud_init(vm: str, collector: str | None, ca_file: Path | None) -> None:
    """Print the cloud-init part that installs the agent; it touches nothing of the user's own cloud-config.

    With --collector the part holds the token of that one VM: give it to nobody else.

    \b
    nestproof agent cloud-init > nestproof.part
    nestproof agent cloud-init --vm default/ci1 --collector https://np.example:8443
    """
    from agent.cloudinit import user_data_part
    from commands.collecting import ca_of, token_of
    from provision.manifests.access import report_url

    if collector is not None and not vm:
        raise Failure("--collector needs --vm: the token is of one VM")
    try:
        if collector is None:
            part = user_data_part(vm=vm)
        else:
            part = user_data_part(vm, send=(report_url(collector),), token=token_of("vm", vm), ca=ca_of(ca_file))
    except ValueError as e:
        raise Failure(str(e)) from e
    click.echo(part, nl=False)


@agent.command()
@click.argument("name")
@click.option("--host", "kind", flag_value="host", help="NAME is a host, not a VM.")
@click.option("--vm", "kind", flag_value="vm", default="vm", help="NAME is namespace/name of a VM (the default).")
def token(name: str, kind: str) -> None:
    """Print the token with which the machine NAME may send reports to this user's `nestproof serve`.

    It fits that one machine. Put it into a file that only the agent reads: --send https://... --token-file FILE.

    \b
    nestproof agent token --host kvm01
    nestproof agent token default/ci1
    """
    from commands.collecting import token_of

    click.echo(token_of(kind, name))


@agent.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> int:
    """Run the agent on this machine, as the one file would; `nestproof agent run --help` shows its options."""
    from agent import cli

    result: int = cli.main(list(arguments))
    return result
