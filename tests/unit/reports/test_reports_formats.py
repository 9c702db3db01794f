import json

import msgspec
import pytest
from chain_factory import PROVENANCE, fleet, host, host_with_nesting_off, tcg_vm, vm_without_nesting

from hostcheck.model import Chain
from reports.formats import FORMATS
from reports.jsonout import SCHEMA, chains_json
from reports.markdown import matrix_markdown
from reports.matrix import build


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_says_the_verdict_and_is_the_same_twice(name: str) -> None:
    matrix = build(fleet(3, 2), PROVENANCE)
    text = FORMATS[name](matrix)
    assert matrix.sentence in text
    assert text.endswith("\n")
    assert FORMATS[name](build(fleet(3, 2), PROVENANCE)) == text


def test_json_gives_the_chains_back() -> None:
    chains = [host(), tcg_vm()]
    document = json.loads(FORMATS["json"](build(chains, PROVENANCE)))
    assert document["schema"] == SCHEMA
    assert msgspec.convert(document["chains"], list[Chain]) == chains
    assert document["counts"]["works, degraded"] == {"hosts": 0, "vms": 1}
    assert msgspec.convert(json.loads(chains_json(chains)), list[Chain]) == chains


def test_json_is_ascii_with_sorted_keys() -> None:
    text = chains_json([host("a\x9b\u202e\udcff主")])
    assert text.isascii()
    assert json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n" == text
    assert json.loads(text)[0]["subject"] == "a\x9b\u202e\udcff主"


def test_markdown_names_the_cause_and_the_command() -> None:
    text = matrix_markdown(build([host(), host_with_nesting_off()], PROVENANCE))
    assert "### Nested parameter: kvm\\_amd was loaded with nested=0" in text
    assert "\n    modprobe -r kvm_amd && modprobe kvm_amd\n" in text


def test_markdown_takes_nothing_for_markup() -> None:
    text = matrix_markdown(build([vm_without_nesting("x|y`<b>[a](b)*@all*\n# no")], PROVENANCE))
    assert "x\\|y\\`\\<b\\>\\[a\\](b)\\*\\@all\\* \\# no" in text
