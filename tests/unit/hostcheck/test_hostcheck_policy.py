"""The policy file: what it may say, and one line with file and line number for everything else."""

import datetime
from pathlib import Path

import pytest
from check_cases.policy import TODAY
from full_machines import amd
from hypothesis import given
from hypothesis import strategies as st
from machines import ok, report

from hostcheck.judge import judge
from hostcheck.model import Status
from hostcheck.policy import THRESHOLDS, Policy
from hostcheck.policy_file import MAX_BYTES, PolicyError, load, parse

WAIVER = '[[waivers]]\ncheck = "capacity.disk"\nreason = "SAN"\nowner = "storage"\nexpires = 2027-01-31\n'


def read(text: str) -> Policy:
    return parse(text.encode(), "p.toml", TODAY)


def test_an_empty_file_is_the_defaults() -> None:
    assert read("") == Policy(today=TODAY, source="p.toml")


def test_thresholds_and_waivers() -> None:
    policy = read("[thresholds]\ncpus-minimum = 2\nexit-us = 1.5\n" + WAIVER)
    assert (policy.thresholds.cpus_minimum, policy.thresholds.exit_us, policy.thresholds.cpus_recommended) == (
        2,
        1.5,
        8,
    )
    assert policy.waiver("capacity.disk") == policy.waivers[0]
    assert policy.waiver("capacity.memory") is None


def test_the_last_day_of_a_waiver_is_its_expiry() -> None:
    text = WAIVER.replace("2027-01-31", str(TODAY))
    assert read(text).waiver("capacity.disk") is not None
    late = parse(text.encode(), "p.toml", TODAY + datetime.timedelta(days=1))
    assert late.waiver("capacity.disk") is None
    assert late.expired == late.waivers


def test_every_threshold_can_be_set_and_is_used() -> None:
    """Each figure turns the result of some check."""
    room = {
        "capacity.cpu": ok({"usable": 6, "steal_percent": 4.0}),
        "capacity.memory": ok({"total": 12 << 30}),
        "capacity.disk": ok({"path": "/", "total": 1 << 40, "free": 50 << 30}),
    }
    before = [(f.status, f.summary) for f in judge(report(amd() | room)).findings]
    for name, value in dict.fromkeys(THRESHOLDS, 0.5).items():
        other = 1000 if "imum" in name else 1 if "recommended" in name else value
        policy = read(f"[thresholds]\n{name} = {other}\n")
        after = [(f.status, f.summary) for f in judge(report(amd() | room), policy=policy).findings]
        assert before != after, name


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[thresholds]\n\ncpu-minimum = 2\n", 3, "did you mean cpus-minimum?"),
        ("[treshold]\n", 1, "did you mean thresholds?"),
        ("thresholds = 3\n", 1, "write [thresholds]"),
        ("waivers = 3\n", 1, "write [[waivers]]"),
        ("waivers = [1]\n", 1, "write [[waivers]]"),
        ("[thresholds]\ncpus-minimum = 'four'\n", 2, "is a number from 0 on"),
        ("[thresholds]\ncpus-minimum = true\n", 2, "is a number from 0 on"),
        ("[thresholds]\nexit-us = nan\n", 2, "is a number from 0 on"),
        ("[thresholds]\nexit-us = -1\n", 2, "is a number from 0 on"),
        (WAIVER + WAIVER.replace("disk", "disc"), 7, "did you mean capacity.disk?"),
        (WAIVER.replace('owner = "storage"\n', ""), 1, "a waiver needs owner"),
        (WAIVER.replace('"SAN"', '""'), 3, "reason is a text"),
        (WAIVER.replace("2027-01-31", '"2027-01-31"'), 5, "a date without quotes"),
        (WAIVER.replace("2027-01-31", "2027-01-31T00:00:00"), 5, "a date without quotes"),
        (WAIVER + "until = 3\n", 6, "unknown key 'until'"),
        ("[thresholds\n", 1, "not TOML"),
        ("a = 1\na = 2\n", 2, "not TOML"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, line: int, says: str) -> None:
    with pytest.raises(PolicyError) as e:
        read(text)
    assert str(e.value).startswith(f"p.toml:{line}: ")
    assert says in str(e.value) and "\n" not in str(e.value)


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["[", "]", "thresholds", "waivers", "=", "\n", "1", '"', ".", "x"])).map("".join)
)
def test_whatever_is_written_is_a_policy_or_a_policy_error(text: str) -> None:
    try:
        read(text)
    except PolicyError as e:
        assert str(e).startswith("p.toml:")


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1763800000")
    assert load() == Policy(today=datetime.date(2025, 11, 22))
    (tmp_path / "nestproof").mkdir()
    (tmp_path / "nestproof/nestproof.toml").write_text(WAIVER)
    assert len(load().waivers) == 1
    with pytest.raises(PolicyError, match="no such file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(PolicyError, match="not a file"):
        load(tmp_path)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(PolicyError, match="larger than 256 KiB"):
        load(large)
    large.write_bytes(b"\xff")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load(large)


def test_a_home_that_is_closed_to_this_user_holds_no_policy_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    assert load().waivers == ()


def test_an_expired_waiver_is_a_finding() -> None:
    policy = read(WAIVER.replace("2027", "2020"))
    found = judge(report(amd()), policy=policy).finding("policy.waivers")
    assert found is not None and found.status is Status.WARN and "2020-01-31" in found.summary
