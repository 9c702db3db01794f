"""`nestproof compare`: what is new, fixed and still broken between two times, files or machines."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import format_option, reports_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from reports.matrix import Matrix


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", default="now")
@format_option
@reports_option
@store_option
def compare(before: str, after: str, form: str, reports: tuple[tuple[str, Path], ...]) -> int:
    """Tell what changed from A to B (default: now): what broke, what was fixed, what is still broken.

    A and B are times (2026-11-25, 3d, 12h), files (bundles, exports, reports, --format json), or machines: NAME or
    NAME@TIME. Both are judged by today's rules, so that a difference is one of the machines; only what --format json
    printed stays as it was judged. What could not be looked at now is never called fixed.

    Exit code 3 when something broke, 5 when something that worked is not known any more, else 0.

    \b
    nestproof compare 7d                       this week
    nestproof compare before.tar.zst now       since a bundle was made
    nestproof compare kvm07 kvm08              why does one of two hosts work
    nestproof compare kvm07@2026-11-01 kvm07   the same host, then and now
    """
    import msgspec

    from commands.policies import policy_in
    from commands.recording import Recorder, opened_store, printed
    from commands.words import known
    from reports.matrix import Provenance, build
    from reports.text import matrix_text

    terminal = Terminal()
    recorder = Recorder(terminal)
    policy = policy_in()
    with opened_store() as store:
        old, new = known(before, store, policy), known(after, store, policy)
    earlier = old.chains
    if old.name and new.name and old.name != new.name:  # two machines: the one stands for the other
        named = new.chains[0]
        earlier = tuple(msgspec.structs.replace(c, subject=named.subject, kind=named.kind) for c in old.chains)
    was = build(earlier, Provenance(recorder.provenance.version, recorder.provenance.command, old.time))
    result = build(new.chains, recorder.provenance, was)
    terminal.result(matrix_text(result, **terminal.style()) if form == "text" else printed(form, result))
    recorder.write(result, reports)
    return _exit(result)


def _exit(matrix: "Matrix") -> Exit:
    from reports.comparison import Change

    comparison = matrix.comparison
    assert comparison is not None
    if comparison.of(Change.BROKE) or any(difference.new for difference in comparison.differences):
        return Exit.FAIL
    return Exit.INCOMPLETE if comparison.of(Change.LOST) else Exit.OK
