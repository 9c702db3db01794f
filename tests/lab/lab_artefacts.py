"""What the software labs boot: kernels, a small Python and busybox, unpacked from Debian's packages into .cache/lab.

Nothing is installed and nothing needs root. Packages come from the machine's own apt sources; the newer kernel from the
backports suite beside the first of them.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".cache/lab"
PYTHON = "3.11"  # Debian 12's
USERLAND = (
    f"busybox-static python{PYTHON}-minimal libpython{PYTHON}-minimal libpython{PYTHON}-stdlib libc6 zlib1g libexpat1"
).split()


def command(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return what it prints; a failure skips the test and says why."""
    done = subprocess.run(
        [str(w) for w in words], cwd=cwd, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def needs(*tools: tuple[str, str]) -> None:
    """Skip the test unless each (program or file, Debian package) is there."""
    for tool, package in tools:
        if not (shutil.which(tool) or Path(tool).exists()):
            pytest.skip(f"package {package} is missing: no {tool}")


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Keep other threads and processes from building the same thing meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unpacked(name: str, packages: list[str], options: tuple[str, ...] = ()) -> Path:
    """Return the tree of some packages, downloaded and unpacked once, whoever asks at the same time."""
    tree = CACHE / name
    with one_at_a_time(name):
        if not (tree / ".complete").exists():
            fresh = CACHE / f"{name}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(tree, ignore_errors=True)
            fresh.mkdir()
            with tempfile.TemporaryDirectory(dir=CACHE) as downloads:
                command("apt-get", *options, "download", "-q", *packages, cwd=Path(downloads))
                for package in sorted(Path(downloads).glob("*.deb")):
                    command("dpkg-deb", "-x", package, fresh)
            (fresh / ".complete").touch()
            fresh.rename(tree)
    return tree


@lru_cache
def userland() -> Path:
    """Return a tree with busybox, Python and the libraries they need."""
    return unpacked("userland", USERLAND)


def dependency(metapackage: str, options: tuple[str, ...] = ()) -> str:
    """Return the versioned kernel package behind a metapackage."""
    for line in command("apt-cache", *options, "depends", metapackage).splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.startswith("linux-image"):
            return name
    pytest.skip(f"apt knows no package {metapackage}")


@lru_cache
def backports() -> tuple[str, ...]:
    """Return apt options that make it know the backports suite and nothing else, with its lists fetched."""
    state = CACHE / "apt"
    options = (
        "-oDir::Etc::SourceParts=/dev/null", f"-oDir::Etc::SourceList={state}/sources.list",
        f"-oDir::State::Lists={state}/lists", f"-oDir::Cache={state}/cache",
    )  # fmt: skip
    with one_at_a_time("apt"):
        for directory in ("lists/partial", "cache/archives/partial"):
            (state / directory).mkdir(parents=True, exist_ok=True)
        first = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)").split("\n")[0].split()
        entries = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)").splitlines()
        plain = [line.split() for line in entries if line and "-" not in line.split()[1]] or [first]
        uri, codename = plain[0]
        (state / "sources.list").write_text(f"deb {uri} {codename}-backports main\n")
        command("apt-get", *options, "update", "-q")
    return options


@lru_cache
def kernel(suite: str = "stable") -> Path:
    """Return the tree of a cloud kernel: ``stable`` (6.1) or ``backports`` (6.12)."""
    if (CACHE / f"kernel-{suite}/.complete").exists():
        return CACHE / f"kernel-{suite}"
    options = backports() if suite == "backports" else ()
    return unpacked(f"kernel-{suite}", [dependency("linux-image-cloud-amd64", options)], options)


def vmlinuz(tree: Path) -> Path:
    """Return the kernel image of a kernel tree."""
    return next((tree / "boot").glob("vmlinuz-*"))
