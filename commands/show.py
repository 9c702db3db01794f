"""`nestproof show`: one machine with its history, or what a file holds, judged by today's rules."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import format_option, reports_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from hostcheck.policy import Policy
    from reports.store import Store


@click.command()
@click.argument("what", metavar="NAME|FILE")
@format_option
@reports_option
@store_option
@click.option("--history", "most", type=click.IntRange(0), default=10, show_default=True, metavar="N",
              help="Reports of the past to list.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show every link, its evidence and every other finding.")
def show(what: str, form: str, reports: tuple[tuple[str, Path], ...], most: int, verbose: bool) -> int:
    """Show the host or VM called NAME, and what was known of it before; or what FILE holds.

    Nothing is looked at anew: what is kept is judged again, by today's rules. NAME@TIME shows what was known then.
    FILE is a bundle, an export of a store, the agent's report, or what --format json printed.

    \b
    nestproof show kvm07                     the answer, the broken link, the remedy, the history
    nestproof show default/ci1@2026-11-01    as it was known on that day
    nestproof show case-4711.tar.zst         a bundle that somebody sent
    """
    from commands.policies import policy_in
    from commands.recording import Recorder, opened_store, printed
    from commands.words import known
    from reports.text import check_text, matrix_text

    terminal = Terminal()
    recorder = Recorder(terminal)
    policy = policy_in()
    with opened_store() as store:
        found = known(what, store, policy)
        past = _history(found.name, store, policy, most) if found.name and form == "text" else []
    if found.about:
        terminal.note(found.about)
    result = recorder.matrix(found.chains)
    if form != "text":
        terminal.result(printed(form, result))
    elif len(found.chains) == 1:
        (chain,) = found.chains
        terminal.result(check_text(chain, verbose=verbose, **terminal.style()))
        if past:
            terminal.result("\n".join(["", "History, by today's rules", *past]))
    else:
        terminal.result(matrix_text(result, **terminal.style()))
    recorder.write(result, reports)
    return Exit.OK


def _history(name: str, store: "Store", policy: "Policy", most: int) -> list[str]:
    """A line for each of the newest reports, judged together with the host's of that time."""
    from itertools import islice

    from commands.judging import chains
    from commands.words import of_subject
    from hostcheck.model import Arrival, Question
    from reports.sanitize import sanitize

    lines = []
    for entry in islice(store.history(name), most):
        time = datetime.fromtimestamp(entry.received, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        if entry.arrival is Arrival.DESTROYED:
            lines.append(f"  {time}  destroyed")
            continue
        entries = [*(e for e in of_subject(name, store, entry.received) if e.name != name), entry]
        chain = next((c for c in chains(entries, policy) if c.subject == name and c.kind == entry.kind), None)
        if chain is not None:
            answer = chain.verdict.replace("_", " ")
            why = chain.runs_guests if chain.question is Question.RUNS_GUESTS else chain.guests_nest
            lines.append(f"  {time}  {answer:16}  {sanitize(why.reason)}")
    return lines
