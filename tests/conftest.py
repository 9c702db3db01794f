"""What every test may ask for."""

import os
import shutil
import signal
from collections.abc import Generator
from typing import Protocol, TypeVar

import pytest
from golden_files import Golden
from hypothesis import settings

from provision.providers.libvirt.reaping import supervise

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

settings.register_profile("nestproof", deadline=None)  # a busy machine is no failure
settings.load_profile("nestproof")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing them")
    parser.addoption("--pictures", action="store_true", help="write the pictures of the documentation anew")
    parser.addoption(
        "--libvirt-suite", action="append", default=[], metavar="SUITE",
        help="try all of libvirt's contract on this suite's libvirt (again for more); see deploy/libvirt_root.py",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist has threads, and a parent that does it
        supervise()  # what tests leave to PID 1 is reaped at once: libvirt waits seconds for each QEMU of a slow PID 1


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a golden file, byte for byte; with --regenerate it writes the file."""
    return Golden(regenerate=request.config.getoption("--regenerate"))


class Needs(Protocol):
    def __call__(self, program: str, package: str) -> str: ...


@pytest.fixture(scope="session")
def needs() -> Needs:
    """The path of a program. A test that lacks it skips, naming the package."""

    def find(program: str, package: str) -> str:
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{program} is not installed; it comes with the package {package}")
        return found

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _not_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _not_in_ci((yield))


def _not_in_ci(report: Report) -> Report:
    """CI installs every part, so a skipped test there is a part that is missing: it fails."""
    if report.skipped and os.environ.get("NESTPROOF_CI") == "1":
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped (NESTPROOF_CI=1): {why}"
    return report
