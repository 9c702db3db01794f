"""Nothing of the developer's own is touched."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own for what is judged in this process."""
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path / "cache"))
