"""The mission's own classes, from manifest to proof, on three versions of the API and of the virtual hardware each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mission_factory import vm_of
from vcsim_server import ESXI_8, TEMPLATE, start
from vsphere_lab import VsphereLab

from hostcheck.judge import judge
from hostcheck.report import decode
from provision.model import Handling, VmSpec
from provision.provider import ProviderError
from provision.proving import hear

VERSIONS = {"6.7": ("6.7.2", (13, 14, 15)), "7.0.3.0": ("7.0.3", (13, 17, 19)), "8.0.2.0": ("8.0.2", (13, 19, 21))}
"""Version of the API -> that of vCenter and ESXi, and the hardware versions that are tried there."""
INTEL, AMD = "DC0_C0_H0", "DC0_C0_H1"
# (class, host, oldest hardware that has all of it, the field that an older one refuses)
NEEDS = [
    ("nested-vm-class", INTEL, 14, "virtualizationBasedSecurity: true"),
    ("nested-vm-class", AMD, 19, "virtualizationBasedSecurity: true"),
    ("hypervisor-class", INTEL, 14, "vtdEnabled: true"),
    ("hypervisor-class", AMD, 14, "vtdEnabled: true"),
]


@pytest.fixture(scope="module", params=VERSIONS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VsphereLab]:
    """One vCenter with a host of Intel and one of AMD."""
    product, hardware = VERSIONS[request.param]
    hosts = [ESXI_8 | {"version": product, "vendor": vendor} for vendor in ("intel", "amd")]
    templates = [TEMPLATE | {"name": f"vmx-{n}", "hardware": f"vmx-{n}"} for n in hardware]
    place = tmp_path_factory.mktemp("mission")
    found = VsphereLab.of(start(place, api=request.param, product=product, hosts=hosts, templates=templates))
    yield found
    found.close()


def wanted(lab: VsphereLab, file: Path, called: str, hardware: int, host: str) -> VmSpec:
    settings = {"GOVC_USERNAME": "user", "GOVC_PASSWORD": "pass", "GOVC_TLS_CA_CERTS": str(lab.vc.certificate)}
    image = f"{{vsphere: {{templateName: vmx-{hardware}}}}}"
    return vm_of(called, file, lab.vc.url, settings, image=image, place=f"placement: {{host: {host}}}")


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize(("called", "host", "least", "field"), NEEDS)
def test_the_classes_of_the_mission_are_made_and_proven_or_refused_at_their_line(
    lab: VsphereLab, tmp_path: Path, which: int, called: str, host: str, least: int, field: str
) -> None:
    hardware = sorted(int(vm.name[4:]) for vm in lab.machines() if vm.name.startswith("vmx-"))[which]
    vm = wanted(lab, tmp_path / "vm.yaml", called, hardware, host)
    if hardware < least:
        says = rf"vm\.yaml:\d+:\d+: .* needs virtual hardware vmx-{least} .*; the VM's is vmx-{hardware}"
        with pytest.raises(ProviderError, match=says) as caught:
            lab.provider.plan(vm)
        assert caught.value.refused
        line = int(str(caught.value).split(".yaml:")[1].split(":")[0])
        assert (tmp_path / "vm.yaml").read_text().splitlines()[line - 1].split("#")[0].strip() == field
        return
    plan = lab.apply(vm)
    unhonoured = {a.path for a in plan.accounts if a.handling in (Handling.UNSUPPORTED, Handling.REFUSED)}
    assert unhonoured <= {"VMClass spec.diskDefaults.storageClass"}
    heard = hear(lab.provider, vm, 60, lambda _: None)
    assert heard.report is not None, heard.detail
    assert judge(decode(heard.report)).runs_guests.verdict.works
    assert (heard.view.got, [setting for setting in heard.view.settings if setting.differs]) == (True, [])
    config = lab.machine(f"{vm.namespace}.nested").config
    told = (config.nestedHVEnabled, config.flags.vvtdEnabled, bool(config.flags.vbsEnabled), config.firmware)
    assert told == (True, True, called == "nested-vm-class", "efi")
    assert [step.action for step in lab.provider.plan(vm).steps] == ["keep"]
    assert lab.provider.destroy(vm.namespace, "nested")
