import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files

import msgspec
import pytest
from chain_factory import (
    PROVENANCE,
    SWITCH_ON,
    fleet,
    host,
    host_with_nesting_off,
    link,
    pvm_host,
    tcg_vm,
    vm,
    vm_without_nesting,
)

from hostcheck.model import Answer, Chain, Evidence, Finding, Link, Remedy, Status, Verdict, Where
from reports.html import render
from reports.matrix import Provenance, build

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "</style><svg onload=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "a\x00b\x1b[31m",
    "]]><!--",
    "host\udcff",
)


class Page(HTMLParser):
    """The elements of a page with their attributes and the text of it all."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(*chains: Chain, provenance: Provenance = PROVENANCE) -> Page:
    return Page(render(build(chains, provenance)))


def everywhere(text: str) -> Chain:
    """A chain that says the text wherever a machine can say anything."""
    remedy = Remedy(text, Where.HOST_SHELL, (text,), text, text)
    return Chain(
        text,
        "vm",
        Verdict.MISCONFIGURED,
        f"{text} cannot run VMs: {text}",
        (link(Link.OFFERED, Status.FAIL, text, remedy, saw=text),),
        Answer(Verdict.MISCONFIGURED, text, text),
        Answer(Verdict.UNKNOWN, text),
        Link.OFFERED,
        text,
        text,
        True,
        (Finding(text, Status.WARN, text, evidence=(Evidence(text, text),), follows=text),),
    )


def test_the_verdict_is_the_heading_and_the_title() -> None:
    html = render(build([pvm_host(), tcg_vm()], PROVENANCE))
    assert "<title>1 of 1 VMs ran its own guest; its CPU is emulated - nestproof</title>" in html
    assert "The CPU is emulated in software" in Page(html).text


def test_the_failure_names_the_cause_and_the_command() -> None:
    text = page(host(), vm_without_nesting()).text
    assert "default/nested-vm cannot run VMs: nested virtualization is off in the VM's configuration" in text
    assert "nestproof apply nested-vm.yaml --wait" in text
    assert "Not proven" in text


def test_every_cell_leads_to_evidence_that_is_in_the_page() -> None:
    built = page(*fleet(8, 2), pvm_host(), tcg_vm())
    ids = [attributes["id"] for _, attributes in built.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for a in built.all("a")]
    assert len(targets) > 8 * 3 * 15
    assert {str(target)[1:] for target in targets} <= set(ids)
    assert all(str(target).startswith("#") for target in targets)


def test_the_table_is_one_for_a_screen_reader() -> None:
    built = page(host(), vm())
    assert len(built.all("caption")) == len(built.all("table"))
    assert all(th.get("scope") in ("col", "row", "colgroup", "rowgroup") for th in built.all("th"))
    (matrix,) = re.findall(r'<table id="table">.*?</table>', render(build([host(), vm()], PROVENANCE)), re.S)
    assert sum(th.get("scope") == "col" for th in Page(matrix).all("th")) == 3 + len(Link)
    names = [a.get("aria-label") for a in built.all("a")]
    assert "kvm07, Nested parameter: pass" in names
    assert "default/nested-vm, runs guests: PROVEN" in names


def test_the_policy_allows_exactly_the_script_and_the_style_that_are_there() -> None:
    html = render(build([host()], PROVENANCE))
    (policy,) = [m["content"] for m in Page(html).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_machine_says_becomes_markup(text: str) -> None:
    hostile = page(everywhere(text), provenance=Provenance(text, text, 0))
    harmless = page(everywhere("x"), provenance=Provenance("x", "x", 0))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    names = {tuple(sorted(attributes)) for _, attributes in harmless.elements}
    assert {tuple(sorted(attributes)) for _, attributes in hostile.elements} == names


def test_control_and_bidirectional_characters_are_replaced() -> None:
    html = render(build([everywhere(text) for text in HOSTILE], PROVENANCE))
    assert not set(html) & set("\u202e\x00\x1b\udcff")
    html.encode("utf-8")


def test_a_huge_name_is_cut_everywhere() -> None:
    usual, huge = (len(render(build([host(name)], PROVENANCE))) for name in ("x", "x" * 65536))
    assert huge - usual < 40_000


def test_what_is_typed_is_set_as_code_and_stays_text() -> None:
    remedy = Remedy("run `modprobe <kvm>` now", Where.HOST_SHELL, ("true",), "a lone ` stays", "")
    page = render(
        build(
            [
                host(
                    "kvm07",
                    link(Link.OFFERED, Status.FAIL, "off", remedy),
                    broken=Link.OFFERED,
                    nests=Answer(Verdict.MISCONFIGURED, "off"),
                )
            ],
            PROVENANCE,
        )
    )
    assert "run <code>modprobe &lt;kvm&gt;</code> now" in page
    assert "a lone ` stays" in page


def test_the_large_numbers_of_a_sentence_are_set_as_the_others(fleet_of: Callable[[int], list[Chain]]) -> None:
    sentence = "10354 of 11288 VMs ran their own guests; 934 cannot"
    large = msgspec.structs.replace(build(fleet_of(12), PROVENANCE), sentence=sentence)
    assert "<span>10\u2009354 of 11\u2009288 VMs ran their own guests; 934 cannot</span></h1>" in render(large)
    assert "<span>kvm10354 can run VMs" in render(build([host("kvm10354")], PROVENANCE))


def test_where_nothing_is_broken_the_page_says_so() -> None:
    assert "Nothing is broken, and nothing is unknown" in page(host(), vm()).text
    assert "Nothing is broken" not in page(host_with_nesting_off()).text


def test_an_empty_store_says_how_to_fill_it() -> None:
    assert "nestproof check looks at this machine" in page().text


def test_a_finding_that_no_link_shows_is_still_on_the_page() -> None:
    finding = Finding("capacity.memory", Status.WARN, "little memory", follows="kvm.run")
    assert "little memory Follows from kvm.run." in page(host(findings=(finding,))).text


def test_all_remedies_are_there_in_their_order() -> None:
    second = Remedy("or else", Where.HOST_FIRMWARE)
    chain = host(
        "k",
        link(Link.OFFERED, Status.FAIL, "no", SWITCH_ON, second),
        nests=Answer(Verdict.MISCONFIGURED, "no"),
        broken=Link.OFFERED,
    )
    text = page(chain).text
    evidence = text[text.index("Evidence", text.index("Legend") + 30) :]
    first, then, second = (evidence.index(x) for x in (SWITCH_ON.title, "or instead", "host firmware setup or else"))
    assert first < then < second


def texts(folder: str) -> str:
    found = sorted(files("reports.html").joinpath(folder).iterdir(), key=lambda file: file.name)
    return "".join(file.read_text(encoding="utf-8") for file in found)


def test_the_script_never_parses_markup() -> None:
    script = texts("script")
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch("):
        assert forbidden not in script
    assert "</script" not in script
    assert "localStorage" not in script  # one file's would be readable by every other file


def test_the_templates_never_vouch_for_text() -> None:
    templates = texts("templates")
    assert "|safe" not in templates.replace(" ", "")
    assert "style=" not in templates


def test_nothing_ends_the_data_block(fleet_of: Callable[[int], list[Chain]]) -> None:
    for chains in ([everywhere(text) for text in HOSTILE], fleet_of(2000)):
        html = render(build(chains, PROVENANCE))
        for name, key in (("data", "rows"), ("details", "others")):
            ((kind, block),) = re.findall(f'<script type="([^"]+)" id="{name}">(.*?)</script>', html, re.S)
            assert "<" not in block
            text = gzip.decompress(base64.b64decode(block)) if kind == "application/octet-stream" else block
            assert len(json.loads(text)[key]) == len(chains)


def test_a_large_page_is_summaries_and_a_block(fleet_of: Callable[[int], list[Chain]]) -> None:
    html = render(build(fleet_of(2000), PROVENANCE))
    assert 'type="application/octet-stream"' in html
    assert "<noscript>" not in html
    assert "The first 100 that do not work, of 2000 machines." in Page(html).text
    assert html == render(build(fleet_of(2000), PROVENANCE))


def test_the_documented_and_the_proven_are_told_apart() -> None:
    built = page(host(), vm())
    assert "documented VirtRigaud's matrix ESXi 6.0, VM hardware 9 Full" in built.text
    assert "no machine of this provider is in this page" in built.text
    assert "evidence version not told 1 VM" in built.text


def test_the_comparison_is_in_the_page() -> None:
    before = build([host("a"), host_with_nesting_off("b")], PROVENANCE)
    text = Page(render(build([host_with_nesting_off("a"), host("b")], PROVENANCE, before))).text
    assert "1 new problem, 1 fixed. What changed" in text
