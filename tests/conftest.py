"""What every test may ask for."""

import os
import shutil
from typing import NoReturn, Protocol

import pytest
from golden_files import Golden
from hypothesis import settings

settings.register_profile("nestproof", deadline=None)  # a busy machine is no failure
settings.load_profile("nestproof")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a golden file, byte for byte; with --regenerate it writes the file."""
    return Golden(regenerate=request.config.getoption("--regenerate"))


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
