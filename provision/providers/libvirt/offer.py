"""What one accelerator of an endpoint gives to its guests, read from libvirt's answers. Pure.

The host-model of the domain capabilities names a CPU model and what is beyond it, so svm or vmx may be part of the
model and not listed: it has to be expanded before it tells (formatdomaincaps.html).
"""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from hostcheck.model import Accelerator, Evidence

ARCHITECTURE = "x86_64"
MACHINE = "q35"
VIRTUALIZATION = {"AMD": "svm", "Hygon": "svm", "Intel": "vmx"}
DOMAIN_TYPE = {Accelerator.KVM: "kvm", Accelerator.TCG: "qemu"}


@dataclass(frozen=True, slots=True)
class Offer:
    """What one accelerator of an endpoint gives to its guests."""

    accelerator: Accelerator
    usable: bool
    reason: str = ""
    """Why it is not usable, in libvirt's words."""
    native: str = ""
    """The vendor's own feature, svm or vmx, offered or not; empty for an unknown vendor."""
    feature: str = ""
    """svm or vmx when guests can be given it, else empty."""
    uefi: bool = False
    secure_boot: bool = False

    @property
    def evidence(self) -> Evidence:
        """The same for people."""
        if not self.usable:
            return Evidence(f"domain capabilities ({self.accelerator})", f"not usable: {self.reason}")
        text = f"offers {self.feature} to guests" if self.feature else "offers guests neither vmx nor svm"
        return Evidence(f"domain capabilities ({self.accelerator})", text)


def interpret(accelerator: Accelerator, capabilities: ET.Element, expanded: ET.Element) -> Offer:
    """The offer in domain capabilities and the expanded host-model. Pure."""
    features = {f.get("name") for f in expanded.findall("feature") if f.get("policy", "require") == "require"}
    native = VIRTUALIZATION.get(capabilities.findtext("cpu/mode[@name='host-model']/vendor", ""), "")
    return Offer(
        accelerator,
        True,
        native=native,
        feature=native if native in features else "",
        uefi="efi" in [v.text for v in capabilities.findall("os/enum[@name='firmware']/value")],
        secure_boot="yes" in [v.text for v in capabilities.findall("os/loader/enum[@name='secure']/value")],
    )


def host_model(capabilities: ET.Element) -> str | None:
    """The host-model of domain capabilities as a CPU of its own, which the baseline and compare calls take."""
    mode = capabilities.find("cpu/mode[@name='host-model'][@supported='yes']")
    if mode is None:
        return None
    cpu = ET.Element("cpu", mode="custom")
    cpu.extend(mode)
    return ET.tostring(cpu, encoding="unicode")
