"""The matrix as a person narrows it: filters, order, columns, a comparison, and what is exported of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from chain_factory import PROVENANCE, fleet, host, host_with_nesting_off, vm
from page_parts import view
from playwright.sync_api import expect

from reports.matrix import build

pytestmark = pytest.mark.browser


def test_a_problem_leads_to_all_who_have_it(visit: Any) -> None:
    page = visit(*fleet(8, 2))
    page.get_by_role("button", name="Show all 2 in the matrix").first.click()
    expect(page.locator("#table tbody tr")).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("Showing 2 of 24")
    page.get_by_role("button", name="Remove filter").click()
    expect(page.locator("#table tbody tr")).to_have_count(24)


def test_a_filter_acts_on_every_view_that_shows_machines_and_the_others_say_that_it_does_not(
    visit: Any, open_file: Any, fleet_of: Any, tmp_path: Path
) -> None:
    chains = fleet_of(500)
    page = visit(*chains, at="#problems")
    problems = page.locator("#problems .problems > li:visible")
    every, first = problems.count(), problems.first.inner_text()
    page.get_by_role("searchbox").fill("gold 6338")
    page.locator(".counts").get_by_role("button", name="broken").click()
    expect(page.locator("#views [aria-current=page]")).to_contain_text("By problem")
    assert 0 < problems.count() < every
    found = int(page.get_by_role("status").inner_text().split()[1])
    counts = [int(text) for text in page.locator("#problems li:visible > .many b").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) >= found > counts[0]
    problems.first.get_by_role("button", name=re.compile(f"Show .* {counts[0]} in the matrix")).click()
    expect(page.locator("#table tbody tr")).to_have_count(counts[0])
    page.get_by_role("button", name="Remove filter: ").last.click()
    expect(page.locator("#table tbody tr")).to_have_count(found)
    names = page.locator("#table tbody bdi").all_inner_texts()

    view(page, "Topology")
    drawn = page.locator("#trees a text").evaluate_all("all => all.map((one) => one.lastChild.textContent)")
    assert set(drawn) >= set(names)
    vms = {chain.subject for chain in chains if chain.kind == "vm"}
    assert set(drawn) & vms == set(names) & vms
    expect(page.locator("#stages text").nth(2)).to_contain_text("✖")
    view(page, "Performance")
    expect(page.locator("#picked")).to_have_text(f"None of the {found} selected was measured.")
    page.get_by_role("button", name="Remove filter: broken").click()
    expect(page.locator("#picked")).to_contain_text(re.compile(r"^\d+ of the 130 selected were measured\."))
    measured = int(page.locator("#picked").inner_text().split()[0])
    costs = page.get_by_role("table", name="Exit costs by CPU").locator("tbody tr:visible td:nth-child(2)")
    assert sum(int(text.split()[0]) for text in costs.all_inner_texts()) == measured
    assert page.locator("#performance .picked .mark.exit").count() == measured
    page.locator(".counts").get_by_role("button", name="broken").click()
    view(page, "Coverage")
    expect(page.get_by_role("status")).to_have_text(
        "This view is about all 500 machines: the filter does not act on it."
    )
    view(page, "Topology")
    page = open_file(tmp_path / "matrix.html", page.evaluate("location.hash"))
    expect(page.locator("#trees a").first).to_be_visible()
    assert page.locator("#trees a text").evaluate_all("all => all.map((one) => one.lastChild.textContent)") == drawn
    view(page, "Coverage")
    page.get_by_role("button", name="Remove the filter").click()
    view(page, "By problem")
    problems = page.locator("#problems .problems > li:visible")
    expect(problems).to_have_count(every)
    assert problems.first.inner_text() == first
    page.locator(".counts").get_by_role("button", name=re.compile("works (?!, degraded)")).click()
    expect(page.locator("#problems")).to_contain_text("None of the 348 selected has a problem.")


def test_what_is_drawn_for_a_filter_is_what_the_page_brings(visit: Any, fleet_of: Any) -> None:
    """A filter that every machine passes: the script's drawing is the same as the one in the file."""
    page = visit(*fleet_of(150), at="#topology")
    read = """() => [...document.querySelectorAll('#stages *, #trees *')].map((node) => [
        node.tagName, node.children.length ? '' : node.textContent.trim(),
        ...[...node.attributes].map((each) => `${each.name}=${each.value.replaceAll('.0', '')}`).sort()].join(' '))"""
    before = page.evaluate(read)
    page.get_by_role("searchbox").fill("r")
    expect(page.get_by_role("status")).to_have_text("Showing 150 of 150")
    expect(page.locator("#trees-hint")).to_contain_text("Only selected VMs are drawn")
    assert page.evaluate(read) == before
    assert len(before) > 1000


def test_the_counters_filter_the_rows(visit: Any) -> None:
    page = visit(*fleet(8, 2))
    counter = page.locator(".counts").get_by_role("button", name="broken")
    counter.click()
    expect(counter).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#table tbody tr")).to_have_count(3)
    expect(page.get_by_role("status")).to_have_text("Showing 3 of 24")
    counter.click()
    expect(page.locator("#table tbody tr")).to_have_count(24)


def test_filters_that_leave_nothing_say_so_and_can_be_taken_back(visit: Any) -> None:
    page = visit(*fleet(8, 2), at="#matrix?q=nowhere")
    expect(page.locator("#table tbody")).to_contain_text("No machine fits all of the filters above.")
    page.get_by_role("button", name="Show all machines").click()
    expect(page.locator("#table tbody tr")).to_have_count(24)


def test_sorting_puts_the_worst_first_then_last_then_as_it_was(visit: Any) -> None:
    page = visit(*fleet(8, 2), at="#matrix")
    before = page.locator("#table tbody th").all_inner_texts()
    sort = page.get_by_role("columnheader", name="Runs guests").get_by_role("button")
    sort.click()
    expect(page.locator("#table tbody tr").first).to_contain_text("MISCONFIGURED")
    sort.click()
    expect(page.locator("#table tbody tr").last).to_contain_text("MISCONFIGURED")
    sort.click()
    assert page.locator("#table tbody th").all_inner_texts() == before


def test_columns_can_be_chosen(visit: Any, fleet_of: Any) -> None:
    page = visit(*fleet_of(12), at="#matrix")
    page.locator("summary", has_text="Columns").click()
    page.get_by_role("checkbox", name="CPU model").check()
    page.get_by_role("checkbox", name="Firmware").uncheck()
    expect(page.get_by_role("columnheader", name="CPU model")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Firmware")).to_have_count(0)
    expect(page.locator("#table tbody")).to_contain_text("AMD EPYC 9454 48-Core Processor")


def test_what_is_shown_can_be_taken_away(visit: Any) -> None:
    page = visit(host('=cmd|"x"!A1'), host_with_nesting_off(), vm(), at="#matrix?kind=host")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert lines[1].startswith('"\'=cmd|""x""!A1","host",')
    assert lines[0] == (
        '"name","kind","emulated_cpu","runs_guests","guests_nest","cpu","firmware","module","nested-parameter","offered",'
        '"vm-asks","vm-got","guest-cpu","guest-module","device","access","guest-ran"'
    )
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    assert '"name": "kvm08"' in download.value.path().read_text(encoding="utf-8")
    assert "nested-vm" not in download.value.path().read_text(encoding="utf-8")


def test_what_is_taken_away_has_the_columns_the_order_and_the_rows_that_are_shown(visit: Any, fleet_of: Any) -> None:
    page = visit(*fleet_of(90), at="#matrix?outcome=works,broken&kind=vm&sort=-exit")
    page.locator("summary", has_text="Columns").click()
    for box in page.locator(".sheet input[type=checkbox]").all():
        box.uncheck()
    for name in ("Guests nest", "VM asks", "CPU model", "Exit"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.keyboard.press("Escape")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    found = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert [each["name"] for each in found] == page.locator("#table tbody th bdi").all_inner_texts()
    assert list(found[0]) == ["name", "kind", "emulated_cpu", "guests_nest", "vm-asks", "cpu_model", "exit_ns"]
    assert {each["kind"] for each in found} == {"vm"}
    assert {"broken", "pass"} <= {each["vm-asks"] for each in found}
    costs = [each["exit_ns"] for each in found if each["exit_ns"]]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) > 3
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    head, first = download.value.path().read_text(encoding="utf-8").splitlines()[:2]
    assert head == '"name","kind","emulated_cpu","guests_nest","vm-asks","cpu_model","exit_ns"'
    assert first.startswith(f'"{found[0]["name"]}","vm","false",')


def test_a_comparison_can_be_looked_at_and_filtered(visit: Any) -> None:
    before = build([host("a"), host_with_nesting_off("b"), host("gone")], PROVENANCE)
    page = visit(host_with_nesting_off("a"), host("b"), host("c"), before=before)
    page.get_by_role("link", name="What changed").click()
    rows = page.locator("#changes tbody tr")
    expect(rows).to_have_count(4)
    broke = ["a", "new problem", "PROVEN", "MISCONFIGURED", "check.nested-parameter check.offered", ""]
    expect(rows.nth(0).locator("th, td")).to_have_text(broke)
    expect(rows.nth(1).locator("th, td").nth(1)).to_have_text("fixed")
    view(page, "Matrix")
    page.get_by_label("Change", exact=True).first.select_option("fixed")
    expect(page.locator("#table tbody tr")).to_have_count(1)
