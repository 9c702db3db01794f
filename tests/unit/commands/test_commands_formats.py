"""Every format of the command line, as printed about this machine, whatever it is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from reports.formats import FORMATS

DOCS = Path(__file__).parents[3] / "docs"


def nestproof(*arguments: str, state: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nestproof", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": os.environ["PATH"], "NESTPROOF_STATE": str(state), "HOME": str(state), "LANG": "C.UTF-8"} | env,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One check of this machine, written in every format."""
    directory = tmp_path_factory.mktemp("formats")
    targets = [argument for form in FORMATS for argument in ("--report", f"{form}={directory / form}")]
    result = nestproof("check", *targets, state=directory)
    assert result.returncode in (0, 3, 5), result.stderr
    return directory


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written(form: str, written: Path) -> None:
    assert (written / form).read_text(encoding="utf-8").endswith("\n")


def test_the_json_is_what_the_documented_schema_says(written: Path) -> None:
    schema = json.loads((DOCS / "matrix.schema.json").read_text(encoding="utf-8"))
    document = json.loads((written / "json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["chains"][0]["question"] == "guests-nest"


def test_all_formats_tell_the_same_verdict(written: Path) -> None:
    (chain,) = json.loads((written / "json").read_text(encoding="utf-8"))["chains"]
    verdict, name = chain["guests_nest"]["verdict"], chain["subject"]
    assert f"nestproof.io/guests-nest={verdict}\n" in (written / "nfd").read_text()
    assert (
        f'subject="{name}",kind="host",question="guests-nest",verdict="{verdict}"}} 1'
        in (written / "prometheus").read_text()
    )
    (suite,) = ET.fromstring((written / "junit").read_text())
    assert {"guests-nest": verdict}.items() <= {p.get("name"): p.get("value") for p in suite.iter("property")}.items()
    results = json.loads((written / "sarif").read_text())["runs"][0]["results"]
    assert sum(r["properties"]["rootCause"] for r in results) <= 1


@pytest.mark.parametrize("command", ["check", "matrix"])
def test_the_help_and_the_errors_name_every_format(command: str, tmp_path: Path) -> None:
    text = nestproof(command, "--help", state=tmp_path, COLUMNS="200").stdout
    assert all(form in text for form in FORMATS)
    wrong = nestproof(command, "--report", "pdf=x", state=tmp_path)
    assert wrong.returncode == 2
    assert all(form in wrong.stderr for form in FORMATS)


def test_the_matrix_prints_what_is_kept_in_any_format(written: Path) -> None:
    kept = nestproof("matrix", "--format", "json", state=written)
    assert kept.returncode == 0
    assert json.loads(kept.stdout)["schema"] == "nestproof.matrix/1"


def test_a_feature_file_about_nothing_is_one_line(tmp_path: Path) -> None:
    result = nestproof("matrix", "--format", "nfd", state=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "nestproof: a Node Feature Discovery file speaks of one node, and here are 0 hosts\n"


def test_the_same_input_gives_the_same_bytes(written: Path) -> None:
    for form in sorted(FORMATS.keys() - {"text"}):
        first, second = (
            nestproof("matrix", "--format", form, state=written, SOURCE_DATE_EPOCH="1763800000") for _ in range(2)
        )
        assert (first.returncode, first.stdout) == (0, second.stdout)
