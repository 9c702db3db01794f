"""`nestproof check` over real sshd: 50 hosts of which some are dead, slow, noisy, unwilling or without Python."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sshd

GOOD = [f"kvm{n:02}" for n in range(1, 41)]
HOSTS = dict.fromkeys(GOOD, "good") | {
    "noisy01": "noisy",
    "noisy02": "noisy",
    "slow01": "slow",
    "flood01": "flood",
    "denied01": "denied",
    "dead01": "dead",
    "dead02": "dead",
    "wrongkey01": "wrongkey",
}
AS_ROOT = {"nopython01": "nopython", "full01": "full"}
if os.geteuid() == 0:
    HOSTS |= AS_ROOT


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., str]) -> Iterator[sshd.Servers]:
    needs("/usr/sbin/sshd", package="openssh-server")
    running = sshd.start(tmp_path_factory.mktemp("sshd"), HOSTS)
    yield running
    running.stop()


def check(servers: sshd.Servers, *arguments: str, state: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"NESTPROOF_STATE": str(state)}
    return subprocess.Popen(
        [sys.executable, "-m", "nestproof", "check", "--ssh-config", str(servers.config), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def nestproof(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NESTPROOF_STATE": str(state)}
    command = [sys.executable, "-m", "nestproof", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.fixture(scope="module")
def fleet(servers: sshd.Servers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Every host asked once, by an inventory file; the chains by subject."""
    directory = tmp_path_factory.mktemp("fleet")
    inventory = directory / "hosts.txt"
    inventory.write_text("# our hosts\n" + "\n".join(HOSTS) + "\n")
    running = check(servers, "-i", str(inventory), "--format", "json", "--timeout", "30", state=directory)
    out, err = running.communicate(timeout=300)
    assert "Traceback" not in err
    assert running.returncode in (3, 5), err
    return {chain["subject"]: chain for chain in json.loads(out)["chains"]}


def test_every_host_has_its_row(fleet: dict[str, dict[str, object]]) -> None:
    assert set(fleet) == set(HOSTS)


def test_hosts_that_answer_are_judged(fleet: dict[str, dict[str, object]]) -> None:
    for name in [*GOOD, "noisy01", "noisy02"]:
        assert len(fleet[name]["findings"]) > 5, name  # type: ignore[arg-type]
        assert fleet[name]["verdict"] == fleet[GOOD[0]]["verdict"] != "", name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slow01", "no answer within 30 s"),
        ("flood01", "without a report"),
        ("denied01", "this account is not available"),
        ("dead01", "Connection refused"),
        ("dead02", "Connection refused"),
        ("wrongkey01", "Host key verification failed"),
    ],
)
def test_an_unreachable_host_is_unknown_with_the_reason(
    fleet: dict[str, dict[str, object]], name: str, words: str
) -> None:
    assert fleet[name]["verdict"] == "UNKNOWN"
    assert words in str(fleet[name]["sentence"])


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for mount namespaces")
def test_no_python_and_no_space(fleet: dict[str, dict[str, object]]) -> None:
    assert "no Python 3" in str(fleet["nopython01"]["sentence"])
    assert len(fleet["full01"]["findings"]) > 5  # type: ignore[arg-type]


def test_nothing_is_left_behind(servers: sshd.Servers, fleet: dict[str, dict[str, object]], tmp_path: Path) -> None:
    """A login whose home is empty and ours to look at: the same files before and after."""
    assert fleet
    before = {path.name for path in Path("/tmp").iterdir() if "nestproof" in path.name}
    running = check(servers, GOOD[0], state=tmp_path)
    running.communicate(timeout=120)
    after = {path.name for path in Path("/tmp").iterdir() if "nestproof" in path.name}
    assert after <= before  # others may have cleared away theirs


def test_interrupt_prints_what_is_known(servers: sshd.Servers, tmp_path: Path) -> None:
    running = check(servers, GOOD[0], "slow01", "--format", "json", "--timeout", "600", state=tmp_path)
    assert running.stderr is not None
    for line in running.stderr:
        if "1/2 hosts" in line:
            break
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    chains = {chain["subject"]: chain for chain in json.loads(out)["chains"]}
    assert chains["slow01"]["verdict"] == "UNKNOWN" and "interrupted" in chains["slow01"]["sentence"]
    assert chains[GOOD[0]]["findings"]


def test_one_bad_host_name_is_refused_before_anything_is_asked(servers: sshd.Servers, tmp_path: Path) -> None:
    for wrong in ("-oProxyCommand=id", "ssh://-oProxyCommand=id", "ssh://user:secret@host", "ssh://host/path"):
        running = check(servers, "--", wrong, state=tmp_path)
        _, err = running.communicate(timeout=60)
        assert running.returncode == 2, err
        assert "secret" not in err and "Traceback" not in err


def test_a_bundle_has_what_was_read_on_a_remote_host_and_nothing_is_left_there(
    servers: sshd.Servers, tmp_path: Path, fleet: dict[str, dict[str, object]]
) -> None:
    from reports.bundle.file import read

    def records() -> set[Path]:
        return {path for place in (tempfile.gettempdir(), "/tmp") for path in Path(place).glob("nestproof-record-*")}

    before = records()
    hosts = ["kvm01", "noisy01", *(["full01"] if os.geteuid() == 0 else [])]
    made = nestproof(
        "bundle", "--ssh-config", str(servers.config), "-o", str(tmp_path / "b.tar.gz"),
        *(f"ssh://{name}" for name in hosts), state=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert records() <= before
    bundle = read(tmp_path / "b.tar.gz")
    folders = {subject.name: subject.report.rpartition("/")[0] for subject in bundle.subjects}
    shown = nestproof("show", str(tmp_path / "b.tar.gz"), "--format", "json", state=tmp_path)
    again = {chain["subject"]: chain["verdict"] for chain in json.loads(shown.stdout)["chains"]}
    for name in ("kvm01", "noisy01"):
        capture = f"{folders[name]}/capture/"
        assert f"{capture}nestproof-facts.json" in bundle.files and f"{capture}proc/cpuinfo" in bundle.files
        for file, data in bundle.files.items():
            if file.startswith(capture):
                kept = tmp_path / name / file.removeprefix(capture)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(data)
        assert again[name] == fleet[name]["verdict"]
        replayed = nestproof("bundle", "-o", str(tmp_path / f"{name}.tar"), str(tmp_path / name), state=tmp_path)
        assert replayed.returncode == 0, replayed.stderr
    if "full01" in hosts:
        assert not any(file.startswith(f"{folders['full01']}/capture/") for file in bundle.files)
        assert f"left out: {folders['full01']}/capture: it sent no record" in made.stderr
