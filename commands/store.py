"""`nestproof store`: what is kept, taking it elsewhere, and letting go of what is old."""

from datetime import UTC, datetime
from pathlib import Path

import click

from commands.groups import Group
from commands.options import Finite, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

DAY = 86400


@click.group(cls=Group)
def store() -> None:
    """The reports that are kept: one SQLite file of yours, or PostgreSQL (--store, NESTPROOF_STORE) for a team.

    \b
    nestproof store info                     where it is, how much it holds
    nestproof store export all.jsonl.zst     for another machine, or a backup
    nestproof store import all.jsonl.zst     what is not there yet
    nestproof store prune --older-than 90    let go of what is old
    """


@store.command()
@store_option
def info() -> int:
    """Say where the store is and how much it holds.

    \b
    nestproof store info
    nestproof store info --store postgresql://db.example/nestproof
    """
    from commands.recording import opened_store

    with opened_store() as opened:
        seen = opened.overview()
    subjects = "1 host or VM" if seen.subjects == 1 else f"{seen.subjects} hosts or VMs"
    lines = [
        f"store     {seen.place}",
        f"schema    {seen.schema}",
        f"reports   {seen.entries}, of {subjects}",
        f"time      {_day(seen.oldest)} to {_day(seen.newest)}",
        f"size      {seen.size / 2**20:.1f} MiB",
    ]
    Terminal().result("\n".join(lines))
    return Exit.OK


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@store_option
def export(file: Path) -> int:
    """Write everything that is kept to FILE (JSON lines; compressed if it ends in .zst or .gz).

    \b
    nestproof store export all.jsonl.zst
    """
    from importlib.metadata import version

    from commands.recording import opened_store
    from reports.store.transfer import export as write

    with opened_store() as opened:
        number = write(opened.everything(), file, version("nestproof"))
    Terminal().note(f"{file}: {number} reports")
    return Exit.OK


@store.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@store_option
def import_(file: Path) -> int:
    """Add what FILE, an export or a bundle, holds and the store does not; if anything is wrong with FILE, nothing.

    \b
    nestproof store import all.jsonl.zst
    nestproof store import case.tar.zst --store case.sqlite3    to look into it apart from your own
    """
    from commands.recording import opened_store
    from commands.words import entries_in
    from reports.bundle.file import is_bundle
    from reports.store.transfer import exported

    with opened_store() as opened:
        number = opened.merge(entries_in(file) if is_bundle(file) else exported(file))
    Terminal().note(f"{file}: {number} new reports")
    return Exit.OK


@store.command()
@click.option("--older-than", type=Finite(0), metavar="DAYS", help="Remove what is older.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Remove all but the N newest of each host and VM.")
@store_option
def prune(older_than: float | None, keep: int | None) -> int:
    """Remove old reports. The newest of every host and VM stays, unless it says that the VM was destroyed.

    \b
    nestproof store prune --older-than 90 --keep 20
    """
    from commands.failures import Failure
    from commands.recording import opened_store
    from hostcheck.clock import now

    if older_than is None and keep is None:
        raise Failure("nothing says what is old: give --older-than DAYS, --keep N, or both")
    before = now() - older_than * DAY if older_than is not None else None
    with opened_store() as opened:
        removed = opened.prune(keep=keep, before=before)
    Terminal().note(f"{removed} reports removed")
    return Exit.OK


def _day(time: float | None) -> str:
    return "-" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
