"""What an endpoint can give to its guests, asked from libvirt: never from /proc/cpuinfo, which speaks of another CPU.

The host-model of the domain capabilities names a CPU model and what is beyond it, so svm or vmx may be part of the
model and not listed. `baselineHypervisorCPU` expands it (libvirt 4.4, API virConnectBaselineHypervisorCPU).
"""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

import libvirt

from hostcheck.model import Accelerator, Evidence
from provision.providers.libvirt.xmltext import parse_xml

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


def read_offer(connection: "libvirt.virConnect", accelerator: Accelerator) -> Offer:
    """Ask one accelerator. What libvirt refuses to say becomes an offer that is not usable."""
    kind = DOMAIN_TYPE[accelerator]
    try:
        capabilities = parse_xml(connection.getDomainCapabilities(None, ARCHITECTURE, MACHINE, kind, 0))
        cpu = host_model(capabilities)
        if cpu is None:
            return Offer(accelerator, False, "libvirt knows no host-model CPU for it")
        flags = libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        expanded = connection.baselineHypervisorCPU(None, ARCHITECTURE, MACHINE, kind, [cpu], flags)
    except libvirt.libvirtError as e:
        return Offer(accelerator, False, " ".join(str(e).split()))
    return interpret(accelerator, capabilities, parse_xml(expanded))


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


def dry_run(connection: "libvirt.virConnect", accelerator: Accelerator, cpu: str) -> str:
    """Would a VM with this `<cpu>` element start? Empty when it would, else libvirt's reason (compareHypervisorCPU)."""
    kind, flags = DOMAIN_TYPE[accelerator], libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    try:
        connection.compareHypervisorCPU(None, ARCHITECTURE, MACHINE, kind, cpu, flags)
    except libvirt.libvirtError as e:
        return " ".join(str(e).split())
    return ""
