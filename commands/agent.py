"""`nestproof agent`: the one-file agent, and how it gets into a guest."""

from pathlib import Path

import click

from commands.failures import Failure


@click.group()
def agent() -> None:
    """The agent that runs in a guest (or on any machine) with nothing but Python 3.6 or later."""


@agent.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("nestproof-agent.pyz"), show_default=True,
    help="Where to write it.",
)  # fmt: skip
def build(output: Path) -> None:
    """Write the agent as one file that runs as `python3 nestproof-agent.pyz`."""
    from agent.build import build as build_agent

    try:
        written = build_agent(output)
    except OSError as e:
        raise Failure(f"cannot write {output}: {e.strerror}") from e
    click.echo(f"{written} ({written.stat().st_size} bytes): run it with python3 {written}", err=True)


@agent.command("cloud-init")
@click.option("--vm", metavar="NAMESPACE/NAME", default="", help="What the VM is called in reports.")
def cloud_init(vm: str) -> None:
    """Print the cloud-init part that installs the agent; it touches nothing of the user's own cloud-config."""
    from agent.cloudinit import user_data_part

    try:
        part = user_data_part(vm=vm)
    except ValueError as e:
        raise Failure(str(e)) from e
    click.echo(part, nl=False)


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
