"""What the labs boot is built once, whoever asks at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lab_artefacts
import pytest


@pytest.mark.lab
def test_a_tree_is_whole_for_each_of_those_who_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_artefacts, "CACHE", tmp_path / "cache")

    def first_bytes(_: int) -> bytes:
        return (lab_artefacts.unpacked("shell", ["dash", "kmod"]) / "bin/dash").read_bytes()[:4]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(first_bytes, range(4))) == [b"\x7fELF"] * 4
