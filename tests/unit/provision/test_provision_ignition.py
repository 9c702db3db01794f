"""The agent in the user's Ignition config: added to it, and nothing of theirs touched."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.ignition import SCRIPT, UNIT, ignition_config

VERSION = {"ignition": {"version": "3.4.0"}}


def made(config: object, script: str = "#!/bin/sh\n") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ignition_config(json.dumps(config), script))
    return found


def test_an_empty_config_has_the_script_and_the_unit_that_runs_it() -> None:
    config = made(VERSION, "#!/bin/sh\necho grüße\n")
    (file,), (unit,) = config["storage"]["files"], config["systemd"]["units"]
    kind, _, text = file["contents"]["source"].partition(",")
    assert (kind, base64.b64decode(text).decode()) == ("data:;base64", "#!/bin/sh\necho grüße\n")
    assert (file["path"], file["mode"]) == (SCRIPT, 0o700)
    assert (unit["name"], unit["enabled"]) == (UNIT, True)
    assert f"ExecStart=/bin/sh {SCRIPT}\n" in unit["contents"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
entries = st.lists(st.dictionaries(st.sampled_from(["path", "name", "x"]), json_values, max_size=3), max_size=3)


@given(st.dictionaries(st.sampled_from(["passwd", "kernelArguments"]), json_values), entries, entries, json_values)
def test_nothing_of_the_user_s_is_touched(top: dict[str, Any], files: Any, units: Any, other: Any) -> None:
    user = {**top, **VERSION, "storage": {"files": files, "disks": other}, "systemd": {"units": units}}
    config = made(user)
    assert (config["storage"]["files"].pop()["path"], config["systemd"]["units"].pop()["name"]) == (SCRIPT, UNIT)
    assert config == user


@pytest.mark.parametrize("empty", [{"storage": None}, {"storage": {"files": None}}, {"systemd": {}}])
def test_null_is_as_good_as_left_out(empty: dict[str, Any]) -> None:
    assert len(made(VERSION | empty)["storage"]["files"]) == 1


WRONG = {
    "{": "not JSON",
    "[" * 100_000: "not JSON",
    "[]": "the top of the Ignition config is not a mapping",
    "{}": "no ignition.version 3.x",
    '{"ignition": {"version": "2.2.0"}}': "no ignition.version 3.x",
    '{"ignition": {"version": "3.0.0"}, "storage": []}': "storage of the Ignition config is not a mapping",
    '{"ignition": {"version": "3.0.0"}, "storage": {"files": {}}}': "storage.files of the Ignition config is not a",
    json.dumps(VERSION | {"storage": {"files": [{"path": SCRIPT}]}}): f"has {SCRIPT}, which is the agent's own",
    json.dumps(VERSION | {"systemd": {"units": [{"name": UNIT}]}}): f"has {UNIT}, which is the agent's own",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_ignition_would_refuse_is_refused_before(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]):
        ignition_config(text, "")
