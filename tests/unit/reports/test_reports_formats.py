"""Every format of the table against golden files, `goldens/<case>.<format>`; `pytest --regenerate` rewrites them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chain_factory import (
    PROVENANCE,
    fleet,
    host,
    host_with_nesting_off,
    nobody_in_a_vm,
    pvm_host,
    tcg_vm,
    vm,
    vm_without_nesting,
)
from golden_files import Golden

from hostcheck.model import Chain
from reports.formats import FORMATS, FormatError, render
from reports.markdown import matrix_markdown
from reports.matrix import build

GOLDENS = Path(__file__).parent / "goldens"
CASES: dict[str, list[Chain]] = {
    "one-host": [host_with_nesting_off()],
    "two-causes": [nobody_in_a_vm()],
    "host-and-vms": [host(), vm("a/works"), vm_without_nesting("a/off")],
    "emulated": [pvm_host(), tcg_vm()],
}


def without_assets(form: str, text: str) -> str:
    """The page's style and script are files of their own, and the policy has their hashes: a golden need not."""
    if form != "html":
        return text
    text = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", text, flags=re.S)
    text = re.sub(r'(<script type="[^"]+" id="(?:data|details)">).*?(</script>)', r"\1\2", text, flags=re.S)
    return re.sub(r"sha256-[A-Za-z0-9+/=]+", "sha256", text)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_every_format_prints_what_it_printed(case: str, form: str, golden: Golden) -> None:
    text = render(form, build(CASES[case], PROVENANCE))
    golden(GOLDENS / f"{case}.{form}", without_assets(form, text))
    assert render(form, build(CASES[case], PROVENANCE)) == text
    assert text.endswith("\n")
    text.encode("utf-8")


@pytest.mark.parametrize("form", sorted(FORMATS.keys() - {"nfd"}))
def test_every_format_of_many_and_of_none(form: str) -> None:
    assert render(form, build(fleet(3, 2), PROVENANCE))
    assert render(form, build([], PROVENANCE))


@pytest.mark.parametrize("chains", [[], [vm()], [host("a"), host("b")]])
def test_a_feature_file_speaks_of_one_node(chains: list[Chain]) -> None:
    with pytest.raises(FormatError, match=r"speaks of one node, and here are \d hosts"):
        render("nfd", build(chains, PROVENANCE))


def test_the_table_of_formats_imports_no_printer() -> None:
    code = (
        "import sys, reports.formats; print([m for m in sys.modules if m.startswith(('reports.', 'msgspec', 'jinja'))])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['reports.formats']"


def test_markdown_names_the_cause_and_the_command() -> None:
    text = matrix_markdown(build([host(), host_with_nesting_off()], PROVENANCE))
    assert "### Nested parameter: kvm\\_amd was loaded with nested=0" in text
    assert "\n    modprobe -r kvm_amd && modprobe kvm_amd\n" in text


def test_markdown_takes_nothing_for_markup() -> None:
    text = matrix_markdown(build([vm_without_nesting("x|y`<b>[a](b)*@all*\n# no")], PROVENANCE))
    assert "x\\|y\\`\\<b\\>\\[a\\](b)\\*\\@all\\* \\# no" in text


def test_json_is_ascii_with_sorted_keys() -> None:
    text = render("json", build([host("a\x9b\u202e\udcff主")], PROVENANCE))
    assert text.isascii()
    assert json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n" == text
    assert json.loads(text)["chains"][0]["subject"] == "a\x9b\u202e\udcff主"
