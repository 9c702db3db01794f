"""What libvirt's capabilities say of vmx and svm; inputs are real answers (tests/fixtures/libvirt/PROVENANCE)."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hostcheck.model import Accelerator
from provision.providers.libvirt.offer import HYPERV_ALWAYS, host_model, interpret

FIXTURES = Path(__file__).parents[2] / "fixtures" / "libvirt"


def read(name: str) -> ET.Element:
    return ET.fromstring((FIXTURES / f"{name}.xml").read_text())


def test_tcg_offers_svm_though_its_host_model_does_not_list_it() -> None:
    capabilities = read("domcaps-tcg-qemu7.2")
    listed = [f.get("name") for f in capabilities.findall("cpu/mode[@name='host-model']/feature")]
    assert "svm" not in listed
    offer = interpret(Accelerator.TCG, capabilities, read("baseline-tcg-qemu7.2"))
    assert (offer.usable, offer.native, offer.feature) == (True, "svm", "svm")
    assert (offer.uefi, offer.secure_boot) == (True, True)
    assert offer.evidence.text == "offers svm to guests"


@pytest.mark.parametrize(
    ("qemu", "tpm", "hyperv"),
    [
        ("4.2", (), HYPERV_ALWAYS),
        ("7.2", (), {"spinlocks", "vendor_id"}),
        ("11.1", ("1.2", "2.0"), {"spinlocks", "vendor_id"}),
    ],
)
def test_libvirt_6_9_and_12_say_it_in_other_words(qemu: str, tpm: tuple[str, ...], hyperv: set[str]) -> None:
    offer = interpret(Accelerator.TCG, read(f"domcaps-tcg-qemu{qemu}"), read(f"baseline-tcg-qemu{qemu}"))
    assert (offer.feature, offer.uefi, offer.secure_boot, offer.passthrough) == ("svm", True, True, False)
    assert (offer.tpm, offer.hyperv) == (tpm, hyperv)


def test_kvm_without_svm_is_usable_and_offers_nothing() -> None:
    offer = interpret(Accelerator.KVM, read("domcaps-kvm-without-svm"), read("baseline-kvm-without-svm"))
    assert (offer.usable, offer.native, offer.feature) == (True, "svm", "")
    assert offer.evidence.text == "offers guests neither vmx nor svm"


def test_a_feature_that_is_disabled_or_only_resembles_is_not_offered() -> None:
    capabilities = read("domcaps-kvm-without-svm")
    expanded = ET.fromstring("<cpu><feature policy='disable' name='svm'/><feature name='svme-addr-chk'/></cpu>")
    assert interpret(Accelerator.KVM, capabilities, expanded).feature == ""


def test_intel_is_vmx_and_an_unknown_vendor_is_nothing() -> None:
    capabilities = read("domcaps-kvm-without-svm")
    vendor = capabilities.find("cpu/mode[@name='host-model']/vendor")
    assert vendor is not None
    expanded = ET.fromstring("<cpu><feature policy='require' name='vmx'/></cpu>")
    vendor.text = "Intel"
    assert interpret(Accelerator.KVM, capabilities, expanded).feature == "vmx"
    vendor.text = "Zhaoxin"
    unknown = interpret(Accelerator.KVM, capabilities, expanded)
    assert (unknown.native, unknown.feature) == ("", "")


def test_the_host_model_becomes_a_cpu_of_its_own() -> None:
    cpu = ET.fromstring(host_model(read("domcaps-tcg-qemu7.2")) or "")
    assert (cpu.tag, cpu.get("mode"), cpu.findtext("model")) == ("cpu", "custom", "EPYC")
    assert host_model(ET.fromstring("<domainCapabilities><cpu/></domainCapabilities>")) is None
