"""What every test may ask for."""

import os
import shutil
from typing import NoReturn, Protocol

import pytest


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
