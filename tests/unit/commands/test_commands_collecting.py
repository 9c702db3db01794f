"""Passwords and addresses of the collector."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from vm_factory import image, wanted

from commands.collecting import enrolled, password
from commands.failures import Failure
from commands.serve import _address, _loopback
from provision.agent_part import agent_part
from provision.model import Collector


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


def test_a_vm_is_enrolled_with_its_own_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NESTPROOF_STATE", str(tmp_path))
    plain = wanted(image(tmp_path / "i"))
    assert enrolled(plain) is plain
    named = replace(plain, collector=Collector("https://np.example/report"))
    first, second = enrolled(named), enrolled(replace(named, name="other"))
    assert first.collector is not None
    assert second.collector is not None
    assert first.collector.token != second.collector.token
    assert first.collector.token not in repr(first)
    part = agent_part(first, ("console:/dev/ttyS0",))
    assert "--send console:/dev/ttyS0,https://np.example/report" in part
    assert first.collector.token in part
    assert "np.example" not in agent_part(plain, ("console:/dev/ttyS0",))
