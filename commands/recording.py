"""Keeping what was learnt: the store, the page of everything known, and the reports asked for."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from commands.failures import Failure, complain
from commands.judging import chains as judge_entries
from commands.options import STORE
from commands.output import Terminal
from commands.policies import policy_in
from commands.written import provenance, write
from hostcheck.clock import now
from hostcheck.model import Arrival, Chain, HostView, VmView
from hostcheck.paths import state_dir
from hostcheck.report import Report, encode
from reports.formats import FormatError, render
from reports.matrix import Matrix, build
from reports.store import Entry, Store, StoreError

PAGED = 1000
"""Hosts and VMs up to which every command writes the page of all of them."""


def host_entry(report: Report | None, name: str, fault: str = "") -> Entry:
    """What to keep of a host: its report, or why there is none."""
    if report is None:
        return Entry(name=name, kind="host", received=now(), arrival=Arrival.SILENT, arrival_detail=fault)
    return Entry(name=name, kind="host", received=now(), report=encode(report))


def host_view_entry(view: HostView, report: Report | None = None) -> Entry:
    """What to keep of a host that its provider's API spoke of, with its own report where ssh fetched one."""
    return Entry(
        name=view.name,
        kind="host",
        received=now(),
        provider=view.provider,
        report=encode(report) if report else None,
        arrival=Arrival.ARRIVED if report else Arrival.NOT_AWAITED,
        view=view,
    )


def vm_entry(view: VmView, host: str, report: bytes | None, arrival: Arrival, detail: str) -> Entry:
    """What to keep of a VM: its report byte for byte, or why there is none."""
    return Entry(
        name=view.name,
        kind="vm",
        received=now(),
        host=host,
        provider=view.provider,
        report=report,
        arrival=arrival,
        arrival_detail=detail,
        view=view,
    )


def destroyed_entry(name: str, provider: str) -> Entry:
    """That a VM is gone."""
    return Entry(name=name, kind="vm", received=now(), provider=provider, arrival=Arrival.DESTROYED)


def store_place() -> str | None:
    """Where this run's --store says that reports are kept; None leaves it to NESTPROOF_STORE and the default."""
    context = click.get_current_context(silent=True)
    return context.meta.get(STORE) if context else None


@contextlib.contextmanager
def opened_store() -> Iterator[Store]:
    """The user's store. Raises Failure with the store's own line."""
    try:
        with Store.open(store_place()) as store:
            yield store
    except StoreError as e:
        raise Failure(str(e)) from e


class Recorder:
    """Keeps entries and writes pages for one run of a command."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.provenance = provenance()

    def keep(self, entries: Sequence[Entry]) -> None:
        """Put the entries on disk. A store that cannot be used is said aloud and does not stop the command."""
        try:
            with Store.open(store_place()) as store:
                for entry in entries:
                    store.add(entry)
        except StoreError as e:
            complain(f"the reports were not kept: {e}")

    def matrix(self, chains: Sequence[Chain]) -> Matrix:
        """The matrix of this run."""
        return build(chains, self.provenance)

    def write(self, matrix: Matrix, targets: Sequence[tuple[str, Path]]) -> None:
        """Write the reports that were asked for. Raises Failure naming the file."""
        for form, path in targets:
            write(path, printed(form, matrix))
            self._terminal.note(f"{form} report: {path}")

    def page(self) -> Path | None:
        """Write the page of everything known into the state directory; None when that cannot be done.

        Where more than PAGED hosts and VMs are kept that would take longer than the command itself, and is left to
        `nestproof matrix`.
        """
        path = state_dir() / "matrix.html"
        try:
            with Store.open(store_place()) as store:
                if (kept := len(store.names())) > PAGED:
                    self._terminal.note(
                        f"{kept} hosts and VMs are kept: `nestproof matrix --html FILE` writes their page"
                    )
                    return None
                matrix = self.matrix(judge_entries(store.latest(), policy_in()))
            write(path, printed("html", matrix))
        except (StoreError, Failure) as e:
            complain(f"no page was written: {e}")
            return None
        return path


def printed(form: str, matrix: Matrix) -> str:
    """The matrix in a format. Raises Failure when the format cannot say it."""
    try:
        return render(form, matrix)
    except FormatError as e:
        raise Failure(str(e)) from e
