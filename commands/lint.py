"""`nestproof lint`: what is wrong or doubtful in manifests, before anything is touched."""

import click

from commands.options import connect_option, files_argument
from commands.output import Terminal
from hostcheck.exits import Exit


@click.command()
@files_argument
@connect_option
@click.option("--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
              help="With warn, warnings exit with 4.")  # fmt: skip
def lint(files: tuple[str, ...], connect: str | None, fail_on: str) -> int:
    """Check the documents of FILE... one by one and together, without reaching any hypervisor.

    Each line names file, line and column, what is wrong, what was expected, and for warnings why it matters.
    """
    from commands.manifests import count_errors, read

    terminal = Terminal()
    _, problems = read(files, connect)
    for problem in problems:
        terminal.result(str(problem))
    errors = count_errors(problems)
    terminal.note(f"{errors} errors, {len(problems) - errors} warnings")
    if errors:
        return Exit.USAGE
    return Exit.WARN if problems and fail_on == "warn" else Exit.OK
