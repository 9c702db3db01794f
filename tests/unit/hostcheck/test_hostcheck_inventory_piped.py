"""Lists of hosts on standard input: the form is told from the text, and faults name standard input."""

import io
import sys
from types import SimpleNamespace

import pytest

from hostcheck.reach.inventory import STDIN, InventoryError, read


def piped(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    return [target.host for target in read(STDIN)]


@pytest.mark.parametrize(
    "text",
    [
        "a\nb:2222  # the second\n",
        "- a\n- ssh://b:2222\n",
        "---\nhosts:\n  - a\n  - b\n",
        '{"_meta": {"hostvars": {"a": {}, "b": {"ansible_port": 22}}}}',
    ],
)
def test_every_form_is_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(text, monkeypatch) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("a\nb c\n", "standard input:2: one host a line"), ("- 7\n", "standard input: entry 1: 7 is not a host")],
)
def test_a_fault_is_at_its_line(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InventoryError, match=said):
        piped(text, monkeypatch)
