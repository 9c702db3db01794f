"""The agent's command line: answers, refusals, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent import VERSION
from agent.cli import Usage, main, parse
from agent.facts import PROBES
from agent.values import selected


def test_json_when_not_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "cpu.identity,cpu.flags", "--vm=a/b"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert list(report["facts"]) == ["cpu.identity", "cpu.flags"]
    assert report["subject"]["vm"] == "a/b"
    assert err == "nestproof: nothing was to be proven\n"


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "cpu.identity", "--text"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "nestproof-agent " + VERSION in first
    assert second.startswith("cpu.identity           ok ")


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    from agent.cli import FLAGS, VALUES

    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert not [name for name in FLAGS + VALUES if name not in out and name != "-h"]
    assert all(len(line) <= 120 for line in out.splitlines())


def test_list_names_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [p[0] for p in PROBES]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nonsense"], "no such option: --nonsense"),
        (["stray"], "no such option: stray"),
        (["--json=yes"], "no such option: --json"),
        (["--only"], "--only needs a value"),
        (["--only", "cpu.flag"], "no such fact: cpu.flag; there are cpu.identity, cpu.flags"),
        (["--timeout", "soon"], "--timeout wants seconds"),
        (["--timeout", "nan"], "--timeout wants seconds"),
        (["--timeout", "-1"], "--timeout wants seconds"),
        (["--root", "/no/such/directory"], "--root /no/such/directory is not a directory"),
    ],
)
def test_wrong_usage_is_one_line_and_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_only_takes_prefixes_lists_and_repeats() -> None:
    assert selected(parse(["--only", "proof.", "--only=cpu.flags,proof.plain"])) == [
        *[p[0] for p in PROBES if p[0].startswith("proof.") and p[0] != "proof.cost"],  # costs are asked for by name
        "cpu.flags",
    ]
    assert selected({}) is None
    with pytest.raises(Usage):
        selected({"--only": ""})


def test_root_reads_the_recorded_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("recorded\n")
    assert main(["--root", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["subject"]["hostname"] == "recorded"
    assert report["facts"]["proof.plain"]["status"] == "unsupported"
    assert report["facts"]["cpu.identity"]["status"] == "absent"


@pytest.mark.parametrize("shut", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full"])
@pytest.mark.parametrize("wanted", ["--help", "--only=proof.plain"])
def test_streams_may_be_closed(wanted: str, shut: str, pyz: Path) -> None:
    command = ["sh", "-c", f'"$@" {shut}', "sh", sys.executable, str(pyz), wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert bool(done.stdout) == (">&-" not in shut.split())
