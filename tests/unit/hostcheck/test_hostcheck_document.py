"""docs/checks.md and `nestproof explain` say what the catalogue says."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from golden_files import Golden

from commands.explain import explain
from hostcheck.checks import Check, catalogue
from hostcheck.checks.document import markdown
from hostcheck.policy import THRESHOLDS
from hostcheck.remedies.book import book
from hostcheck.told import TOLD
from provision.accounting_rules import RULES as OF_ACCOUNTS
from provision.manifests import structure
from provision.manifests.rulebook import RULES

DOCUMENT = Path(__file__).parents[3] / "docs/checks.md"


def test_the_document_is_current(golden: Golden) -> None:
    golden(DOCUMENT, markdown())


def test_every_link_of_the_document_leads_somewhere() -> None:
    text = markdown()
    anchors = {line[3:].lower().replace(".", "") for line in text.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    assert len(re.findall(r"^## ", text, re.M)) == len(catalogue()) + len(TOLD) + len(book()) + 2


def test_every_threshold_is_documented() -> None:
    for name in THRESHOLDS:
        assert re.search(rf"^\| `{name}` \| [\d.]+ \| \w.*\. \|$", markdown(), re.M), name


@pytest.mark.parametrize("check", catalogue(), ids=lambda check: check.id)
def test_explain(check: Check) -> None:
    result = CliRunner().invoke(explain, [check.id])
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for said in (check.id, check.question, check.why, check.judged, *check.links, *check.facts):
        assert " ".join(said.split()) in text
    for name in check.remedies:
        assert f"{name} (" in text
        for command in book()[name].general.commands:
            assert f"    {command}\n" in result.output


def test_explain_lists_all() -> None:
    lines = CliRunner().invoke(explain, []).output.splitlines()
    rules = [*structure.RULES, *RULES, *(rule.id for rule in OF_ACCOUNTS.values())]
    ids = [*(check.id for check in catalogue()), *(told.id for told in TOLD), *rules]
    assert [line.split()[0] for line in lines] == ids
