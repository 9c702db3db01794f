"""The ways through the page: the keyboard alone, its address, and a page that asks again."""

from pathlib import Path
from typing import Any

import pytest
from chain_factory import PROVENANCE, fleet, host, vm, vm_without_nesting
from page_parts import cell, view
from playwright.sync_api import expect

from reports.html import render
from reports.matrix import build

pytestmark = pytest.mark.browser

ASKS = "#vm/default/nested-vm:vm-asks"


def test_the_keyboard_is_enough_for_the_matrix(visit: Any) -> None:
    page = visit(host(), vm_without_nesting())
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the views")
    view(page, "Matrix")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('tbody')"):
            break
    expect(page.locator(":focus")).to_have_text("kvm07")
    page.keyboard.press("ArrowDown")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_have_accessible_name("default/nested-vm, VM asks: broken")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("nestedVirtualization: false")
    assert page.evaluate("document.activeElement.id") == "panel-title"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(":focus")).to_have_accessible_name("default/nested-vm, VM asks: broken")
    page.keyboard.press("End")
    expect(page.locator(":focus")).to_have_accessible_name("default/nested-vm, Guest ran: unknown")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    expect(page.locator(":focus")).to_have_text("kvm07")
    page.keyboard.press("/")
    page.keyboard.type("nested-vm")
    expect(page.locator("#table tbody tr")).to_have_count(1)


def test_the_keyboard_is_enough_for_every_view(visit: Any, fleet_of: Any) -> None:
    page = visit(*fleet_of(12))
    names = page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts()
    assert len(names) == 7
    page.keyboard.press("Tab")
    for name in names:
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText") == name:
                break
        page.keyboard.press("Enter")
        expect(page.locator("#views [aria-current=page]")).to_have_text(name)
        visible = page.locator("main > section:visible")
        expect(visible).to_have_count(1)
        expect(visible.locator("h2")).to_have_text(name.rstrip("0123456789 "))


def test_the_panel_follows_the_arrow_keys_its_strip_and_its_own_buttons(visit: Any) -> None:
    page = visit(host(), vm(), at="#matrix")
    cell(page, "kvm07, CPU: pass").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-title")).to_have_text("kvm07 · Firmware")
    page.get_by_role("button", name="Next ›").click()
    expect(page.locator("#panel-title")).to_have_text("kvm07 · Kernel module")
    page.locator("#panel-strip").get_by_role("link", name="CPU: pass").first.click()
    expect(page.locator("#panel-title")).to_have_text("kvm07 · CPU")
    page.get_by_role("button", name="‹ Before").click()
    expect(page.locator("#panel-title")).to_have_text("kvm07")
    expect(page.get_by_role("button", name="‹ Before")).to_be_disabled()


def test_a_deep_link_opens_its_cell(visit: Any) -> None:
    chains = (*fleet(40, 3), host("kvm99"), vm_without_nesting(on="kvm99"))
    page = visit(*chains, at=f"{ASKS}?view=matrix")
    expect(page.get_by_role("dialog")).to_contain_text("default/nested-vm · VM asks")
    expect(page.locator("#table [aria-current=true]")).to_be_in_viewport()
    assert page.evaluate("location.hash") == f"{ASKS}?view=matrix"


def test_a_link_to_nothing_opens_nothing(visit: Any) -> None:
    page = visit(host(), vm(), at="#host/nobody:cpu")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#problems")).to_be_visible()


def test_the_address_keeps_all_that_is_chosen(visit: Any, open_file: Any, tmp_path: Path) -> None:
    page = visit(*fleet(8, 2), at="#matrix")
    page.get_by_role("searchbox").fill("node-003")
    page.get_by_label("Kind").select_option("VMs")
    page.get_by_role("columnheader", name="VM asks").get_by_role("button").click()
    page.locator(".counts").get_by_role("button", name="broken").click()
    page.get_by_role("button", name="Theme").click()
    names = page.locator("#table tbody th").all_inner_texts()
    assert len(names) == 2
    page = open_file(tmp_path / "matrix.html", page.evaluate("location.hash"))
    assert page.locator("#table tbody th").all_inner_texts() == names
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("searchbox")).to_have_value("node-003")
    expect(page.get_by_role("columnheader", name="VM asks")).to_have_attribute("aria-sort", "ascending")


def test_the_address_follows_what_is_open(visit: Any) -> None:
    page = visit(host(), vm_without_nesting(), at="#matrix")
    cell(page, "default/nested-vm, VM asks: broken").click()
    assert page.evaluate("location.hash") == f"{ASKS}?view=matrix"
    page.evaluate("location.hash = 'host/kvm07'")
    expect(page.locator("#panel-title")).to_have_text("kvm07")
    page.keyboard.press("Escape")
    assert page.evaluate("location.hash") == "#matrix"


def test_a_live_page_asks_again_where_it_is_and_not_while_somebody_acts(browser: Any) -> None:
    html, asked = render(build(fleet(8, 2), PROVENANCE), every=2), []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.route("http://collector.test/**", answer)
    page.goto("http://collector.test/#matrix?outcome=broken")
    page.wait_for_selector("html[data-ready]", state="attached")
    page.locator("#table td.cause a").first.click()
    title = page.locator("#panel-title").inner_text()
    page.wait_for_event("load", timeout=60_000)
    page.wait_for_selector("html[data-ready]", state="attached")
    assert len(asked) >= 2
    expect(page.locator("#panel-title")).to_have_text(title)
    expect(page.locator("#table tbody tr")).to_have_count(3)
    page.close()
