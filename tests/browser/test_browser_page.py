"""The page as a person uses it: with the mouse, with the keyboard alone, without JavaScript."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chain_factory import (
    PROVENANCE,
    SETTINGS,
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
from playwright.sync_api import Page, expect

from hostcheck.model import Answer, Evidence, Finding, Link, Machine, Remedy, Setting, Status, Verdict, Where
from reports.html import render
from reports.matrix import build

pytestmark = pytest.mark.browser

ASKS = "#vm/default/nested-vm:vm-asks"
HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>\u202e主机'


def cell(page: Page, name: str) -> Any:
    return page.locator("#table").get_by_role("link", name=name, exact=True)


def view(page: Page, name: str) -> None:
    page.locator("#views a").filter(has_text=re.compile(f"^{name}")).click()


def test_a_click_shows_expected_found_evidence_remedy_and_proof(visit: Any) -> None:
    page = visit(host(), host_with_nesting_off(), at="#matrix")
    cell(page, "kvm08, Nested parameter: broken").click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("kvm08 · Nested parameter")
    expect(panel).to_contain_text("Expectedthe module runs with nested=1 (or Y)")
    expect(panel).to_contain_text("Foundkvm_amd was loaded with nested=0")
    expect(panel).to_contain_text("/sys/module/kvm_amd/parameters/nested")
    expect(panel).to_contain_text("host shell")
    expect(panel).to_contain_text("modprobe -r kvm_amd && modprobe kvm_amd")
    expect(panel).to_contain_text("stop all VMs first")
    expect(panel).to_contain_text("Proven: run in lab/test_svm_nested_off")
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()


def test_the_panel_of_a_machine_tells_what_it_is_and_leads_to_its_vms_and_back(visit: Any, fleet_of: Any) -> None:
    chains = fleet_of(12)
    page = visit(*chains, at="#matrix")
    name = next(chain.host for chain in chains if chain.host)
    cell(page, name).click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("AMD EPYC")
    expect(panel).to_contain_text("512.0 GiB")
    vms = panel.get_by_role("heading", name="VMs on it").locator("+ ul a")
    assert vms.count() == sum(chain.host == name for chain in chains)
    first = vms.first.inner_text()
    vms.first.click()
    expect(page.locator("#panel-title")).to_have_text(first)
    panel.get_by_role("link", name=name).click()
    expect(page.locator("#panel-title")).to_have_text(name)


def test_two_causes_are_two_entries_with_their_alternatives_and_steps(visit: Any) -> None:
    page = visit(nobody_in_a_vm(), host_with_nesting_off())
    causes = page.locator("#problems .problems > li")
    expect(causes).to_have_count(3)
    expect(causes.nth(0)).to_contain_text("the hypervisor under this VM shows it neither vmx nor svm")
    expect(causes.nth(0)).to_contain_text("CPU")
    alternatives = causes.nth(0).get_by_text("or instead: 1 other way")
    alternatives.click()
    expect(causes.nth(0)).to_contain_text("qm set VMID --cpu host")
    expect(causes.nth(0).locator("ol.steps")).to_have_count(0)
    expect(causes.nth(1)).to_contain_text("nobody may not open /dev/kvm (EACCES)")
    expect(causes.nth(2).locator("ol.steps > li")).to_have_count(2)
    causes.nth(1).get_by_role("link", name="builder-4").click()
    expect(page.get_by_role("dialog")).to_contain_text("usermod -aG kvm nobody")


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


def test_the_copy_button_copies_the_command(visit: Any) -> None:
    page = visit(host_with_nesting_off())
    page.locator("#problems").get_by_role("button", name="Copy").nth(1).click()
    expect(page.locator("#problems").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "modprobe -r kvm_amd && modprobe kvm_amd"


def test_the_copy_button_selects_where_there_is_no_clipboard(visit: Any) -> None:
    page = visit(host_with_nesting_off())
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator("#problems").get_by_role("button", name="Copy").nth(1).click()
    expect(page.locator("#problems").get_by_role("button", name="Selected")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == "modprobe -r kvm_amd && modprobe kvm_amd"


def test_what_is_open_is_copied_as_markdown(visit: Any) -> None:
    page = visit(host(), host_with_nesting_off(), at="#host/kvm08:nested-parameter")
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("**kvm08 cannot run VMs that run VMs: kvm\\_amd was loaded with nested=0**\n\n")
    assert "\n    modprobe -r kvm_amd && modprobe kvm_amd\n" in text


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


def test_what_was_asked_of_a_vm_stands_beside_what_was_read_back(visit: Any) -> None:
    hostile = Setting(HOSTILE, HOSTILE, HOSTILE + "x", HOSTILE)
    chain = msgspec.structs.replace(vm_without_nesting(), settings=(*SETTINGS, hostile))
    for script in (True, False):
        page = visit(chain, at="#vm/default/nested-vm", java_script_enabled=script)
        table = page.get_by_role("table", name="Settings, as asked for and as read back")
        rows = table.locator("tbody tr")
        expect(rows).to_have_count(4)
        size = ["VMClass spec.diskDefaults.size", "40 GiB", re.compile("! 20 GiB *the disk's own size")]
        expect(rows.nth(0).locator("th, td")).to_have_text(size)
        expect(rows.nth(1)).to_contain_text("<img src=x onerror=")
        expect(rows.nth(2).locator("td")).to_have_text(["8 GiB", "? not read back"])
        expect(rows.nth(3).locator("td").nth(1)).to_have_text(re.compile("✔ 4 *live domain XML"))
        page.emulate_media(media="print")
        expect(table).to_be_visible()
        assert page.locator("img").count() == 0
        if script:
            assert page.title().startswith("default/nested-vm")
    page = visit(host(), at="#host/kvm07")
    expect(page.get_by_role("dialog")).not_to_contain_text("Settings")


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


def test_the_drawings_say_where_vms_are_lost_and_who_is_slow(visit: Any, fleet_of: Any) -> None:
    page = visit(*fleet_of(500))
    view(page, "Topology")
    expect(page.locator("#topology svg.tree")).to_have_count(40)
    expect(page.locator("#topology")).to_contain_text("MISCONFIGURED · VM got it")
    page.locator("#topology svg.tree a").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    view(page, "Performance")
    assert page.locator("#performance .mark.slow").count() > 3
    expect(page.locator("#performance")).to_contain_text("The claim of 10–20 %")
    slow = page.get_by_role("table", name="Exit costs by CPU").get_by_role("link").first
    name = slow.inner_text()
    slow.click()
    expect(page.locator("#panel-title")).to_have_text(name)


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
