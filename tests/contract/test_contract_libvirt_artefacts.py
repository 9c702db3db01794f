"""What libvirt shows of a VM for a troubleshooting bundle, of a real domain under a real QEMU."""

from xml.etree import ElementTree as ET

import pytest
from libvirt_lab import Lab

from provision.provider import Diagnosing
from provision.providers.libvirt import domains

pytestmark = pytest.mark.libvirt


def test_the_configuration_and_the_logs_of_a_running_vm(embedded: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "GRACE", 0.0)  # the boot sector does not hear ACPI
    provider = embedded.provider
    assert isinstance(provider, Diagnosing)
    before = {artefact.name for artefact in provider.artefacts("default", "tiny")}
    assert before == {"capabilities.xml", "domain-capabilities-qemu.xml"} | before and "domain.xml" not in before
    provider.apply(provider.plan(embedded.vm()), lambda _line: None)
    try:
        shown = {artefact.name: artefact.data for artefact in provider.artefacts("default", "tiny")}
    finally:
        provider.destroy("default", "tiny")
    assert ET.fromstring(shown["domain.xml"]).findtext("name") == "default.tiny"
    assert ET.fromstring(shown["domain.xml"]).get("id") and not ET.fromstring(shown["domain-inactive.xml"]).get("id")
    assert b"qemu-system-x86_64" in shown["qemu.log"]
