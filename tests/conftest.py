"""What every test may ask for."""

import os
import shutil
from pathlib import Path
from typing import NoReturn, Protocol

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing them")


class Golden(Protocol):
    def __call__(self, path: Path, text: str) -> None: ...


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a golden file, byte for byte; with --regenerate it writes the file."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
        assert path.exists(), f"{path.name} is not there; run pytest --regenerate and look at what it writes"
        assert text == path.read_bytes().decode("utf-8")

    return compare


class Needs(Protocol):
    def __call__(self, program: str, package: str) -> str: ...


@pytest.fixture(scope="session")
def needs() -> Needs:
    """The path of a program. A test that lacks it skips, naming the package; in CI, which installs all, it fails."""

    def find(program: str, package: str) -> str:
        return shutil.which(program) or _lacks(f"{program} is not installed; it comes with the package {package}")

    return find


def _lacks(what: str) -> NoReturn:
    if os.environ.get("NESTPROOF_CI") == "1":
        pytest.fail(what)
    pytest.skip(what)
