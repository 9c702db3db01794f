"""The command line as a user meets it: exit codes, one-line failures, help that does not import the world."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import agent
from nestproof import COMMANDS

NESTPROOF = [sys.executable, "-m", "nestproof"]


def nestproof(*arguments: str, state: Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "NESTPROOF_STATE": str(state), "HOME": str(state), "LANG": "C.UTF-8"}
    return subprocess.run(
        [*NESTPROOF, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment | env,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str, tmp_path: Path) -> None:
    result = nestproof(command, "--help", state=tmp_path)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) > 5


def test_the_front_page_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    result = nestproof("--help", state=tmp_path)
    assert all(command in result.stdout for command in COMMANDS)
    assert "Exit codes" in result.stdout


def test_the_front_page_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['nestproof', '--help']\n"
    code += "import nestproof\ntry: nestproof.main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('sqlalchemy','jinja2','ruamel','libvirt','rich','requests') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["check", "--format", "pdf"],
        ["check", "--report", "html"],
        ["check", "--report", "pdf=x.pdf"],
        ["apply"],
        ["apply", "no-such-file.yaml"],
        ["destroy", "no-such-file.yaml"],
        ["lint", "no-such-file.yaml"],
        ["explain", "kvm.acess"],
        ["agent", "cloud-init", "--vm", "no slash"],
        ["matrix", "--forget", "nobody"],
        ["matrix", "--store", "postgresql://me:s3cret@127.0.0.1/x"],
        ["matrix", "--store", "mysql://127.0.0.1/x"],
        ["store", "prune"],
        ["check", "-i", "/dev/zero"],
        ["check", "-i", "/dev/null"],
        ["check", "kvm\n01"],
        ["check", "telnet://kvm01"],
        ["store", "import", "/dev/null"],
        ["store", "export", "/proc/nowhere/x"],
        ["check", "--report", "html=/proc/nowhere/x.html"],
    ],
    ids=" ".join,
)
def test_wrong_input_is_one_clear_line_and_exit_2(arguments: list[str], tmp_path: Path) -> None:
    result = nestproof(*arguments, state=tmp_path)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert result.stderr.strip()


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    assert "did you mean kvm.access" in nestproof("explain", "kvm.acess", state=tmp_path).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "nestproof: no such command 'chek'; did you mean check?\n  `nestproof --help` tells how\n"),
        (["agent", "buil"], "nestproof: no such command 'buil'; did you mean build?\n  `nestproof agent --help` "),
        (["plan", "--paralel", "3"], "nestproof: no such option --paralel; did you mean --parallel?\n"),
        (["check", "--timeout", "soon"], "nestproof: invalid value for '--timeout': 'soon' is not a number\n"),
        (["check", "--timeout", "nan"], "nestproof: invalid value for '--timeout': 'nan' is not a number\n"),
        (["verify", "x", "--timeout", "inf"], "nestproof: invalid value for '--timeout': 'inf' is not a number\n"),
        (["check", "--forks", "few"], "nestproof: invalid value for '--forks': 'few' is not a whole number\n"),
        (["check", "--format"], "nestproof: option '--format' requires an argument\n"),
        (["compare"], "nestproof: missing argument 'A'\n  `nestproof compare --help` tells how\n"),
    ],
)
def test_a_slip_is_one_line_with_what_was_meant(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = nestproof(*arguments, state=tmp_path)
    assert result.returncode == 2 and not result.stdout
    assert result.stderr.startswith(said)
    assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize("group", [[], ["agent"], ["store"]])
def test_the_list_of_commands_cuts_nothing_off(group: list[str], tmp_path: Path) -> None:
    listed = nestproof(*group, "--help", state=tmp_path).stdout.partition("Commands:")[2]
    assert listed.strip() and "...\n" not in listed


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The exit code of a check whose streams are all there."""
    return nestproof("check", "--format", "json", state=tmp_path_factory.mktemp("plain")).returncode


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "| true", "2>&1 | true", "2>/dev/full"])
def test_streams_that_are_gone_change_no_exit_code(plain: int, redirection: str, tmp_path: Path) -> None:
    script = f'set -o pipefail; "{sys.executable}" -m nestproof check -v {redirection}'
    env = {"PATH": "/usr/bin:/bin", "NESTPROOF_STATE": str(tmp_path), "LANG": "C.UTF-8"}
    result = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == plain, result.stderr
    assert "Traceback" not in result.stderr and "nestproof:" not in result.stderr


@pytest.mark.parametrize("arguments", [["check"], ["explain"], ["schema"], ["--help"], ["matrix", "--format", "csv"]])
def test_a_result_that_cannot_be_written_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    command = [*NESTPROOF, *arguments]
    env = {"PATH": "/usr/bin:/bin", "NESTPROOF_STATE": str(tmp_path), "LANG": "C.UTF-8"}
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            command, env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert result.returncode == 2
    assert result.stderr == "nestproof: cannot write to standard output: No space left on device\n"


def test_debug_shows_where(tmp_path: Path) -> None:
    result = nestproof("--debug", "explain", "nothing", state=tmp_path)
    assert result.returncode == 2
    assert "Traceback" in result.stderr and "there is no check or rule called" in result.stderr


def test_a_damaged_store_is_one_line_and_is_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "reports.sqlite3"
    store.write_bytes(b"not a database at all" * 100)
    before = store.read_bytes()
    result = nestproof("matrix", state=tmp_path)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert str(store) in result.stderr
    assert store.read_bytes() == before


def test_a_bundle_is_made_even_of_a_damaged_store(tmp_path: Path) -> None:
    (tmp_path / "reports.sqlite3").write_bytes(b"not a database at all" * 100)
    result = nestproof("bundle", "-o", str(tmp_path / "case.tar.gz"), state=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "left out: the reports that are kept: " in result.stderr and "1 report and" in result.stderr


@pytest.mark.parametrize("epoch", ["99999999999999999999", "tomorrow", "-5", "\u0662"])
def test_a_date_of_the_build_that_is_none_is_the_clocks(epoch: str, tmp_path: Path) -> None:
    assert nestproof("matrix", state=tmp_path, SOURCE_DATE_EPOCH=epoch).returncode == 0


def test_results_go_to_stdout_and_the_rest_to_stderr(tmp_path: Path) -> None:
    result = nestproof("check", "--format", "json", state=tmp_path)
    assert result.stdout.startswith("{") and "page of everything known" in result.stderr
    assert result.returncode in (0, 3, 5)


@pytest.mark.parametrize("command", ["lint", "verify", "destroy"])
def test_a_plan_where_manifests_belong_is_named_as_one(command: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"schema": "nestproof.plan/1", "vms": []}')
    result = nestproof(command, str(plan), state=tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode == 2
    assert "a plan of nestproof: `nestproof apply` takes it" in said and "kind" not in said


def test_a_check_that_failed_as_a_whole_shows_no_page(tmp_path: Path) -> None:
    result = nestproof("check", "vsphere://", state=tmp_path, GOVC_URL="")
    assert result.returncode == 2 and "GOVC_URL is empty" in result.stderr
    assert "page of everything" not in result.stderr and not (tmp_path / "matrix.html").exists()


def test_ctrl_c_while_it_starts_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n")
    result = nestproof("--help", state=tmp_path, PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_hosts_come_on_standard_input(tmp_path: Path) -> None:
    result = nestproof("check", "-i", "-", state=tmp_path, stdin="kvm01 kvm02\n")
    assert result.returncode == 2 and "standard input:1: one host a line" in result.stderr
    assert "standard input where it is `-`" in " ".join(nestproof("check", "--help", state=tmp_path).stdout.split())


def test_no_escapes_without_a_terminal(tmp_path: Path) -> None:
    result = nestproof("check", state=tmp_path)
    assert "\x1b" not in result.stdout + result.stderr
    assert "\x1b[" in nestproof("check", state=tmp_path, FORCE_COLOR="1").stdout
    assert "\x1b" not in nestproof("check", state=tmp_path, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_an_ascii_terminal_gets_ascii(tmp_path: Path) -> None:
    result = nestproof("check", state=tmp_path, PYTHONIOENCODING="ascii")
    assert result.returncode in (0, 3, 5)
    assert result.stdout.isascii() and result.stdout


def test_what_was_checked_is_in_the_matrix_and_can_be_forgotten(tmp_path: Path) -> None:
    nestproof("check", state=tmp_path)
    page = tmp_path / "matrix.html"
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")
    listed = nestproof("matrix", state=tmp_path)
    assert listed.returncode == 0
    import json

    name = json.loads(nestproof("check", "--format", "json", state=tmp_path).stdout)["chains"][0]["subject"]
    assert name in listed.stdout
    assert nestproof("matrix", "--forget", name, state=tmp_path).returncode == 0
    assert name not in nestproof("matrix", state=tmp_path).stdout


def test_agent_build_writes_a_file_that_runs(tmp_path: Path) -> None:
    built = tmp_path / "agent.pyz"
    assert nestproof("agent", "build", "-o", str(built), state=tmp_path).returncode == 0
    result = subprocess.run(
        [sys.executable, "-I", str(built), "--json"], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"nestproof.report/1"' in result.stdout


def test_agent_build_into_nowhere_is_one_line(tmp_path: Path) -> None:
    result = nestproof("agent", "build", "-o", "/proc/nowhere/agent.pyz", state=tmp_path)
    assert result.returncode == 2 and "/proc/nowhere" in result.stderr


def test_measuring_says_what_exits_cost_or_why_not(tmp_path: Path) -> None:
    result = nestproof("check", "--measure", state=tmp_path, PYTHONIOENCODING="ascii")
    assert result.returncode in (0, 3, 5) and result.stdout.isascii()
    said = [line for line in result.stdout.splitlines() if ": an exit of a guest: " in line.replace("\n", " ")]
    assert len(said) == 1
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        assert "median" in said[0] or "emulated" in said[0]
    assert "an exit of a guest" not in nestproof("check", state=tmp_path).stdout


def test_the_version_is_said_in_one_way() -> None:
    assert version("nestproof") == agent.VERSION
