"""`lint --provider` and `explain` of rules, as a user meets them."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.failures import Failure
from commands.fields import field_table, provider_type, table_text
from hostcheck.checks import catalogue
from hostcheck.told import TOLD, Told
from nestproof import cli
from provision.accounting import TABLES
from provision.accounting_rules import RULES as OF_ACCOUNTS
from provision.accounting_versions import Version
from provision.manifests import structure
from provision.manifests.documents import load
from provision.manifests.rulebook import RULES

ROOT = Path(__file__).parents[3]
EXAMPLE = str(ROOT / "examples/nested-vm.yaml")


def fields_text(file: str, provider: str, version: Version | None = None) -> str:
    return table_text(field_table(load([file]), provider, version))


@pytest.mark.parametrize("provider", TABLES)
def test_every_field_that_is_set_has_a_line_the_worst_first(provider: str) -> None:
    head, *lines = fields_text(EXAMPLE, provider).strip().splitlines()
    assert head.startswith(f"On {provider}: {len(lines)} fields")
    assert any("nestedVirtualization" in line for line in lines)
    order = ["refused", "unsupported", "approximated", "honoured", "informative"]
    handlings = [order.index(line.split()[0]) for line in lines]
    assert handlings == sorted(handlings)


def test_user_data_is_not_shown() -> None:
    assert "cloud-config" not in fields_text(EXAMPLE, "libvirt")


@pytest.mark.parametrize(
    ("word", "says", "hint"),
    [
        ("libvrit", "no provider type 'libvrit'", "did you mean libvirt?"),
        ("libvrit@6.0", "no provider type 'libvrit'", "did you mean libvirt@6.0?"),
        ("libvirt@new", "--provider libvirt@new: 'new' is no version", ""),
        ("libvirt@", "--provider libvirt@: '' is no version", ""),
        ("proxmox@6.4", "the oldest proxmox that nestproof drives is 7.0", ""),
    ],
)
def test_an_unknown_provider_is_one_line(word: str, says: str, hint: str) -> None:
    with pytest.raises(Failure, match=re.escape(says)) as caught:
        provider_type(word)
    assert caught.value.hint == hint


def test_providers_may_be_of_a_version() -> None:
    assert [provider_type(name) for name in TABLES] == [(name, None) for name in TABLES]
    assert provider_type("libvirt@6.4.0") == ("libvirt", Version((6, 4, 0)))


def test_an_older_version_is_told_apart() -> None:
    example = str(ROOT / "examples/hypervisor.yaml")
    old, new = (fields_text(example, "proxmox", Version((8, minor))) for minor in (1, 2))
    assert old.startswith("\nOn proxmox 8.1: ") and new.startswith("\nOn proxmox 8.2: ")
    assert re.search(r"refused +VMClass spec.securityProfile.vtdEnabled +true: a virtual IOMMU needs 8.2 or newer", old)
    assert "needs 8.2" not in new


def test_a_provider_of_another_type_is_not_the_one_that_is_asked_about(tmp_path: Path) -> None:
    """Its endpoint used to be honoured as `any node of the cluster`."""
    table = fields_text(EXAMPLE, "proxmox")
    said = [line.split()[0] for line in table.splitlines() if "Provider spec." in line]
    assert said and set(said) == {"informative"}
    assert re.search(
        r"informative +Provider spec.endpoint .*of a libvirt provider: a proxmox one takes its place", table
    )
    assert re.search(r"honoured +Provider spec.endpoint ", fields_text(EXAMPLE, "libvirt"))


@pytest.mark.parametrize(
    ("provider", "source", "handling"),
    [
        ("libvirt", "libvirt: {path: a, format: vmdk}", "refused"),
        ("libvirt", "libvirt: {path: a, format: raw}", "honoured"),
        ("libvirt", "registry: {image: 'a:b', format: iso}", "refused"),
        ("proxmox", "registry: {image: 'a:b', format: vhdx}", "refused"),
        ("proxmox", "proxmox: {templateID: 100, format: vmdk}", "unsupported"),
    ],
)
def test_a_format_that_no_disk_is_made_from_is_not_honoured(
    provider: str, source: str, handling: str, tmp_path: Path
) -> None:
    manifest = tmp_path / "image.yaml"
    head = "apiVersion: infra.virtrigaud.io/v1beta1\nkind: VMImage\nmetadata: {name: i}\n"
    manifest.write_text(f"{head}spec: {{source: {{{source}}}}}\n")
    assert re.search(rf"^  {handling} +VMImage spec.source.[a-z]+.format ", fields_text(str(manifest), provider), re.M)


@pytest.mark.parametrize("rule", [*structure.RULES, *RULES, *(rule.id for rule in OF_ACCOUNTS.values())])
def test_every_rule_is_explained(rule: str) -> None:
    result = CliRunner().invoke(cli, ["explain", rule], standalone_mode=False)
    assert result.exception is None
    assert result.output.startswith(f"{rule}\n")
    assert "Why:" in result.output
    assert "What to do:" in result.output


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.id)
def test_what_providers_tell_is_explained(told: Told) -> None:
    output = CliRunner().invoke(cli, ["explain", told.id], standalone_mode=False).output
    assert output.startswith(f"{told.id}\n")
    assert "How it is judged:" in output


def test_every_finding_of_a_provider_has_an_explanation() -> None:
    """Ids in quotation marks in the sources that make findings of their own."""
    sources = [ROOT / "hostcheck/chain.py", ROOT / "hostcheck/checks/prerequisites.py"]
    sources += (ROOT / "provision/providers").rglob("*.py")
    made = {
        found
        for path in sources
        for found in re.findall(r'(?:Finding\(|ChainLink\([^"]*)"([a-z]+\.[a-z-]+)"', path.read_text())
    }
    assert made
    assert made <= {told.id for told in TOLD} | {check.id for check in catalogue()}


def test_rules_stand_in_the_list() -> None:
    listed = CliRunner().invoke(cli, ["explain"], standalone_mode=False).output
    assert all(rule in listed for rule in [*RULES, *(told.id for told in TOLD)])
