"""Passwords and addresses of the collector."""

from pathlib import Path

import pytest

from commands.collecting import password, report_url
from commands.failures import Failure
from commands.serve import _address, _loopback


@pytest.mark.parametrize(
    ("address", "asks_nobody"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("np.example", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_only_loopback_goes_without_a_password(address: str, asks_nobody: bool) -> None:
    assert _loopback(address) is asks_nobody


def test_a_password_is_made_once_and_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_STATE", str(tmp_path))
    word = password(None)
    assert len(word) >= 24
    assert password(None) == word
    (made,) = tmp_path.iterdir()
    assert made.stat().st_mode & 0o077 == 0
    (tmp_path / "empty").touch()
    with pytest.raises(Failure, match="it is empty"):
        password(tmp_path / "empty")


def test_addresses() -> None:
    assert _address("[::1]:8443") == ("::1", 8443)
    for wrong in ("8443", ":8443", "host", "host:", "host:99999", "host:x"):
        with pytest.raises(Failure, match="not ADDRESS:PORT"):
            _address(wrong)
    assert report_url("https://np.example:8443/") == "https://np.example:8443/report"
    assert report_url("https://np.example/report") == "https://np.example/report"
    for wrong in ("http://np.example", "np.example", "https://", "https://u:p@np.example", "https://np.example/?x"):
        with pytest.raises(Failure, match="a collector is https"):
            report_url(wrong)
