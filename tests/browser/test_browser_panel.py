"""What a click opens: evidence, causes, settings and drawings, and what can be copied of them."""

import re
from typing import Any

import msgspec
import pytest
from chain_factory import SETTINGS, host, host_with_nesting_off, nobody_in_a_vm, vm_without_nesting
from page_parts import HOSTILE, cell, view
from playwright.sync_api import expect

from hostcheck.model import Setting

pytestmark = pytest.mark.browser


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
