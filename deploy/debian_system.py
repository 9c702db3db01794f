"""A new minimal system in a directory, made from the packages of a suite by mmdebstrap. Needs root."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from guest_image import BuildError


def make_system(root: Path, suite: str, packages: Sequence[str], *archives: str, options: Sequence[str] = ()) -> None:
    """`root` with `packages` of `suite`; it must not be there. Raises BuildError with what mmdebstrap complained of.

    `archives` are lines for sources.list, or URLs. They are reached as this machine's apt reaches its own (proxy,
    certificates), now and by the new system's apt.
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
