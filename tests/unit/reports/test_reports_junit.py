"""JUnit XML: valid by the schema beside this file, and with the meaning that CI systems give it."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from chain_factory import PROVENANCE, fleet, host, host_with_nesting_off, nobody_in_a_vm, pvm_host, silent_vm, tcg_vm
from hostile_chains import TEXTS, everywhere
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.model import Chain, Evidence, Finding, Status
from reports.junit import matrix_junit
from reports.matrix import build

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "junit.xsd")
LITTLE = Finding("capacity.memory", Status.WARN, "little memory", evidence=(Evidence("/proc/meminfo", "2 GiB"),))


def suites(*chains: Chain) -> list[ET.Element]:
    text = matrix_junit(build(chains, PROVENANCE))
    SCHEMA.validate(text)
    return list(ET.fromstring(text))


def case(suite: ET.Element, name: str) -> ET.Element:
    (found,) = [case for case in suite if case.get("name") == name]
    return found


@pytest.mark.parametrize(
    "chains", [[], [host(findings=(LITTLE,))], [pvm_host(), tcg_vm(), silent_vm()], fleet(9, 2)], ids=len
)
def test_it_is_valid(chains: list[Chain]) -> None:
    assert len(suites(*chains)) == len(chains)


def test_the_schema_is_strict() -> None:
    text = matrix_junit(build([host()], PROVENANCE))
    for bad in (
        text.replace(' time="0"', ""),
        text.replace("testcase", "case"),
        text.replace('errors="0"', 'errors=""'),
    ):
        assert not SCHEMA.is_valid(bad)


def test_the_counts_are_those_of_the_cases() -> None:
    for suite in suites(*fleet(9, 2), pvm_host(), host("warned", findings=(LITTLE,))):
        counted = [suite.get("failures"), suite.get("errors"), suite.get("skipped"), suite.get("tests")]
        assert counted == [
            str(len(suite.findall(f"testcase{path}"))) for path in ("/failure", "/error", "/skipped", "")
        ]


def test_a_failure_says_what_why_and_the_command() -> None:
    (suite,) = suites(host_with_nesting_off())
    failure = case(suite, "check.nested-parameter").find("failure")
    assert failure is not None and failure.text is not None
    assert failure.get("message") == "kvm_amd was loaded with nested=0"
    assert "modprobe -r kvm_amd && modprobe kvm_amd" in failure.text
    assert case(suite, "check.cpu").find("*") is None


def test_what_could_not_be_told_is_an_error_not_a_failure() -> None:
    (suite,) = suites(silent_vm())
    error = case(suite, "kvm.run").find("error")
    assert error is not None and error.get("message") == "the VM sent no report within 300 s"


def test_a_skip_says_why() -> None:
    skipped = [case.find("skipped") for case in suites(tcg_vm())[0] if case.tag == "testcase"]
    assert {s.get("message") for s in skipped if s is not None} == {"not used: QEMU TCG emulates this VM's CPU"}


def test_a_warning_passes_and_is_a_property() -> None:
    (suite,) = suites(host(findings=(LITTLE,)))
    warned = case(suite, "capacity.memory")
    assert [element.tag for element in warned] == ["system-out"]
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["warning: capacity.memory"] == "little memory"


def test_alternatives_are_named_as_such() -> None:
    failure = case(suites(nobody_in_a_vm())[0], "check.cpu").find("failure")
    assert failure is not None and failure.text is not None
    assert failure.text.index("To mend it") < failure.text.index("Or instead")


@given(TEXTS, st.sampled_from(Status))
def test_whatever_a_machine_says_it_stays_valid(text: str, status: Status) -> None:
    document = matrix_junit(everywhere(text, status))
    document.encode("utf-8")
    SCHEMA.validate(document)
