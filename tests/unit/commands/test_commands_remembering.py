"""What is remembered is what would be judged now, and a cache that cannot be used changes nothing."""

import datetime
import sqlite3
from pathlib import Path

import pytest

from commands import remembering
from commands.remembering import FILE, Memory
from hostcheck.judge import judge
from hostcheck.policy import Policy, Thresholds, Waiver
from hostcheck.report import ReportError, decode

REPORTS = sorted((Path(__file__).parents[2] / "fixtures/judged").glob("*.report.json"))
WAIVER = Waiver("capacity.memory", "new memory is ordered", "ops", datetime.date(2026, 1, 31))


@pytest.fixture
def reports() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in REPORTS}


def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are judged from now on, as against remembered."""
    names: list[str] = []

    def counted(report: object, name: str, policy: Policy) -> object:
        names.append(name)
        return judge(report, name, policy)  # type: ignore[arg-type]

    monkeypatch.setattr(remembering, "judge", counted)
    return names


def test_the_second_time_nothing_is_judged_and_all_is_the_same(
    reports: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = judged(monkeypatch)
    for _ in range(2):
        with Memory(Policy()) as memory:
            for name, report in reports.items():
                assert memory.judge(report, name) == judge(decode(report), name, Policy())
    assert names == list(reports)
    assert (tmp_path / "cache" / FILE).stat().st_mode & 0o777 == 0o600


def test_another_name_policy_day_or_rule_is_judged_anew(
    reports: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = next(iter(reports.values()))
    names = judged(monkeypatch)
    before, after = datetime.date(2026, 1, 30), datetime.date(2026, 2, 1)
    policies = [
        Policy(), Policy(Thresholds(cpus_minimum=99)), Policy(waivers=(WAIVER,), today=before),
        Policy(waivers=(WAIVER,), today=after),
    ]  # fmt: skip
    for policy in policies:
        with Memory(policy) as memory:
            assert memory.judge(report, "x") == judge(decode(report), "x", policy)
    with Memory(policies[-1]) as memory:
        memory.judge(report, "x")
        memory.judge(report, "y")
    assert names == ["x", "x", "x", "x", "y"]
    monkeypatch.setattr(remembering, "rules", lambda: b"tomorrow's")
    with Memory(policies[-1]) as memory:
        memory.judge(report, "x")
    assert names == ["x", "x", "x", "x", "y", "x"]


def test_what_other_rules_said_is_forgotten(
    reports: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for rules in (b"yesterday's", b"today's"):
        monkeypatch.setattr(remembering, "rules", lambda rules=rules: rules)
        with Memory(Policy()) as memory:
            for name, report in reports.items():
                memory.judge(report, name)
    file = sqlite3.connect(tmp_path / "cache" / FILE)
    assert file.execute("SELECT count(*), count(DISTINCT rules) FROM judged").fetchone() == (len(reports), 1)
    file.close()


@pytest.mark.parametrize("harm", ["damaged", "a directory", "a file where the directory is", "damaged rows"])
def test_a_cache_that_cannot_be_used_changes_nothing(reports: dict[str, bytes], harm: str, tmp_path: Path) -> None:
    place = tmp_path / "cache" / FILE
    if harm == "a file where the directory is":
        place.parent.write_text("x")
    elif harm == "a directory":
        place.mkdir(parents=True)
    elif harm == "damaged":
        place.parent.mkdir()
        place.write_bytes(b"no database" * 1000)
    else:
        with Memory(Policy()) as memory:
            memory.judge(reports["here.report.json"], "x")
        file = sqlite3.connect(place)
        file.execute("UPDATE judged SET judgement = x'00'")
        file.commit()
        file.close()
    with Memory(Policy()) as memory:
        for name, report in reports.items():
            assert memory.judge(report, name) == judge(decode(report), name, Policy())


def test_what_is_no_report_is_refused_every_time() -> None:
    for _ in range(2):
        with Memory(Policy()) as memory, pytest.raises(ReportError):
            memory.judge(b"{}", "x")
