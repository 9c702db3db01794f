"""`make lab`: go through the truth table, print it, and write docs/truth-table.md when it holds.

`--record` also writes the reports to tests/fixtures/reports, `--machine ID` takes some machines only.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import pytest
from lab_artefacts import REPOSITORY
from truth_levels import LEVELS, level_differences, run_levels
from truth_page import page
from truth_record import recorded
from truth_run import Seen, differences, run_machine
from truth_scenarios import Machine, Scenario
from truth_session import Broken
from truth_table import MACHINES, SCENARIOS

PAGE = REPOSITORY / "docs/truth-table.md"
REPORTS = REPOSITORY / "tests/fixtures/reports"
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}
AT_ONCE = 2


def main() -> int:
    """Return 0 when every scenario is as the table says, else 3."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", action="append", choices=[machine.id for machine in MACHINES])
    parser.add_argument("--record", action="store_true")
    wanted = parser.parse_args()
    machines = [machine for machine in MACHINES if not wanted.machine or machine.id in wanted.machine]
    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        two = None if wanted.machine else pool.submit(go_through_levels)
        failed = sum(pool.map(go_through, machines, [wanted.record] * len(machines)))
        failed += two.result() if two else 0
    count = sum(1 for scenario in SCENARIOS if scenario.machine in {machine.id for machine in machines})
    count += len(LEVELS) if two else 0
    print(f"\n{count - failed} of {count} scenarios are as the table says; {time.monotonic() - started:.0f} s")
    if not failed and not wanted.machine:
        PAGE.write_text(page(MACHINES, SCENARIOS, LEVELS), "utf-8")
    return 3 if failed else 0


def go_through(machine: Machine, record: bool) -> int:
    """Run one machine's scenarios, print each as it is done, and return how many are not as the table says."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.machine == machine.id]
    wrong: list[str] = []
    held: list[str] = []

    def told(name: str, seen: Seen) -> None:
        different = differences(BY_ID[name], seen)
        (wrong if different else held).append(name)
        print("\n".join((text(BY_ID[name], seen, not different), *(f"      {each}" for each in different))), flush=True)
        if record:
            REPORTS.mkdir(exist_ok=True)
            (REPORTS / f"{name}.json").write_bytes(recorded(seen.report, name))

    try:
        run_machine(machine, scenarios, told)
    except (Broken, pytest.skip.Exception) as e:
        print(f"{machine.id}: {e}", file=sys.stderr)
    return len(scenarios) - len(held)


def go_through_levels() -> int:
    """Run the scenarios of two levels, print each, and return how many are not as the table says."""
    try:
        seen = run_levels(LEVELS)
    except (Broken, pytest.skip.Exception) as e:
        print(f"levels: {e}", file=sys.stderr)
        return len(LEVELS)
    wrong = 0
    for level in LEVELS:
        different, chain = level_differences(level, seen[level.id]), seen[level.id].before
        wrong += bool(different)
        mark = "WRONG" if different else "ok"
        turned = f" {level.remedy} -> {level.mended.runs}/{level.mended.nests}" if level.mended else ""
        print(
            f"{mark:5} {level.id:30} {chain.runs_guests.verdict}/{chain.guests_nest.verdict}: {chain.sentence}{turned}"
        )
        print("".join(f"      {each}\n" for each in different), end="", flush=True)
    return wrong


def text(scenario: Scenario, seen: Seen, held: bool) -> str:
    """Return the line of a scenario: what was expected and seen, the remedy that was run, whether it turned."""
    expected = f"{scenario.expected.runs}/{scenario.expected.nests}"
    saw = f"{seen.before.runs_guests.verdict}/{seen.before.guests_nest.verdict}"
    remedy = seen.remedy.id if seen.remedy else "-"
    turned = f"{seen.after.runs_guests.verdict}/{seen.after.guests_nest.verdict}" if seen.after else "not run"
    after = f"{remedy} -> {turned}" if seen.remedy else "-"
    mark = "ok" if held else "WRONG"
    return f"{mark:5} {scenario.id:30} expected {expected:35} seen {saw:35} remedy {after}"


if __name__ == "__main__":
    sys.exit(main())
