"""The mission's own classes, from manifest to proof, on three versions of Proxmox VE."""

from pathlib import Path

import pytest
from mission_factory import CLASSES, vm_of
from pve_lab import PVE_7, PVE_8, PVE_9_0, PVE_9_1, PveLab, actions, lab, quiet
from vm_factory import tiny_image

from hostcheck.judge import judge
from hostcheck.report import decode
from provision.manifests.documents import load
from provision.manifests.resolve import resolve
from provision.model import Handling, Severity, VmSpec
from provision.provider import ProviderError
from provision.proving import hear


def wanted(made: PveLab, place: Path, called: str, without: str = "") -> VmSpec:
    """`without` is a switch of the class that is turned off, as the refusal of it says to."""
    return vm_of(
        called, place / "vm.yaml", made.pve.endpoint, dict(made.pve.environment),
        image="{proxmox: {templateID: 900}}", place="networks: [{name: vmbr0}]", without=without,
    )  # fmt: skip


@pytest.mark.parametrize("called", CLASSES)
@pytest.mark.parametrize("version", [PVE_7, PVE_8, PVE_9_0, PVE_9_1])
def test_the_classes_of_the_mission_are_made_and_proven(tmp_path: Path, version: str, called: str) -> None:
    """As they stand, but for the virtual IOMMU on 7, which has none."""
    iommu = version != PVE_7
    with lab(tmp_path, tiny_image(tmp_path), version) as made:
        vm = wanted(made, tmp_path, called, without="" if iommu else "vtdEnabled")
        plan, _ = made.apply(vm)
        unhonoured = {account.path: account.handling for account in plan.accounts
                      if account.handling in (Handling.UNSUPPORTED, Handling.REFUSED)}  # fmt: skip
        assert set(unhonoured) <= {
            "VMClass spec.performanceProfile.virtualizationBasedSecurity",
            "VMClass spec.performanceProfile.latencySensitivity",
            "VMClass spec.performanceProfile.hyperThreadingPolicy",
            "VMClass spec.resourceLimits.cpuReservation",
            "VMClass spec.diskDefaults.storageClass",
        }
        heard = hear(made.provider, vm, 60, quiet)
        assert heard.report is not None, heard.detail
        assert judge(decode(heard.report)).runs_guests.verdict.works
        assert [setting for setting in heard.view.settings if setting.differs] == []
        config = made.pve.vm(f"{vm.namespace}.nested")["config"]
        assert (config["cpu"], config["bios"]) == ("host", "ovmf")
        assert (config.get("machine") == "q35,viommu=intel") is iommu
        assert actions(made.provider.plan(vm)) == ["keep VM"]
        assert made.provider.destroy(vm.namespace, "nested")


@pytest.mark.parametrize("called", CLASSES)
def test_a_version_without_a_virtual_iommu_refuses_them_at_the_line_that_asks(tmp_path: Path, called: str) -> None:
    with lab(tmp_path, tiny_image(tmp_path), PVE_7) as made:
        vm = wanted(made, tmp_path, called)
        with pytest.raises(ProviderError, match=r"vm\.yaml:\d+:\d+: a virtual IOMMU needs Proxmox VE 8\.2") as caught:
            made.provider.plan(vm)
        assert caught.value.refused
        line = int(str(caught.value).split(".yaml:")[1].split(":")[0])
        assert "vtdEnabled" in (tmp_path / "vm.yaml").read_text().splitlines()[line - 1]


def test_the_manifest_of_the_documentation_is_made_and_proven(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "proxmox.md").read_text()
    (tmp_path / "vm.yaml").write_text(page.split("## A manifest")[1].split("```yaml\n")[1].split("```")[0])
    with lab(tmp_path, tiny_image(tmp_path), PVE_9_1) as made:
        vms, problems = resolve(load([str(tmp_path / "vm.yaml")]), made.pve.endpoint, made.pve.environment)
        assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
        made.apply(vms[0])
        assert hear(made.provider, vms[0], 60, quiet).report
