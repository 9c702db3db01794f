"""The truth table: real kernels in known states, what the judge must say of them, and remedies that must turn it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from truth_run import Seen, differences, run_machine
from truth_scenarios import Scenario
from truth_table import MACHINES, SCENARIOS

Boots = dict[str, Future[dict[str, Seen]]]


@pytest.fixture(scope="module")
def boots(request: pytest.FixtureRequest) -> Iterator[Boots]:
    """The machines of the tests that were chosen, two at a time."""
    called = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {each["scenario"].machine for each in called if isinstance(each.get("scenario"), Scenario)}
    pool = ThreadPoolExecutor(2)
    try:
        yield {
            machine.id: pool.submit(
                run_machine, machine, [each for each in SCENARIOS if each.machine == machine.id], lambda *_: None
            )
            for machine in MACHINES
            if machine.id in wanted
        }
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.lab
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_a_scenario_is_judged_as_the_table_says(boots: Boots, scenario: Scenario) -> None:
    assert differences(scenario, boots[scenario.machine].result()[scenario.id]) == []
