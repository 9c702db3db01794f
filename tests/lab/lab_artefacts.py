"""What the software labs boot: kernels, a small Python and busybox, unpacked from Debian's packages into .cache/lab.

Nothing is installed and nothing needs root. Packages come from the machine's own apt sources; the newer kernel from the
backports suite beside the first of them.
"""

import os
import shutil
import subprocess
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


def unpacked(name: str, packages: list[str], options: tuple[str, ...] = ()) -> Path:
    """Return the tree of some packages, downloaded and unpacked once."""
    tree = CACHE / name
    if (tree / ".complete").exists():
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    downloads = tree / ".debs"
    downloads.mkdir(parents=True)
    command("apt-get", *options, "download", "-q", *packages, cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        command("dpkg-deb", "-x", package, tree)
    shutil.rmtree(downloads)
    (tree / ".complete").touch()
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
def kernel(suite: str = "stable") -> Path:
    """Return the tree of a cloud kernel: ``stable`` (6.1) or ``backports`` (6.12)."""
    if (CACHE / f"kernel-{suite}/.complete").exists():
        return CACHE / f"kernel-{suite}"
    options: tuple[str, ...] = ()
    if suite == "backports":
        state = CACHE / "apt"
        for directory in ("lists/partial", "cache/archives/partial"):
            (state / directory).mkdir(parents=True, exist_ok=True)
        first = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)").split("\n")[0].split()
        entries = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)").splitlines()
        plain = [line.split() for line in entries if line and "-" not in line.split()[1]] or [first]
        uri, codename = plain[0]
        (state / "sources.list").write_text(f"deb {uri} {codename}-backports main\n")
        options = (
            "-oDir::Etc::SourceParts=/dev/null", f"-oDir::Etc::SourceList={state}/sources.list",
            f"-oDir::State::Lists={state}/lists", f"-oDir::Cache={state}/cache",
        )  # fmt: skip
        command("apt-get", *options, "update", "-q")
    return unpacked(f"kernel-{suite}", [dependency("linux-image-cloud-amd64", options)], options)


def vmlinuz(tree: Path) -> Path:
    """Return the kernel image of a kernel tree."""
    return next((tree / "boot").glob("vmlinuz-*"))
