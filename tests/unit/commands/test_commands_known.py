"""`show` and `compare`: names, times and files, judged again; and the exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostcheck.model import Arrival, Asked, VmView
from reports.store import Entry, Store
from reports.store.transfer import export

ROOT = Path(__file__).parents[3]
JUDGED = ROOT / "tests/fixtures/judged"
DAY = 86400.0
NESTED = (JUDGED / "tcg-amd-nested.report.json").read_bytes()
OFF = (JUDGED / "tcg-amd-nested-off.report.json").read_bytes()
VIEW = VmView("a/vm", "libvirt qemu:///system", True, Asked.ON, feature="svm", got=True)
GONE = VmView("a/gone", "libvirt qemu:///system", True, Asked.ON)
KEPT = (
    Entry("good", "host", 1 * DAY, report=OFF),
    Entry("good", "host", 5 * DAY, report=NESTED),
    Entry("bad", "host", 1 * DAY, report=NESTED),
    Entry("bad", "host", 5 * DAY, report=OFF),
    Entry("a/vm", "vm", 5 * DAY, "good", report=NESTED, view=VIEW),
    Entry("a/gone", "vm", 1 * DAY, "good", view=GONE, arrival=Arrival.SILENT, arrival_detail="nothing in 300 s"),
    Entry("a/gone", "vm", 5 * DAY, arrival=Arrival.DESTROYED),
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("known")
    with Store.open(directory / "reports.sqlite3") as store:
        for entry in KEPT:
            store.add(entry)
        export(store.everything(), directory / "all.jsonl.zst", "1")
    (directory / "report.json").write_bytes(OFF)
    (directory / "matrix.json").write_text(nestproof("matrix", "--format", "json", state=directory).stdout)
    return directory


def nestproof(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"], "NESTPROOF_STATE": str(state), "HOME": str(state), "LANG": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(int(9 * DAY)), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    argv = [sys.executable, "-m", "nestproof", *arguments]
    return subprocess.run(argv, cwd=state, capture_output=True, text=True, timeout=120, check=False, env=environment)


def changes(*arguments: str, state: Path) -> dict[str, str]:
    done = nestproof("compare", *arguments, "--format", "csv", state=state)
    assert done.returncode in (0, 3, 5), done.stderr
    return {line["subject"]: line["change"] for line in csv.DictReader(io.StringIO(done.stdout))}


def test_show_answers_for_one_machine_and_tells_its_history(state: Path) -> None:
    shown = nestproof("show", "good", state=state)
    assert shown.returncode == 0
    assert "runs guests" in shown.stdout and "History, by today's rules" in shown.stdout
    newest, oldest = shown.stdout.splitlines()[-2:]
    assert newest.split()[0] == "1970-01-06" and "DEGRADED" in newest
    assert oldest.split()[0] == "1970-01-02" and "MISCONFIGURED" in oldest


def test_show_can_go_back(state: Path) -> None:
    for word in ("good@1970-01-03", "good@1970-01-03T12:00", "good@1w"):
        document = json.loads(nestproof("show", word, "--format", "json", state=state).stdout)
        assert document["chains"][0]["guests_nest"]["verdict"] == "MISCONFIGURED"


def test_a_vm_is_shown_with_the_host_that_it_was_on(state: Path) -> None:
    (chain,) = json.loads(nestproof("show", "a/vm", "--format", "json", state=state).stdout)["chains"]
    assert (chain["subject"], chain["host"], chain["runs_guests"]["verdict"]) == ("a/vm", "good", "DEGRADED")


@pytest.mark.parametrize("name", ["all.jsonl.zst", "report.json", "matrix.json"])
def test_show_reads_files(state: Path, name: str) -> None:
    shown = nestproof("show", name, "--format", "json", state=state)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["chains"]


def test_what_is_printed_is_the_same_again(state: Path) -> None:
    for arguments in (("show", "good"), ("show", "good", "--format", "csv"), ("compare", "1970-01-03")):
        assert nestproof(*arguments, state=state).stdout == nestproof(*arguments, state=state).stdout


def test_compare_tells_times_apart(state: Path) -> None:
    assert changes("1970-01-03", state=state) == {
        "bad": "new problem", "good": "fixed", "a/vm": "new machine", "a/gone": "not looked at"
    }  # fmt: skip
    assert nestproof("compare", "1970-01-03", state=state).returncode == 3
    assert nestproof("compare", "1h", "now", state=state).returncode == 0


def test_compare_tells_machines_apart(state: Path) -> None:
    assert changes("good", "bad", state=state) == {"bad": "new problem"}
    assert changes("bad", "good", state=state) == {"good": "fixed"}
    assert changes("good@1970-01-03", "good", state=state) == {"good": "fixed"}
    text = nestproof("compare", "good", "bad", state=state)
    assert text.returncode == 3 and "fails now: nested.parameter" in text.stdout


@pytest.mark.parametrize("name", ["all.jsonl.zst", "matrix.json"])
def test_compare_reads_files(state: Path, name: str) -> None:
    assert set(changes(name, "now", state=state).values()) <= {"as before", "still"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["show", "goood"], "did you mean good?"),
        (["show", "a/gone"], "a/gone was destroyed"),
        (["show", "good@1969-01-01"], "nothing was known of 'good' then"),
        (["show", "good@tea"], "'tea' is no time"),
        (["compare", "tomorrow"], "nothing is known of 'tomorrow'"),
        (["show", "/proc/self/mem"], "/proc/self/mem"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_one_line(state: Path, arguments: list[str], why: str) -> None:
    done = nestproof(*arguments, state=state)
    assert done.returncode == 2 and why in done.stderr and "Traceback" not in done.stderr


def test_what_went_out_of_sight_is_not_fixed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "reports.sqlite3") as store:
        store.add(Entry("x", "host", 1 * DAY, report=NESTED))
        store.add(Entry("x", "host", 5 * DAY, arrival=Arrival.SILENT, arrival_detail="no answer within 60 s"))
    assert changes("1970-01-03", state=tmp_path) == {"x": "no longer known"}
    assert nestproof("compare", "1970-01-03", state=tmp_path).returncode == 5


def test_the_store_goes_elsewhere_and_lets_go(state: Path, tmp_path: Path) -> None:
    assert "7 new reports" in nestproof("store", "import", str(state / "all.jsonl.zst"), state=tmp_path).stderr
    assert "0 new reports" in nestproof("store", "import", str(state / "all.jsonl.zst"), state=tmp_path).stderr
    assert "7, of 4 hosts or VMs\n" in nestproof("store", "info", state=tmp_path).stdout
    assert "4 reports removed" in nestproof("store", "prune", "--older-than", "3", "--keep", "9", state=tmp_path).stderr
    assert "3, of 3 hosts or VMs\n" in nestproof("store", "info", state=tmp_path).stdout


def test_the_page_of_very_many_is_left_to_the_matrix(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands import recording
    from commands.output import Terminal

    monkeypatch.setenv("NESTPROOF_STORE", str(state / "reports.sqlite3"))
    monkeypatch.setenv("NESTPROOF_STATE", str(state))
    assert recording.Recorder(Terminal()).page() == state / "matrix.html"
    monkeypatch.setattr(recording, "PAGED", 3)
    assert recording.Recorder(Terminal()).page() is None
