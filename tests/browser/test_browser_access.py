"""Accessible to everyone: axe finds nothing in either theme, on a desk or on a phone, on paper, or without a script."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from chain_factory import (
    PROVENANCE,
    host,
    host_with_nesting_off,
    nobody_in_a_vm,
    pvm_host,
    tcg_vm,
    vm,
    vm_without_nesting,
)
from playwright.sync_api import Page, expect

from reports.html import render
from reports.matrix import build

pytestmark = pytest.mark.browser

CHAINS = (
    host(),
    tcg_vm(on="kvm07"),
    vm_without_nesting("a/b"),
    host_with_nesting_off(),
    pvm_host(),
    nobody_in_a_vm(),
)


def accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3], v["help"]) for v in violations] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_view_with_the_panel_closed_and_open(visit: Any, fleet_of: Any, scheme: str, width: int) -> None:
    before = build([host_with_nesting_off("kvm07"), host("kvm08")], PROVENANCE)
    page = visit(
        *CHAINS, *fleet_of(60), before=before, color_scheme=scheme, viewport={"width": width, "height": 900}
    )  # fmt: skip
    for name in page.get_by_role("navigation", name="Views").get_by_role("link").all():
        name.click()
        accessible(page)
    page.locator("#views a[href='#matrix']").click()
    page.locator("#table").get_by_role("link", name="kvm08, Nested parameter: broken", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    accessible(page)
    page.locator("#panel-strip").get_by_role("link", name="All").click()
    accessible(page)
    page.keyboard.press("Escape")
    page.locator(".counts").get_by_role("button", name="broken").click()
    page.locator("summary", has_text="Columns").click()
    accessible(page)


def test_the_theme_that_was_chosen_is_as_accessible_as_the_system_s(visit: Any) -> None:
    page = visit(*CHAINS, color_scheme="light")
    page.get_by_role("button", name="Theme: Auto").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 25)"
    accessible(page)


def test_an_empty_page(visit: Any) -> None:
    accessible(visit())


def test_the_page_that_is_seen_without_javascript(open_file: Any, tmp_path: Path) -> None:
    """axe is a script, so the page is given to it as a browser without any shows it."""
    html = render(build(CHAINS, PROVENANCE))
    html = re.sub(r"</?noscript>", "", re.sub(r"<script.*?</script>", "", html, flags=re.S))
    html = html.replace("<html ", '<html data-ready="true" ').replace("<details>", "<details open>")
    file = tmp_path / "plain.html"
    file.write_text(html, encoding="utf-8")
    page = open_file(file)
    expect(page.locator("#evidence article").first).to_be_visible()
    accessible(page)


def test_print_shows_everything_and_no_controls(visit: Any, fleet_of: Any, tmp_path: Path) -> None:
    page = visit(*fleet_of(12))
    page.emulate_media(media="print")
    for name in ("#problems", "#matrix", "#support", "#topology", "#performance", "#coverage", "#legend"):
        expect(page.locator(name)).to_be_visible()
    expect(page.locator("#problems button").first).to_be_hidden()
    expect(page.locator("#controls")).to_be_hidden()
    expect(page.locator("#views")).to_be_hidden()
    expect(page.locator("#panel")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert 3 < len(re.findall(rb"/Type\s*/Page\b", pdf)) < 20


def test_what_is_printed_is_what_was_selected(visit: Any, fleet_of: Any) -> None:
    page = visit(*fleet_of(500), at="#matrix?outcome=broken")
    broken = int(page.locator(".counts [aria-pressed=true] b").inner_text())
    assert broken > 50
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#table tbody tr")).to_have_count(broken)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.get_by_role("status")).to_have_text(f"Showing {broken} of 500")


def test_a_vm_alone_and_a_host_alone(visit: Any) -> None:
    accessible(visit(vm()))
    accessible(visit(host_with_nesting_off()))
