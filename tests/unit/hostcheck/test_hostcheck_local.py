"""This machine's report, made in this process or by a process of its own while the caller goes on."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostcheck.local import Look, local_report


@pytest.fixture
def look() -> Iterator[Look]:
    begun = Look(timeout=60)
    yield begun
    begun.close()


def test_a_look_in_its_own_process_sees_what_one_in_this_process_sees(look: Look) -> None:
    report, here = look.report(), local_report(timeout=60)
    assert report.agent == here.agent
    assert report.subject.boot_id == here.subject.boot_id
    assert report.facts.keys() == here.facts.keys()
    assert {fact: seen.status for fact, seen in report.facts.items()} == {
        fact: seen.status for fact, seen in here.facts.items()
    }


def test_two_who_ask_get_the_same_report(look: Look) -> None:
    assert look.report() is look.report()


def test_a_look_that_comes_to_nothing_is_made_up_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho '{}'\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    look = Look(timeout=60)
    try:
        assert look.report().subject.boot_id == local_report(timeout=60).subject.boot_id
    finally:
        look.close()


def test_a_look_that_nobody_needs_leaves_no_process() -> None:
    look = Look(timeout=60)
    look.begin()
    process = look._process
    look.begin()
    assert look._process is process, "once is enough"
    look.close()
    assert process is not None
    assert process.returncode is not None
    Look(timeout=60).close()  # one that never began


def test_many_threads_may_ask_at_once(look: Look) -> None:
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda _: look.report(), range(8)))
    assert all(report is reports[0] for report in reports)
