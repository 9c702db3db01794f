"""Reports of real machines judged again: the same bytes, the same judgement (fixtures/judged/PROVENANCE)."""

from pathlib import Path

import msgspec
import pytest
from golden_files import Golden

from hostcheck.judge import judge
from hostcheck.model import Judgement, Verdict
from hostcheck.report import decode

FIXTURES = Path(__file__).parents[2] / "fixtures/judged"
RECORDED = sorted(FIXTURES.glob("*.report.json"))
VERDICTS = {
    "here": (Verdict.DEGRADED, Verdict.UNSUPPORTED, "cpu.virtualization"),
    "tcg-amd-nested": (Verdict.DEGRADED, Verdict.DEGRADED, "nested.run"),
    "tcg-amd-nested-off": (Verdict.DEGRADED, Verdict.MISCONFIGURED, "nested.parameter"),
    "tcg-amd-no-module": (Verdict.MISCONFIGURED, Verdict.MISCONFIGURED, "kvm.module"),
    "tcg-amd-nobody": (Verdict.BLOCKED_POLICY, Verdict.BLOCKED_POLICY, "kvm.access"),
    "bochs-intel-nested": (Verdict.DEGRADED, Verdict.DEGRADED, "nested.run"),
    "bochs-intel-no-ept": (Verdict.DEGRADED, Verdict.DEGRADED, "nested.run"),
    "bochs-intel-locked": (Verdict.BLOCKED_FIRMWARE, Verdict.BLOCKED_FIRMWARE, "firmware.virtualization"),
}


def name_of(path: Path) -> str:
    return path.name.removesuffix(".report.json")


def judged(path: Path) -> Judgement:
    return judge(decode(path.read_bytes()), name_of(path))


def test_every_recorded_machine_has_its_verdict_here() -> None:
    assert {name_of(path) for path in RECORDED} == set(VERDICTS)


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_the_judgement_of_a_recorded_machine(path: Path, golden: Golden) -> None:
    judgement = judged(path)
    nests = judgement.guests_nest
    assert (judgement.runs_guests.verdict, nests.verdict, nests.decided_by) == VERDICTS[name_of(path)]
    text = msgspec.json.format(msgspec.json.encode(judgement, order="deterministic"), indent=1).decode() + "\n"
    golden(FIXTURES / f"{name_of(path)}.judgement.json", text)


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_judging_twice_gives_the_same(path: Path) -> None:
    assert judged(path) == judged(path)
