"""Debian's archives as apt of this machine knows them, and new minimal systems made from their packages."""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

SUITE = "bookworm"
"""The Debian that the guest image and a bare machine are of."""


class BuildError(Exception):
    """It was not built; the message is one line for the user."""


def apt_sources() -> list[str]:
    """Debian's own archives among those that apt of this machine uses, as lines for sources.list."""
    form = "$(LABEL) $(COMPONENT) $(REPO_URI)"
    listing = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).decode()
    return debian_archives(line.split(" ") for line in listing.splitlines())


def debian_archives(targets: Iterable[list[str]]) -> list[str]:
    """Lines for sources.list from apt's (label, component, URI) triples; third-party archives stay out.

    Raises BuildError when Debian's main archive is not among them.
    """
    suites = {"Debian": SUITE, "Debian-Security": f"{SUITE}-security"}
    found = {fields[0]: fields[2] for fields in targets if len(fields) == 3 and fields[1] == "main"}
    if "Debian" not in found:
        raise BuildError("apt knows no Debian archive: run 'apt-get update', or give --mirror URL")
    return [f"deb {found[label]} {suite} main" for label, suite in suites.items() if label in found]


def run(command: Sequence[str], *, cwd: Path | None = None, stdin: str = "", **environment: str) -> bytes:
    """What the command wrote. Raises BuildError with the last line of its complaint."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", **environment}
    ended = subprocess.run(command, cwd=cwd, input=stdin.encode(), capture_output=True, env=env, check=False)
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        complaints = [line for line in said if line.startswith(("E:", "Err:"))]
        name = "mmdebstrap" if "mmdebstrap" in command else command[0]
        raise BuildError(f"{name} failed ({ended.returncode}): {(complaints or said)[-1]}")
    return ended.stdout


def make_system(root: Path, suite: str, packages: Sequence[str], *archives: str, options: Sequence[str] = ()) -> None:
    """`root` with `packages` of `suite`; it must not be there. Needs to be root.

    `archives` are lines for sources.list, or URLs. They are reached as this machine's apt reaches its own (proxy,
    certificates), now and by the new system's apt. Raises BuildError with what mmdebstrap complained of.
    """
    with tempfile.NamedTemporaryFile(suffix=".conf") as settings:
        settings.write(subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, check=True).stdout)
        settings.flush()
        command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}"]
        command += [f"--aptopt={settings.name}", *options, suite, str(root), *archives]
        environment = os.environ | {"LC_ALL": "C.UTF-8"}
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
        )
    if ended.returncode != 0:
        said = ended.stdout.strip().splitlines() or ["it said nothing"]
        complaints = [line for line in said if line.startswith(("E:", "dpkg: error")) and " failed" not in line]
        fault = f"mmdebstrap failed ({ended.returncode}): {(complaints or said)[-1]}"
        no_such = "; the archive has no such suite (any more): name another suite or archive"
        raise BuildError(fault + (no_such if "does not have a Release file" in fault else ""))
