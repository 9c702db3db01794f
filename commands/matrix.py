"""`nestproof matrix`: everything known so far, judged again by today's rules."""

from pathlib import Path

import click

from commands.options import format_option, reports_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit


@click.command()
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page to this file.")
@format_option
@store_option
@reports_option
@click.option("--forget", metavar="NAME", multiple=True, help="First remove this host or VM from what is kept.")
def matrix(html: Path | None, form: str, reports: tuple[tuple[str, Path], ...], forget: tuple[str, ...]) -> int:
    """Show every host and VM that was ever checked or applied, from the reports that are kept.

    Nothing is looked at anew: kept reports are judged again. The page is one file without any network use.

    \b
    nestproof matrix
    nestproof matrix --html matrix.html
    nestproof matrix --format json | jq -r .sentence
    nestproof matrix --forget kvm07          a machine that is gone
    """
    from commands.failures import Failure
    from commands.judging import chains
    from commands.policies import policy_in
    from commands.recording import Recorder, opened_store, printed
    from reports.text import matrix_text

    terminal = Terminal()
    recorder = Recorder(terminal)
    with opened_store() as store:
        for name in forget:
            if not store.forget(name):
                raise Failure(f"nothing is kept of {name!r}", hint="`nestproof matrix` lists what is")
        result = recorder.matrix(chains(store.latest(), policy_in()))
    if html is not None:
        reports = (*reports, ("html", html))
    if form != "text":
        terminal.result(printed(form, result))
    elif html is None:
        terminal.result(matrix_text(result, **terminal.style()))
    recorder.write(result, reports)
    return Exit.OK
