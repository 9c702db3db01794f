"""The page in Debian's Chromium, as a person uses it: with the mouse, with the keyboard alone, without JavaScript."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from chain_factory import (
    PROVENANCE,
    fleet,
    host,
    host_with_nesting_off,
    link,
    nobody_in_a_vm,
    pvm_host,
    tcg_vm,
    vm,
    vm_without_nesting,
)
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hostcheck.model import Answer, Chain, Link, Remedy, Status, Verdict, Where
from reports.html import render
from reports.matrix import build

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",  # Chromium's own sandbox refuses root; the page is a local file that the test wrote
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ASKS = "#vm/default/nested-vm:vm-asks"
HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>\u202e主机'


@dataclass
class Opened:
    """A page and everything that it did."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser(needs: Any) -> Iterator[Browser]:
    chromium = needs("chromium", package="chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens the page of some chains; at the end of the test nothing may have been said or fetched."""
    visits: list[Opened] = []

    def visit(*chains: Chain, at: str = "", **options: Any) -> Page:
        file = tmp_path / "matrix.html"
        file.write_text(render(build(chains, PROVENANCE)), encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened = Opened(context.new_page())
        visits.append(opened)
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(file.as_uri() + at)
        return opened.page

    yield visit
    for opened in visits:
        requests = [url for url in opened.requests if not url.startswith("data:,")]
        opened.page.context.close()
        assert opened.console == []
        assert len(requests) == 1, requests


def accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3], v["help"]) for v in violations] == []


def cell(page: Page, name: str) -> Any:
    return page.locator("#matrix").get_by_role("link", name=name, exact=True)


def test_a_click_shows_claim_evidence_remedy_and_proof(visit: Any) -> None:
    page = visit(host(), host_with_nesting_off())
    cell(page, "kvm08, Nested parameter: broken").click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("kvm08 · Nested parameter")
    expect(panel).to_contain_text("kvm_amd was loaded with nested=0")
    expect(panel).to_contain_text("/sys/module/kvm_amd/parameters/nested")
    expect(panel).to_contain_text("host shell")
    expect(panel).to_contain_text("modprobe -r kvm_amd && modprobe kvm_amd")
    expect(panel).to_contain_text("stop all VMs first")
    expect(panel).to_contain_text("Proven: run in lab/test_svm_nested_off")
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()


def test_two_causes_are_two_entries_with_their_alternatives_and_steps(visit: Any) -> None:
    page = visit(nobody_in_a_vm(), host_with_nesting_off())
    causes = page.locator("#todo .problems > li")
    expect(causes).to_have_count(3)
    expect(causes.nth(0)).to_contain_text("CPU the hypervisor under this VM shows it neither vmx nor svm")
    expect(causes.nth(0).get_by_text("or instead")).to_have_count(1)
    expect(causes.nth(0).locator("ol")).to_have_count(0)
    expect(causes.nth(1)).to_contain_text("Access nobody may not open /dev/kvm (EACCES)")
    expect(causes.nth(2).locator("ol > li")).to_have_count(2)
    causes.nth(1).get_by_role("link", name="builder-4").click()
    expect(page.get_by_role("dialog")).to_contain_text("usermod -aG kvm nobody")


def test_the_copy_button_copies_the_command(visit: Any) -> None:
    page = visit(host_with_nesting_off())
    page.locator("#todo").get_by_role("button", name="Copy").nth(1).click()
    expect(page.locator("#todo").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "modprobe -r kvm_amd && modprobe kvm_amd"


def test_the_copy_button_selects_where_there_is_no_clipboard(visit: Any) -> None:
    page = visit(host_with_nesting_off())
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator("#todo").get_by_role("button", name="Copy").nth(1).click()
    expect(page.locator("#todo").get_by_role("button", name="Selected")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == "modprobe -r kvm_amd && modprobe kvm_amd"


def test_the_keyboard_is_enough(visit: Any) -> None:
    page = visit(host(), vm_without_nesting())
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the matrix")
    for _ in range(20):
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


def test_the_panel_follows_the_arrow_keys_and_its_own_buttons(visit: Any) -> None:
    page = visit(host(), vm())
    cell(page, "kvm07, CPU: pass").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-title")).to_have_text("kvm07 · Firmware")
    page.get_by_role("button", name="Next link").click()
    expect(page.locator("#panel-title")).to_have_text("kvm07 · Kernel module")
    for _ in range(2):
        page.get_by_role("button", name="Link before").click()
    expect(page.locator("#panel-title")).to_have_text("kvm07 · CPU")
    expect(page.get_by_role("button", name="Link before")).to_be_disabled()


def test_a_deep_link_opens_its_cell(visit: Any) -> None:
    page = visit(*fleet(40, 3), host("kvm99"), vm_without_nesting(on="kvm99"), at=ASKS)
    expect(page.get_by_role("dialog")).to_contain_text("default/nested-vm · VM asks")
    expect(page.locator("#matrix [aria-current=true]")).to_be_in_viewport()
    assert page.evaluate("location.hash") == ASKS


def test_the_address_follows_what_is_shown(visit: Any) -> None:
    page = visit(host(), vm_without_nesting())
    cell(page, "default/nested-vm, VM asks: broken").click()
    assert page.evaluate("location.hash") == ASKS
    page.evaluate("location.hash = 'host/kvm07'")
    expect(page.locator("#panel-title")).to_have_text("kvm07")
    page.keyboard.press("Escape")
    assert page.evaluate("location.hash") == ""


def test_the_counters_filter_the_rows(visit: Any) -> None:
    page = visit(*fleet(8, 2))
    counter = page.locator(".counts").get_by_role("button", name="broken")
    counter.click()
    expect(counter).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#matrix tbody tr:visible")).to_have_count(3)
    expect(page.get_by_role("status")).to_have_text("Showing 3 of 24")
    counter.click()
    expect(page.locator("#matrix tbody tr:visible")).to_have_count(24)


def test_without_javascript_every_cell_still_leads_to_its_evidence(visit: Any) -> None:
    page = visit(host(), vm_without_nesting(), java_script_enabled=False)
    cell(page, "default/nested-vm, VM asks: broken").click()
    evidence = page.locator("#evidence article", has_text="nestedVirtualization: false")
    expect(evidence).to_be_visible()
    expect(page.locator("#todo")).to_contain_text("nestproof apply nested-vm.yaml --wait")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_is_accessible_with_the_panel_closed_and_open(visit: Any, scheme: str, width: int) -> None:
    chains = (
        host(),
        tcg_vm(on="kvm07"),
        vm_without_nesting("a/b"),
        host_with_nesting_off(),
        pvm_host(),
        nobody_in_a_vm(),
    )
    page = visit(*chains, color_scheme=scheme, viewport={"width": width, "height": 900})
    accessible(page)
    cell(page, "kvm08, Nested parameter: broken").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    accessible(page)
    page.keyboard.press("Escape")
    page.locator(".counts").get_by_role("button", name="broken").click()
    for summary in page.locator("#evidence summary").all():
        summary.click()
    accessible(page)


def test_an_empty_page_is_accessible(visit: Any) -> None:
    accessible(visit())


def test_hostile_names_stay_text(visit: Any) -> None:
    remedy = Remedy(HOSTILE, Where.HOST_SHELL, (HOSTILE,), HOSTILE, HOSTILE)
    chain = host(
        HOSTILE * 200,
        link(Link.OFFERED, Status.FAIL, HOSTILE, remedy, saw=HOSTILE),
        nests=Answer(Verdict.UNSUPPORTED, HOSTILE),
        broken=Link.OFFERED,
    )
    page = visit(chain)
    page.locator("#matrix td.cause a").click()
    expect(page.get_by_role("dialog")).to_contain_text("<img src=x onerror=")
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("document.scripts.length") == 1
    assert page.title().startswith("<img src=x")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 800, 1440])
def test_only_the_table_scrolls_sideways(visit: Any, width: int) -> None:
    page = visit(*fleet(8, 2), pvm_host(), tcg_vm(), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_heading_and_the_names_stay_in_sight_while_scrolling(visit: Any) -> None:
    page = visit(*fleet(60, 3), viewport={"width": 900, "height": 700})
    page.locator("#scroll").evaluate("region => { region.scrollTop = 3000; region.scrollLeft = 5000; }")
    expect(page.get_by_role("columnheader", name="Guest ran")).to_be_in_viewport()
    visible = page.evaluate(
        """() => {
            const region = document.getElementById("scroll").getBoundingClientRect();
            return [...document.querySelectorAll("tbody th")].filter((th) => {
                const box = th.getBoundingClientRect();
                return box.left === region.left + 1 && box.top > region.top && box.bottom < region.bottom;
            }).length;
        }"""
    )
    assert visible > 5


def test_print_shows_the_whole_table_and_no_controls(visit: Any) -> None:
    page = visit(*fleet(8, 2))
    page.emulate_media(media="print")
    expect(page.get_by_role("row", name="kvm007")).to_be_visible()
    expect(page.locator("#todo button").first).to_be_hidden()
    expect(page.locator("#panel")).to_be_hidden()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
