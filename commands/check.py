"""`nestproof check`: judge this machine."""

from pathlib import Path

import click

from commands.options import reports_option
from commands.output import Terminal
from hostcheck.exits import of_verdict
from hostcheck.model import Question


@click.command()
@click.option("--need", type=click.Choice([question.value for question in Question]),
              default=Question.GUESTS_NEST.value, show_default=True,
              help="The question that decides the exit code and whose cause is shown.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json", "html", "markdown"]), default="text",
              show_default=True, help="What to print on stdout.")  # fmt: skip
@reports_option
@click.option("--timeout", type=click.FloatRange(1, 600), default=10.0, show_default=True, metavar="SECONDS",
              help="Limit for looking at the machine, proofs included.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
              help="With warn, a machine where it works only slowly or emulated exits with 4.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show every link, its evidence and every other finding.")
def check(
    need: str, form: str, reports: tuple[tuple[str, Path], ...], timeout: float, fail_on: str, verbose: bool,
) -> int:  # fmt: skip
    """Judge this machine by running guests on it.

    Two questions are answered: does it run guests, and can its guests run guests of their own (nest). Needs no root
    if you may open /dev/kvm; without that permission it says so.

    \b
    nestproof check                          the answer, the broken link, the command that mends it
    nestproof check --need runs-guests       inside a VM: is it a hypervisor itself
    nestproof check --report html=host.html  the same as a page
    """
    from commands.recording import Recorder, host_entry
    from hostcheck.chain import host_chain
    from hostcheck.judge import judge
    from hostcheck.local import local_report
    from reports.formats import FORMATS
    from reports.text import check_text

    terminal = Terminal()
    report = local_report(timeout=timeout)
    judgement = judge(report)
    chain = host_chain(judgement, Question(need))
    recorder = Recorder(terminal)
    recorder.keep(host_entry(report, judgement.name))
    matrix = recorder.matrix([chain])
    if form == "text":
        terminal.result(check_text(chain, verbose=verbose, **terminal.style()))
    else:
        terminal.result(FORMATS[form](matrix))
    recorder.write(matrix, reports)
    if page := recorder.page():
        terminal.note(f"page of everything known: {page}")
    return of_verdict(chain.verdict, fail_on_warn=fail_on == "warn")
