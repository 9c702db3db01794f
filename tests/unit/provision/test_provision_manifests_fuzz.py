"""Whatever stands in a file: documents and problems, never an exception."""

import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_texts import CLASS, IMAGE, PROVIDER, VM, joined, outcome

from provision.accounting import account
from provision.manifests import userdata
from provision.manifests.documents import load
from provision.manifests.leaves import schema_leaves
from provision.manifests.resolve import resolve
from provision.manifests.rulebook import RULES
from provision.manifests.schemas import KINDS

NESTED = "  performanceProfile: {nestedVirtualization: true}\n  resourceLimits: {cpuShares: 100}\n"
SOUND = joined(PROVIDER, CLASS + NESTED, IMAGE, VM)
PIECES = [
    "\t",
    "- ",
    ": ",
    "&a ",
    "*a",
    "<<: *a",
    "!!int ",
    "---\n",
    "'",
    '"',
    "{",
    "[",
    "}",
    "|\n",
    "%YAML 1.1\n",
    "\0",
    "On",
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["8Gi", "On", "#cloud-config\na: b", "https://u:p@h/latest/i", "c", "i", "p", "s", "UEFI", "sha256:ab"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def run(content: bytes) -> None:
    vms, problems = resolve(load(["-"], io.BytesIO(content)), "qemu:///embed")
    for problem in problems:
        assert str(problem).isprintable()
    for vm in vms:
        account(vm, "libvirt")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    run(content)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30))
def test_any_pieces_of_yaml(pieces: list[str]) -> None:
    run("".join(pieces).encode("utf-8", "replace"))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SOUND)), st.integers(0, 20), st.sampled_from(PIECES) | st.text(max_size=5))
def test_a_sound_manifest_with_one_wound(at: int, gone: int, wound: str) -> None:
    run((SOUND[:at] + wound + SOUND[at + gone :]).encode("utf-8", "replace"))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document of a known kind with any value at any of its fields."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    version, schema = KINDS[kind]
    document: dict[str, Any] = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": draw(st.sampled_from("vcips"))},
    }
    leaves = sorted(schema_leaves(schema))
    for leaf in draw(st.lists(st.sampled_from(leaves), max_size=8)):
        _put(document, leaf.replace("[]", ".[]").split("."), draw(values))
    return document


def _put(target: Any, path: list[str], value: object) -> None:
    for i, part in enumerate(path):
        last = i == len(path) - 1
        following: Any = value if last else [] if path[i + 1] == "[]" else {}
        if isinstance(target, list):
            target.append(following)
            target = target[-1]
        elif isinstance(target, dict):
            target = target.setdefault("key" if part == "*" else part, following)
        else:
            return


@settings(max_examples=200, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=4))
def test_any_value_at_any_field(given_documents: list[dict[str, Any]]) -> None:
    run("\n---\n".join(json.dumps(d) for d in given_documents).encode("utf-8", "replace"))


entries = st.fixed_dictionaries(
    {"name": values}, optional=dict.fromkeys(("sudo", "plain_text_passwd", "password", "type"), values)
)
configs = st.fixed_dictionaries(
    {"users": st.lists(entries | values, max_size=3) | values},
    optional={
        "chpasswd": st.fixed_dictionaries({}, optional={"list": values, "users": st.lists(entries | values)}) | values,
        **dict.fromkeys(("password", "ssh_pwauth", "packges", "runcmd"), values),
    },
)


@settings(max_examples=150, deadline=None)
@given(configs)
def test_any_cloud_config(config: dict[str, Any]) -> None:
    for rule, line, what in userdata.check("#cloud-config\n" + json.dumps(config)):
        assert rule.id in RULES
        assert line >= 1
        assert what.isprintable()


def test_the_sound_manifest_is_sound() -> None:
    vms, problems = outcome(SOUND)
    assert len(vms) == 1
    assert problems == []
