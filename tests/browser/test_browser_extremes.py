"""The page where it is hard: without JavaScript, with thousands of machines, with hostile names, on a narrow screen."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from chain_factory import fleet, host, link, pvm_host, tcg_vm, vm, vm_without_nesting
from page_parts import HOSTILE, cell, view
from playwright.sync_api import expect

from hostcheck.model import Answer, Evidence, Finding, Link, Machine, Remedy, Status, Verdict, Where

pytestmark = pytest.mark.browser


def test_without_javascript_every_cell_still_leads_to_its_evidence(visit: Any) -> None:
    page = visit(host(), vm_without_nesting(), java_script_enabled=False)
    cell(page, "default/nested-vm, VM asks: broken").click()
    evidence = page.locator("#evidence article", has_text="nestedVirtualization: false")
    expect(evidence).to_be_visible()
    expect(page.locator("#problems")).to_contain_text("nestproof apply nested-vm.yaml --wait")
    for name in ("#support", "#topology", "#performance", "#coverage", "#legend"):
        expect(page.locator(name)).to_be_visible()


def test_a_large_page_draws_only_what_is_looked_at(open_file: Any, page_of: Any) -> None:
    page = open_file(page_of(5000), "#matrix")
    expect(page.locator("#table tbody tr")).to_have_count(50)
    assert page.evaluate("document.getElementsByTagName('*').length") < 8000
    expect(page.locator("#pager")).to_contain_text("page 1 of 100")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#pager")).to_contain_text("page 2 of 100")
    page.get_by_role("searchbox").fill("runner-0400-")
    expect(page.locator("#table tbody tr").first).to_contain_text("runner-0400-")
    page.locator("#table tbody a").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("runner-0400-")
    name = page.evaluate("location.hash.split('?')[0]")
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill("")
    page.evaluate(f"location.hash = {name + '?view=matrix'!r}")
    expect(page.locator("#table [aria-current=true]")).to_be_in_viewport()
    page.get_by_label("Machines on a page").select_option("500 a page")
    expect(page.locator("#table tbody tr")).to_have_count(500)


def test_a_large_page_without_javascript_shows_what_is_wrong(open_file: Any, page_of: Any) -> None:
    page = open_file(page_of(2000), java_script_enabled=False)
    expect(page.locator("#table tbody tr")).to_have_count(100)
    expect(page.locator("#part")).to_contain_text("The first 100 that do not work, of 2000 machines")
    expect(page.locator("#problems .problems > li").first).to_be_visible()


def test_hostile_names_stay_text(visit: Any) -> None:
    remedy = Remedy(HOSTILE, Where.HOST_SHELL, (HOSTILE,), HOSTILE, HOSTILE, risk=HOSTILE, applies=HOSTILE)
    finding = Finding(HOSTILE, Status.WARN, HOSTILE, evidence=(Evidence(HOSTILE, HOSTILE),), follows=HOSTILE)
    machine = Machine(1e300, HOSTILE, -5, 1 << 62, HOSTILE, HOSTILE, HOSTILE)
    chain = host(
        HOSTILE * 200,
        link(Link.OFFERED, Status.FAIL, HOSTILE, remedy, saw=HOSTILE),
        nests=Answer(Verdict.UNSUPPORTED, HOSTILE),
        broken=Link.OFFERED,
        findings=(finding,),
    )
    chain = msgspec.structs.replace(chain, machine=machine, provider=HOSTILE, product=HOSTILE)
    page = visit(chain, vm(HOSTILE, on=HOSTILE), at="#matrix")
    page.locator("#table td.cause a").click()
    expect(page.get_by_role("dialog")).to_contain_text("<img src=x onerror=")
    page.locator("#panel-strip").get_by_role("link", name="All").click()
    expect(page.get_by_role("dialog")).to_contain_text("Also looked at")
    page.keyboard.press("Escape")
    page.locator("summary", has_text="Columns").click()
    for box in page.locator(".sheet input[type=checkbox]").all():
        box.check()
    page.get_by_role("searchbox").fill("<img src=x")
    for name in page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts():
        view(page, name)
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("document.scripts.length") == 1
    assert page.title().startswith("1 of 1 VMs ran") or page.title().startswith("<img src=x")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_in_ten_languages_are_found_and_keep_their_direction(visit: Any, open_file: Any, tmp_path: Path) -> None:
    names = [
        "サーバー1",
        "сервер2",
        "خادم-٣.example",
        "שרת4",
        "服务器5",
        "서버6",
        "διακομιστής7",
        "सर्वर8",
        "máquina9",
        "เซิร์ฟเวอร์10",
    ]
    page = visit(*(host(name) for name in names), at="#matrix")
    shown = page.locator("#table tbody th bdi").all_inner_texts()
    assert sorted(shown) == sorted(names)
    for name in names:
        page.get_by_role("searchbox").fill(name.upper())
        expect(page.locator("#table tbody th bdi")).to_have_text([name])
    page.get_by_role("searchbox").fill("")
    page.locator("#table tbody").get_by_role("link", name="خادم-٣.example", exact=True).click()
    expect(page.locator("#panel-title bdi")).to_have_text("خادم-٣.example")
    page = open_file(tmp_path / "matrix.html", page.evaluate("location.hash"))
    expect(page.locator("#panel-title bdi")).to_have_text("خادم-٣.example")


@pytest.mark.parametrize("width", [390, 800, 1440])
def test_only_tables_and_drawings_scroll_sideways(visit: Any, width: int, fleet_of: Any) -> None:
    page = visit(*fleet_of(12), pvm_host(), tcg_vm(), viewport={"width": width, "height": 800})
    for name in page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts():
        view(page, name)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_the_heading_and_the_names_stay_in_sight_while_scrolling(visit: Any) -> None:
    page = visit(*fleet(60, 3), at="#matrix", viewport={"width": 900, "height": 700})
    page.locator("#scroll").evaluate("region => { region.scrollTop = 1500; region.scrollLeft = 5000; }")
    expect(page.get_by_role("columnheader", name="Guest ran")).to_be_in_viewport()
    visible = page.evaluate(
        """() => {
            const region = document.getElementById("scroll").getBoundingClientRect();
            return [...document.querySelectorAll("#table tbody th")].filter((th) => {
                const box = th.getBoundingClientRect();
                return box.left === region.left + 1 && box.top > region.top && box.bottom < region.bottom;
            }).length;
        }"""
    )
    assert visible > 5
