"""The interpreters to run the agent on: this one, and every other Python from 3.6 on that can be found."""

import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from agent.build import build

REPOSITORY = Path(__file__).parents[3]


@lru_cache
def interpreters() -> dict[str, str]:
    """Return {version: executable}; of several with the same minor version the first found counts."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    candidates = [Path(p) for n in range(6, 16) if (p := shutil.which(f"python3.{n}"))]
    candidates += sorted((Path.home() / ".pyenv/versions").glob("3.*/bin/python3"))
    for candidate in candidates:
        ask = [str(candidate), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=30, check=False)
        if answer.returncode == 0 and tuple(map(int, answer.stdout.strip().split("."))) >= (3, 6):
            found.setdefault(answer.stdout.strip(), str(candidate))
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "python" in metafunc.fixturenames:
        metafunc.parametrize("python", list(interpreters().values()), ids=list(interpreters()))


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one-file agent as built from the sources."""
    return build(tmp_path_factory.mktemp("agent"))
