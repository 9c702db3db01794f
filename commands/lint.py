"""`nestproof lint`: what is wrong or doubtful in manifests, before anything is touched."""

from pathlib import Path

import click

from commands.options import connect_option, files_argument
from commands.output import Terminal
from hostcheck.exits import Exit


@click.command()
@files_argument
@connect_option
@click.option("--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
              help="With warn, warnings exit with 4.")  # fmt: skip
@click.option("--provider", "providers", multiple=True, metavar="TYPE[@VERSION]",
              help="Also show what this type of provider (libvirt, vsphere, proxmox) makes of every field that is set, "
              "in its newest version or in the one named; repeatable.")  # fmt: skip
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Waivers of warnings and notes, as nestproof check takes them.  [default: nestproof.toml in "
              "$XDG_CONFIG_HOME/nestproof]")  # fmt: skip
def lint(
    files: tuple[str, ...], connect: str | None, fail_on: str, providers: tuple[str, ...], policy_file: Path | None
) -> int:
    """Check the documents of FILE... one by one and together, without reaching any hypervisor.

    Each line names file, line and column, what is wrong, what was expected, and for warnings why it matters.
    `nestproof explain RULE` says more of the rule in brackets. What a policy waives is shown as waived and not counted;
    errors are never waived, because nothing could be applied all the same.

    
    nestproof lint examples/
    nestproof lint vm.yaml --provider vsphere --provider proxmox@8    before moving to another hypervisor
    """
    from commands.fields import fields_text, provider_type
    from commands.manifests import count, plural, read, with_waivers
    from provision.model import Severity

    types = [provider_type(word) for word in providers]
    terminal = Terminal()
    problems = with_waivers(read(files, connect)[1], policy_file)
    for problem in problems:
        terminal.result(str(problem))
    for provider, version in types:
        terminal.result(fields_text(files, provider, version))
    errors, warnings, notes = (count(problems, severity) for severity in Severity)
    waived = sum(bool(problem.waived) for problem in problems)
    counted = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}, {plural(notes, 'note')}"
    terminal.note(f"{counted}, {waived} waived" if waived else counted)
    if errors:
        return Exit.USAGE
    return Exit.WARN if warnings and fail_on == "warn" else Exit.OK
