"""What one accelerator of an endpoint gives to its guests, read from libvirt's answers. Pure.

The host-model of the domain capabilities names a CPU model and what is beyond it, so svm or vmx may be part of the
model and not listed: it has to be expanded before it tells (formatdomaincaps.html).
"""

from xml.etree import ElementTree as ET

import msgspec

from hostcheck.model import Accelerator, Evidence

ARCHITECTURE = "x86_64"
MACHINE = "q35"
VIRTUALIZATION = {"AMD": "svm", "Hygon": "svm", "Intel": "vmx"}
HYPERV_ALWAYS = frozenset({"relaxed", "vapic", "spinlocks"})
"""Where libvirt does not list them: every KVM in use has these."""
DOMAIN_TYPE = {Accelerator.KVM: "kvm", Accelerator.TCG: "qemu"}


class Offer(msgspec.Struct, frozen=True):
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
    passthrough: bool = False
    """The host's own CPU can be shown to guests as it is."""
    tpm: tuple[str, ...] = ()
    """Versions that can be emulated."""
    hyperv: frozenset[str] = frozenset()
    """Parts of the Hyper-V interface that can be shown to guests."""
    max_cpus: int = 0

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
    max_cpus = (vcpu.get("max") or "") if (vcpu := capabilities.find("vcpu")) is not None else ""
    return Offer(
        accelerator,
        True,
        native=native,
        feature=native if native in features else "",
        uefi="efi" in _values(capabilities, "os/enum[@name='firmware']"),
        secure_boot="yes" in _values(capabilities, "os/loader/enum[@name='secure']"),
        passthrough=capabilities.find("cpu/mode[@name='host-passthrough'][@supported='yes']") is not None,
        tpm=_tpm(capabilities),
        hyperv=frozenset(_values(capabilities, "features/hyperv/enum[@name='features']")) or HYPERV_ALWAYS,
        max_cpus=int(max_cpus) if max_cpus.isdecimal() else 0,
    )


def _tpm(capabilities: ET.Element) -> tuple[str, ...]:
    if "emulator" not in _values(capabilities, "devices/tpm[@supported='yes']/enum[@name='backendModel']"):
        return ()
    versions = _values(capabilities, "devices/tpm/enum[@name='backendVersion']")
    return tuple(versions) or ("1.2", "2.0")  # before libvirt 8.6 they are not listed


def _values(capabilities: ET.Element, path: str) -> list[str]:
    return [value.text or "" for value in capabilities.findall(f"{path}/value")]


def host_model(capabilities: ET.Element) -> str | None:
    """The host-model of domain capabilities as a CPU of its own, which the baseline and compare calls take."""
    mode = capabilities.find("cpu/mode[@name='host-model'][@supported='yes']")
    if mode is None:
        return None
    cpu = ET.Element("cpu", mode="custom")
    cpu.extend(mode)
    return ET.tostring(cpu, encoding="unicode")
