"""What must agree with the truth table without booting anything: its page, the proofs of remedies, recorded reports."""

from pathlib import Path

import pytest
from golden_files import Golden
from truth_levels import LEVELS
from truth_page import page
from truth_run import compare, offered
from truth_scenarios import Scenario
from truth_table import MACHINES, SCENARIOS

from hostcheck.judge import judge
from hostcheck.remedies.book import book
from hostcheck.remedies.proved import PROVED
from hostcheck.report import MAX_BYTES, decode

REPOSITORY = Path(__file__).parents[2]
REPORTS = REPOSITORY / "tests/fixtures/reports"


def test_the_page_is_what_the_table_says(golden: Golden) -> None:
    golden(REPOSITORY / "docs/truth-table.md", page(MACHINES, SCENARIOS, LEVELS))


def test_the_first_page_tells_its_size() -> None:
    said = f"{len(MACHINES)} emulated Intel and AMD machines in {len(SCENARIOS)} known states, and {len(LEVELS)} more"
    assert said in " ".join((REPOSITORY / "README.md").read_text().split())


def test_the_table_is_large_enough_and_consistent() -> None:
    assert len({scenario.id for scenario in SCENARIOS}) == len(SCENARIOS) >= 36
    assert {scenario.machine for scenario in SCENARIOS} == {machine.id for machine in MACHINES}
    for scenario in SCENARIOS:
        assert scenario.check or not scenario.remedy, scenario.id
        assert bool(scenario.remedy) == bool(scenario.mended or scenario.unmended), scenario.id
        assert not scenario.remedy or scenario.remedy in book(), scenario.id


def test_what_a_report_calls_proven_was_run_here() -> None:
    """Each remedy that the table mends with names the first scenario in which it did, and nothing else is named."""
    mended = [scenario for scenario in reversed(SCENARIOS) if scenario.mended]
    assert {scenario.remedy: scenario.id for scenario in mended} == PROVED


def test_every_scenario_has_its_recorded_report() -> None:
    assert {path.stem for path in REPORTS.glob("*.json")} == {scenario.id for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_a_recorded_report_is_judged_as_the_table_says(scenario: Scenario) -> None:
    data = (REPORTS / f"{scenario.id}.json").read_bytes()
    assert len(data) < MAX_BYTES
    judged = judge(decode(data), scenario.id)
    assert compare("", scenario.expected, judged) == []
    remedy = offered(judged, scenario)
    assert (remedy.id if remedy else "") == scenario.remedy
    if scenario.mended and remedy:
        assert remedy.proved_in == PROVED[scenario.remedy]
