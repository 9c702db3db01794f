"""What live XML says of the feature, and where it says nothing. Cases are those measured on libvirt 9.0."""

from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed")

from hostcheck.model import Accelerator, Asked
from provision.providers.libvirt.observe import accelerator_of, asked_of, got_of


def domain(cpu: str, kind: str = "kvm") -> ET.Element:
    return ET.fromstring(f"<domain type='{kind}'>{cpu}</domain>")


@pytest.mark.parametrize(
    ("cpu", "asked"),
    [
        ("<cpu mode='host-model'><feature policy='require' name='vmx'/></cpu>", (Asked.ON, "vmx")),
        ("<cpu mode='host-model'><feature policy='optional' name='svm'/></cpu>", (Asked.ON, "svm")),
        ("<cpu mode='custom'><feature policy='disable' name='svm'/></cpu>", (Asked.OFF, "svm")),
        ("<cpu mode='host-passthrough'/>", (Asked.UNSTATED, "")),
        ("<cpu mode='custom'><feature policy='require' name='vmx-ept'/></cpu>", (Asked.UNSTATED, "")),
        ("", (Asked.UNSTATED, "")),
    ],
)
def test_asked(cpu: str, asked: tuple[Asked, str]) -> None:
    assert asked_of(domain(cpu)) == asked


@pytest.mark.parametrize(
    ("cpu", "got"),
    [
        ("<cpu mode='custom' check='full'><feature policy='require' name='vmx'/></cpu>", True),
        # check='none' with a missing feature: it starts, and the live XML says that it was taken away
        ("<cpu mode='custom' check='none'><feature policy='disable' name='vmx'/></cpu>", False),
        # host-passthrough starts without the feature and keeps its XML as it was
        ("<cpu mode='host-passthrough'><feature policy='require' name='vmx'/></cpu>", None),
        ("<cpu mode='maximum'><feature policy='require' name='vmx'/></cpu>", None),
        ("<cpu mode='custom'><feature policy='force' name='vmx'/></cpu>", None),
        ("<cpu mode='custom'/>", None),
        ("", None),
    ],
)
def test_got(cpu: str, got: bool | None) -> None:
    assert got_of(domain(cpu), "vmx") is got


def test_accelerator() -> None:
    assert accelerator_of(domain("", "kvm")) is Accelerator.KVM
    assert accelerator_of(domain("", "qemu")) is Accelerator.TCG
    assert accelerator_of(domain("", "xen")) is None
