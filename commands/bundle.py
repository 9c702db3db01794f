"""`nestproof bundle`: all that somebody needs to see why, in one file, without secrets and, if asked for, names."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import Finite, store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    from hostcheck.policy import Policy
    from reports.bundle import Bundle
    from reports.bundle.redact import Redactor

SHOWN = 10
"""Lines of one kind that are printed."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to write it: .tar.zst, .tar.gz or .tar; default: nestproof-TIME.tar.zst here.")  # fmt: skip
@click.option("--redact", is_flag=True, help="Give hosts, VMs, users, addresses, serials and keys other names.")
@click.option("--map", "map_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where the other names are kept, for you alone; default: in your state directory.")  # fmt: skip
@click.option("--omit", multiple=True, metavar="GLOB", help="Leave out files of such a name, as in '*/console.log'.")
@click.option("--history", type=click.IntRange(1), default=3, show_default=True, metavar="N",
              help="Reports of each host and VM to take from what is kept, the newest.")  # fmt: skip
@click.option("--timeout", type=Finite(1, 3600), default=60.0, show_default=True, metavar="SECONDS",
              help="Limit for each host that is asked.")  # fmt: skip
@click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Use this ssh configuration in place of your own.")  # fmt: skip
@click.option("--sudo", is_flag=True, help="Look as root on remote hosts, by `sudo -n`.")
@store_option
def bundle(
    targets: tuple[str, ...], output: Path | None, redact: bool, map_file: Path | None, omit: tuple[str, ...],
    history: int, timeout: float, ssh_config: str | None, sudo: bool,
) -> int:  # fmt: skip
    """Write one file for whoever has to help: reports, what was read on the machine, what providers say, logs.

    Without TARGET: this machine, looked at now, and all that is kept. TARGET is `local`, a name that is kept, a host to
    ask by ssh, vsphere://HOST or proxmox://HOST, manifests (FILE.yaml), a directory made by `nestproof agent run
    --capture`, or a file with reports.

    Secrets are always taken out, and the result is searched for secrets once more: if one is left, nothing is written
    (exit code 3). --redact also replaces names and addresses, the same way in every bundle; verdicts stay the same.

    \b
    nestproof bundle --redact -o case.tar.zst   everything, without names
    nestproof bundle vm.yaml local              the VMs of a manifest, and this machine
    nestproof show case.tar.zst                 what it says, on any machine, by today's rules
    """
    from commands.bundling import Gathering, Wanted, checked_name, default_name, vms_of
    from commands.failures import Failure
    from commands.policies import policy_in
    from commands.recording import Recorder, store_place
    from hostcheck.paths import state_dir
    from provision.providers import prepare_process
    from reports.bundle import Bundle, BundleError, LeftOut, secrets
    from reports.bundle.aliases import Aliases
    from reports.bundle.cleaning import cleaned, redacted, reserved
    from reports.bundle.file import write
    from reports.bundle.redact import Redactor
    from reports.store import Store, StoreError

    terminal = Terminal()
    policy = policy_in()
    path = checked_name(output or Path(default_name()))
    made = Recorder(terminal).provenance
    unusable = ""
    try:
        with Store.open(store_place()) as store:
            wanted = Wanted(targets, store, history)
    except StoreError as e:
        unusable = str(e)
        wanted = Wanted(targets, None, history)
    specs, vms = vms_of(wanted.entries, wanted.manifests)
    prepare_process(specs)  # before anything is started
    full = Bundle(made.version, made.command, made.time)
    gathering = Gathering(full, terminal, timeout)
    if unusable:
        gathering.left_out("the reports that are kept", unusable)
    if wanted.here:
        gathering.here()
    gathering.kept(wanted.entries)
    for directory in wanted.recordings:
        gathering.recording(directory)
    if wanted.hosts:
        gathering.hosts(wanted.hosts, ssh_config or "", sudo)
    if wanted.estates:
        gathering.estates(wanted.estates)
    gathering.providers(specs, vms)
    for name in [name for name in full.files if any(fnmatch.fnmatchcase(name, glob) for glob in omit)]:
        del full.files[name]
        full.left_out.append(LeftOut(name, "omitted"))
    known = secrets.literals(os.environ)
    result, redactor, map_file = cleaned(full, known), None, map_file or state_dir() / "redaction-map.json"
    try:
        if redact:
            redactor = Redactor(Aliases.load(map_file), reserved(full))
            result = redacted(result, redactor)
            _check_same(full, result, policy)
        page = _page(result, policy)
        _check_clean(result, page, known, redactor)
        if redactor is not None:
            redactor.aliases.save(map_file)  # first: a bundle whose names nobody can read any more would be useless
        write(result, page, path)
    except BundleError as e:
        raise Failure(str(e)) from e
    _tell(result, path, terminal, map_file if redact else None)
    terminal.result(str(path))
    return Exit.OK


def _page(bundle: Bundle, policy: Policy) -> bytes:
    """The page of the bundle, made of nothing but the bundle; empty where it would be too large for one."""
    from commands.judging import chains
    from commands.recording import printed
    from commands.words import newest
    from reports.bundle.model import MAX_FILE, PAGE, LeftOut
    from reports.matrix import Provenance, build

    about = Provenance(bundle.version, bundle.command, bundle.made)
    page = printed("html", build(chains(newest(bundle.entries()), policy), about)).encode()
    if len(page) <= MAX_FILE:
        return page
    why = f"{len(page) >> 20} MiB; `nestproof show BUNDLE --format html` makes it"
    bundle.left_out.append(LeftOut(PAGE, why))
    return b""


def _check_same(full: Bundle, result: Bundle, policy: Policy) -> None:
    """The redacted bundle is judged as the whole one is. Raises Failure: then a name was no name but part of a fact."""
    from commands.failures import Failure

    before, after = (_judged(each, policy) for each in (full, result))
    if before != after:
        (said, *_) = list((before - after).keys() | (after - before).keys())
        raise Failure(
            f"nothing was written: redacted, it would be judged otherwise ({said})",
            hint="a host, VM or user is called as something that reports speak of; send it without --redact",
        )


def _judged(bundle: Bundle, policy: Policy) -> Counter[str]:
    """Every verdict and finding, without names."""
    from commands.judging import chains

    found = Counter[str]()
    for chain in chains(bundle.entries(), policy):
        checks = " ".join(f"{finding.check}={finding.status}" for finding in chain.findings)
        links = " ".join(f"{link.link}={link.status}" for link in chain.links)
        answers = f"{chain.runs_guests.verdict} {chain.guests_nest.verdict} {chain.broken or ''}"
        found[f"{chain.kind} {answers} {links} {checks}"] += 1
    return found


def _check_clean(bundle: Bundle, page: bytes, known: frozenset[str], redactor: Redactor | None) -> None:
    """Search once more. Raises Failure when anything is left."""
    from commands.failures import Failure, complain
    from reports.bundle.cleaning import search
    from reports.sanitize import sanitize

    found = list(dict.fromkeys(map(str, search(bundle, page, known, redactor))))
    for line in found[:SHOWN]:
        complain(sanitize(line))
    if found:
        more = f" ({len(found) - SHOWN} more)" if len(found) > SHOWN else ""
        raise Failure(
            f"nothing was written: a secret is left in the bundle{more}",
            code=Exit.FAIL, hint="look at these files; --omit GLOB leaves one out",
        )  # fmt: skip


def _tell(bundle: Bundle, path: Path, terminal: Terminal, map_file: Path | None) -> None:
    from commands.manifests import plural
    from reports.sanitize import sanitize

    reports, files = plural(len(bundle.subjects), "report"), plural(len(bundle.files), "file")
    terminal.note(f"{reports} and {files}, {path.stat().st_size / 2**20:.1f} MiB")
    _listed([f"left out: {sanitize(out.name)}: {sanitize(out.why)}" for out in bundle.left_out], terminal)
    if map_file is not None:
        terminal.note(f"names were replaced; what they stand for is in {map_file}, which only you should have")


def _listed(lines: Sequence[str], terminal: Terminal) -> None:
    for line in lines[:SHOWN]:
        terminal.note(line)
    if len(lines) > SHOWN:
        terminal.note(f"and {len(lines) - SHOWN} more, in its manifest.json")
