"""What goes into a bundle: from this machine, from what is kept, from other hosts, from providers, from files.

What cannot be had is named among what was left out and stops nothing: a bundle is for when things are broken.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from commands.failures import Failure
from commands.filenames import is_file_name
from commands.output import Terminal
from commands.recording import host_entry, host_view_entry, vm_entry
from commands.words import entries_in
from hostcheck.clock import now
from hostcheck.local import recorded_report, replayed_report
from hostcheck.process import ProcessError, run
from hostcheck.report import encode
from reports.bundle import Bundle, LeftOut
from reports.store import Entry, Store

if TYPE_CHECKING:
    from provision.model import ProviderSpec

FACTS = "nestproof-facts.json"
"""The file by which a recorded machine is known."""
TAIL = 4 << 20
"""Bytes of the kernel's log, the last ones."""
PROGRAMS = (("qemu-system-x86_64", "--version"), ("libvirtd", "--version"), ("cloud-init", "--version"))
PACKAGES = ("libvirt-python", "pyvmomi", "proxmoxer", "sqlalchemy", "msgspec", "click")


class Gathering:
    """Fills a bundle."""

    def __init__(self, bundle: Bundle, terminal: Terminal, timeout: float) -> None:
        self.bundle = bundle
        self._terminal = terminal
        self._timeout = timeout
        self._folders: dict[tuple[str, str], str] = {}

    def here(self) -> None:
        """This machine: its report made now, all that was read for it, the kernel's log, and versions."""
        self._terminal.progress("looking at this machine")
        with tempfile.TemporaryDirectory(prefix="nestproof-bundle-") as directory:
            report = recorded_report(Path(directory))
            folder = self._entry(host_entry(report, report.subject.hostname or "unnamed"))
            self._tree(Path(directory), f"{folder}/capture")
        try:
            log = run(["dmesg"], timeout=30)
            if log.code:
                self.left_out(f"{folder}/kernel.log", log.last_words)
            else:
                self.bundle.add(f"{folder}/kernel.log", log.stdout[-TAIL:])
        except ProcessError as e:
            self.left_out(f"{folder}/kernel.log", str(e))
        self.bundle.add(f"{folder}/versions.json", msgspec.json.encode(_versions(), order="sorted"))

    def kept(self, entries: Iterable[Entry]) -> None:
        """What a store or a file holds."""
        for entry in entries:
            self._entry(entry)

    def recording(self, directory: Path) -> None:
        """A machine that `nestproof agent run --capture` recorded."""
        report = replayed_report(directory)
        name = report.subject.hostname or directory.resolve().name
        folder = self._entry(Entry(name, "host", report.started, report=encode(report)))
        self._tree(directory, f"{folder}/capture")

    def hosts(self, targets: Sequence[str], config: str, sudo: bool) -> None:
        """Hosts that are asked now, by OpenSSH: their reports, and every file that was read for them."""
        from commands.fleet import ask, chosen
        from hostcheck.reach.ssh import Ssh

        how = Ssh(config, sudo, record=True)
        asked = ask(chosen(targets, []), how, limit=8, timeout=self._timeout, terminal=self._terminal)
        for reached in asked.reached:
            folder = self._entry(host_entry(reached.report, reached.target.name, reached.fault))
            for name, data in sorted(reached.record.items()):
                self.bundle.add(f"{folder}/capture/{name}", data)
            if reached.record_fault:
                self.left_out(f"{folder}/capture", reached.record_fault)

    def estates(self, targets: Sequence[str]) -> None:
        """What the APIs of whole hypervisors say of all their hosts and VMs; nothing runs there."""
        from commands.check import NOT_INSIDE
        from commands.estates import ALL, look
        from hostcheck.model import Arrival

        looked = look(targets, [ALL], self._terminal)
        for view in looked.hosts:
            self._entry(host_view_entry(view))
        for vm in looked.vms:
            self._entry(vm_entry(vm, vm.host, None, Arrival.NOT_AWAITED, NOT_INSIDE))
        if looked.codes:
            self.left_out(f"what {' '.join(targets)} say", "not all of them could be asked")

    def providers(self, specs: Sequence[ProviderSpec], vms: Sequence[tuple[str, str]]) -> None:
        """What the providers of these VMs (provider type and endpoint, `namespace/name`) can show of them."""
        from provision.provider import Diagnosing, ProviderError
        from provision.providers import open_provider

        for spec in specs:
            named = f"{spec.type} {spec.endpoint}"
            names = [name for where, name in vms if where == named]
            try:
                provider = open_provider(spec)
            except ProviderError as e:
                self.left_out(f"what {named} says", str(e))
                continue
            try:
                if not isinstance(provider, Diagnosing):
                    continue
                for name in names:
                    self._terminal.progress(f"{named}: {name}")
                    namespace, _, bare = name.partition("/")
                    folder = self._folders.get(("vm", name)) or f"providers/{name}"
                    for artefact in provider.artefacts(namespace, bare):
                        self.bundle.add(f"{folder}/provider/{artefact.name}", artefact.data)
            except ProviderError as e:
                self.left_out(f"what {named} says", str(e))
            finally:
                provider.close()

    def left_out(self, name: str, why: str) -> None:
        self.bundle.left_out.append(LeftOut(name, why))

    def _entry(self, entry: Entry) -> str:
        folder = self.bundle.add_entry(entry)
        self._folders.setdefault((entry.kind, entry.name), folder)
        return folder

    def _tree(self, root: Path, folder: str) -> None:
        """Plain files below a directory; no link is followed, so nothing from outside gets in."""
        for where, directories, names in os.walk(root, followlinks=False):
            directories.sort()
            for name in sorted(names):
                path = Path(where) / name
                inside = f"{folder}/{path.relative_to(root)}"
                try:
                    if path.is_symlink() or not path.is_file():
                        self.left_out(inside, "no plain file")
                    else:
                        self.bundle.add(inside, path.read_bytes())
                except OSError as e:
                    self.left_out(inside, e.strerror or str(e))


class Wanted:
    """Which of the targets is what. Names are looked for in the store first; what is nothing else is a host.

    Raises Failure for a file that is not there.
    """

    def __init__(self, targets: Sequence[str], store: Store | None, history: int) -> None:
        self.here = not targets
        self.recordings: list[Path] = []
        self.manifests: list[str] = []
        self.hosts: list[str] = []
        self.estates: list[str] = []
        self.entries: list[Entry] = []
        from commands.estates import scheme
        from provision.providers import ESTATES

        known = store.names() if store else ()
        chosen = dict.fromkeys(targets) if targets else dict.fromkeys(known)
        for target in chosen:
            path = Path(target)
            if scheme(target) in ESTATES:
                self.estates.append(target)
            elif store and target in known:
                self.entries += _history(store, target, history)
            elif target == "local":
                self.here = True
            elif (path / FACTS).is_file():
                self.recordings.append(path)
            elif path.is_dir() or path.suffix in (".yaml", ".yml"):
                self.manifests.append(target)
            elif path.is_file():
                self.entries += entries_in(path)
            elif is_file_name(target):
                raise Failure(f"{target}: no such file")
            elif "/" in target and "://" not in target:
                raise Failure(f"{target}: no such file, and nothing is kept of a VM of this name")
            else:
                self.hosts.append(target)
        self.entries = list({_identity(entry): entry for entry in self.entries}.values())


def vms_of(entries: Iterable[Entry], manifests: Sequence[str]) -> tuple[list[ProviderSpec], list[tuple[str, str]]]:
    """The providers on this machine of the VMs that are kept, and those of manifests; and who is where.

    A provider elsewhere is asked only where a manifest names it. Raises Failure for manifests with errors.
    """
    from provision.model import ProviderSpec

    specs: dict[str, ProviderSpec] = {}
    vms: dict[tuple[str, str], None] = {}
    for entry in entries:
        kind, _, endpoint = entry.provider.partition(" ")
        if entry.kind == "vm" and kind == "libvirt" and ":///" in endpoint and "/" in entry.name:
            specs.setdefault(entry.provider, ProviderSpec(entry.provider, kind, endpoint, None))
            vms[entry.provider, entry.name] = None
    if manifests:
        from commands.manifests import wanted

        for vm in wanted(tuple(manifests), None, Terminal()):
            named = f"{vm.provider.type} {vm.provider.endpoint}"
            specs[named] = vm.provider
            vms[named, vm.key] = None
    return list(specs.values()), list(vms)


def _history(store: Store, name: str, most: int) -> list[Entry]:
    """The newest entries of a subject, and of a VM's host the newest."""
    from itertools import islice

    found = list(islice(store.history(name), most))
    hosts = {entry.host for entry in found if entry.kind == "vm" and entry.host}
    return found + [entry for host in sorted(hosts) for entry in islice(store.history(host), 1)]


def _identity(entry: Entry) -> tuple[str, str, float, bytes | None]:
    return entry.kind, entry.name, entry.received, entry.report


def _versions() -> dict[str, str]:
    found = {"nestproof": version("nestproof"), "python": platform.python_version(), "kernel": platform.release()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    for program, *arguments in PROGRAMS:
        try:
            said = run([program, *arguments], timeout=10)
            found[program] = (said.stdout or said.stderr).decode("utf-8", "replace").strip().partition("\n")[0][:200]
        except ProcessError as e:
            found[program] = str(e)
    return found


def default_name() -> str:
    """Of a bundle that is made now."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now(), UTC).strftime("nestproof-%Y%m%dT%H%M%SZ.tar.zst")


def checked_name(path: Path) -> Path:
    """A name that says how the bundle is packed. Raises Failure."""
    from reports.bundle.file import ENDINGS

    if not path.name.endswith(ENDINGS):
        raise Failure(f"{path}: the name of a bundle ends in one of {', '.join(ENDINGS)}")
    return path
