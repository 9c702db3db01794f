"""The JSON that nestproof prints is what docs/matrix.schema.json says; `pytest --regenerate` writes it anew."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from chain_factory import PROVENANCE, fleet, host, nobody_in_a_vm, pvm_host, tcg_vm
from golden_files import Golden
from hostile_chains import TEXTS, everywhere
from hypothesis import given

from hostcheck.model import Chain
from reports.jsonout import SCHEMA, matrix_json, matrix_schema
from reports.matrix import build

DOCUMENTED = Path(__file__).parents[3] / "docs/matrix.schema.json"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(matrix_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_documented_schema_is_that_of_the_code(golden: Golden) -> None:
    golden(DOCUMENTED, matrix_schema())


@pytest.mark.parametrize("chains", [[], [host()], [nobody_in_a_vm()], [pvm_host(), tcg_vm()], fleet(9, 2)], ids=len)
def test_what_is_printed_is_valid(chains: list[Chain], validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(json.loads(matrix_json(build(chains, PROVENANCE))))


def test_another_version_or_a_missing_key_is_not(validator: jsonschema.Draft202012Validator) -> None:
    document = json.loads(matrix_json(build([host()], PROVENANCE)))
    assert document["schema"] == SCHEMA == "nestproof.matrix/1"
    assert not validator.is_valid({**document, "schema": "nestproof.matrix/2"})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "chains"})
    assert validator.is_valid({**document, "new": "readers ignore what they do not know"})


@given(TEXTS)
def test_whatever_a_machine_says_it_stays_valid(text: str) -> None:
    document = json.loads(matrix_json(everywhere(text)))
    jsonschema.Draft202012Validator(json.loads(matrix_schema())).validate(document)


def test_the_chains_come_back_as_they_were() -> None:
    chains = [host(), tcg_vm()]
    document = json.loads(matrix_json(build(chains, PROVENANCE)))
    assert msgspec.convert(document["chains"], list[Chain]) == chains
    assert document["counts"]["works, degraded"] == {"hosts": 0, "vms": 1}
