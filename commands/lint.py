"""`nestproof lint`: what is wrong or doubtful in manifests, before anything is touched."""

from pathlib import Path

import click

from commands.findings import FORMS
from commands.options import connect_option, files_argument, format_option_of, reports_option_of
from commands.output import Terminal
from hostcheck.exits import Exit


@click.command()
@files_argument
@connect_option
@format_option_of(FORMS)
@reports_option_of(FORMS)
@click.option("--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
              help="With warn, warnings exit with 4.")  # fmt: skip
@click.option("--provider", "providers", multiple=True, metavar="TYPE[@VERSION]",
              help="Also show what this type of provider (libvirt, vsphere, proxmox) makes of every field that is set, "
              "in its newest version or in the one named; repeatable.")  # fmt: skip
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Waivers of warnings and notes, as nestproof check takes them.  [default: nestproof.toml in "
              "$XDG_CONFIG_HOME/nestproof]")  # fmt: skip
def lint(
    files: tuple[str, ...], connect: str | None, form: str, reports: tuple[tuple[str, Path], ...], fail_on: str,
    providers: tuple[str, ...], policy_file: Path | None,
) -> int:  # fmt: skip
    """Check the documents of FILE... one by one and together, without reaching any hypervisor.

    Each line names file, line and column, what is wrong, what was expected, and for warnings why it matters.
    `nestproof explain RULE` says more of the rule in brackets. What a policy waives is shown as waived and not counted;
    errors are never waived, because nothing could be applied all the same.

    
    nestproof lint examples/
    nestproof lint vm.yaml --provider vsphere --provider proxmox@8    before moving to another hypervisor
    nestproof lint . --report sarif=lint.sarif --report junit=lint.xml    for a code host and for a CI system
    """
    from commands.fields import field_table, provider_type
    from commands.findings import Findings, render, text
    from commands.manifests import documents_in, plural, with_waivers
    from provision.manifests.resolve import resolve
    from provision.model import Severity

    types = [provider_type(word) for word in providers]
    terminal = Terminal()
    documents = documents_in(files, connect)
    problems = with_waivers(resolve(documents, connect)[1], policy_file)
    read = [document.origin.file for document in documents.items] + [problem.origin.file for problem in problems]
    tables = tuple(field_table(documents, provider, version) for provider, version in types)
    findings = Findings(tuple(dict.fromkeys(read)), tuple(problems), tables)
    if form != "text" or reports:
        from commands.written import provenance, write

        made = provenance()
        printed = render(form, findings, made)
        for other, path in reports:
            write(path, render(other, findings, made))
            terminal.note(f"{other} report: {path}")
    else:
        printed = text(findings)
    if printed:
        terminal.result(printed)
    errors, warnings, notes = (findings.count(severity) for severity in Severity)
    counted = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}, {plural(notes, 'note')}"
    terminal.note(f"{counted}, {findings.waived} waived" if findings.waived else counted)
    if errors:
        return Exit.USAGE
    return Exit.WARN if warnings and fail_on == "warn" else Exit.OK
