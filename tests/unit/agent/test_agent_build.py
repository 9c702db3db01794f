"""The one-file agent: small, the same every time, complete."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import agent
from agent.build import agent_bytes, build, shipped

REPOSITORY = Path(__file__).parents[3]


def test_fits_its_budget() -> None:
    assert len(agent_bytes()) <= 32 * 1024


def test_is_deterministic(tmp_path: Path) -> None:
    first = build(tmp_path)
    second = build(tmp_path / "other.pyz")
    assert first.name == "nestproof-agent.pyz"
    assert first.read_bytes() == second.read_bytes() == agent_bytes()


def test_is_executable(tmp_path: Path) -> None:
    done = subprocess.run([build(tmp_path), "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"nestproof-agent {agent.VERSION}\n"


def test_is_a_sound_zip_without_controller_side_modules(pyz: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["__main__.py", "agent.z"]
    assert not {"agent.build", "agent.cloudinit", "agent.boothook", "agent.fallback", "agent.__main__"} & set(shipped())
    assert "agent.proof.nested" in shipped()


def test_comments_and_docstrings_are_left_out() -> None:
    for package, source in shipped().values():
        assert isinstance(package, bool)
        assert '"""' not in source
        assert "\n#" not in source


def test_runs_from_its_sources_too() -> None:
    for command in ([sys.executable, "-m", "agent"], [sys.executable, "-I", str(REPOSITORY / "agent")]):
        done = subprocess.run(
            [*command, "--version"], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == f"nestproof-agent {agent.VERSION}\n"


def test_version_is_the_distribution_s() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["version"] == agent.VERSION
