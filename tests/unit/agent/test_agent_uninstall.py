"""Taking the agent out where it is not, and where it may not be touched; the rest is in test_agent_cloudinit.py."""

from pathlib import Path

import pytest

from agent import uninstall


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Everything that the agent may have left lies below a directory of the test."""
    monkeypatch.setattr(uninstall, "UNITS", (str(tmp_path / "unit"),))
    monkeypatch.setattr(uninstall, "RC", str(tmp_path / "rc"))
    monkeypatch.setattr(uninstall, "PLACES", (str(tmp_path / "place"),))
    monkeypatch.setattr(uninstall, "REMOVED", str(tmp_path / "state/removed"))
    monkeypatch.setattr(uninstall, "run", lambda *command: None)
    monkeypatch.setattr(uninstall, "running", lambda: 0)
    return []


def test_nothing_to_remove_changes_nothing(said: list[str], tmp_path: Path) -> None:
    assert uninstall.uninstall(said.append) == 0
    assert said == ["nothing of nestproof is installed here"]
    assert not list(tmp_path.iterdir())


def test_files_of_others_stay(said: list[str], tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place/nestproof-agent.pyz").touch()
    (tmp_path / "place/yours").touch()
    assert uninstall.uninstall(said.append) == 0
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["yours"]
    assert (tmp_path / "state/removed").exists()


def test_what_cannot_be_removed_is_named_and_1(said: list[str], tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()  # a directory in its place cannot be unlinked
    assert uninstall.uninstall(said.append) == 1
    assert said[0].startswith(f"could not remove {tmp_path}/unit: ")
    assert not (tmp_path / "state/removed").exists()
