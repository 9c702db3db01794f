"""The live VM read back: what it was asked for and what it got; from libvirt and, where its XML lies, from QEMU."""

from xml.etree import ElementTree as ET

import libvirt

from agent.cloudinit import PORT
from hostcheck.model import Accelerator, Asked, Evidence, VmView
from provision.model import VmSpec
from provision.providers.libvirt import monitor
from provision.providers.libvirt.edits import has_port
from provision.providers.libvirt.live import look
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.monitor import MonitorError
from provision.providers.libvirt.offer import DOMAIN_TYPE
from provision.providers.libvirt.readback import settings_of_live

FEATURES = ("vmx", "svm")
EXPANDED = "custom"
"""The only CPU mode of a live domain that lists what the guest got; host-passthrough and maximum stay as they were."""


def view(domain: "libvirt.virDomain", vm: VmSpec, provider: str, asked_where: str, machine: Machine) -> VmView:
    """What libvirt and QEMU say of this domain now."""
    live = look(domain)
    asked, feature = asked_of(live.configured)
    evidence = [Evidence("domain configuration", _cpu_line(live.configured))]
    got: bool | None = None
    if live.running:
        evidence.append(Evidence("live domain XML", _cpu_line(live.xml)))
        got = got_of(live.xml, feature)
        if got is None:
            got, said = _ask_qemu(domain, feature)
            evidence.append(Evidence("QEMU monitor (qom-get)", said))
    if not has_port(live.xml):
        evidence.append(Evidence("report port", f"the domain has no port {PORT}: it was removed"))
    settings = settings_of_live(vm, live, got, machine.mhz)
    evidence += [
        Evidence(f"read back: {s.path}", f"asked for {s.asked}, found {s.found} ({s.source})")
        for s in settings
        if s.differs
    ]
    return VmView(
        name=vm.key,
        provider=provider,
        running=live.running,
        asked=asked,
        asked_where=asked_where,
        feature=feature,
        got=got,
        accelerator=accelerator_of(live.xml),
        evidence=tuple(evidence),
        settings=settings,
    )


def asked_of(domain: ET.Element) -> tuple[Asked, str]:
    """What a configuration says of vmx and svm, and of which one. Pure."""
    policies = _policies(domain)
    for feature in FEATURES:
        if policies.get(feature) in ("require", "force", "optional"):
            return Asked.ON, feature
    for feature in FEATURES:
        if policies.get(feature) in ("disable", "forbid"):
            return Asked.OFF, feature
    return Asked.UNSTATED, ""


def got_of(live: ET.Element, feature: str) -> bool | None:
    """Whether live XML says that the guest has the feature; None when it says nothing that can be relied on. Pure."""
    cpu = live.find("cpu")
    if cpu is None or cpu.get("mode", EXPANDED) != EXPANDED:
        return None
    return {"require": True, "disable": False}.get(_policies(live).get(feature, ""))


def accelerator_of(domain: ET.Element) -> Accelerator | None:
    """KVM or TCG; None for what is neither. Pure."""
    return next((a for a, kind in DOMAIN_TYPE.items() if kind == domain.get("type")), None)


def _policies(domain: ET.Element) -> dict[str, str]:
    return {f.get("name", ""): f.get("policy", "require") for f in domain.findall("cpu/feature")}


def _cpu_line(domain: ET.Element) -> str:
    cpu = domain.find("cpu")
    if cpu is None:
        return f"type {domain.get('type')}, no <cpu>"
    words = [f"type {domain.get('type')}", f"mode {cpu.get('mode', EXPANDED)}"]
    if model := cpu.findtext("model"):
        words.append(f"model {model}")
    policies = _policies(domain)
    words += [f"{policies[name]} {name}" for name in FEATURES if name in policies]
    return ", ".join(words)


def _ask_qemu(domain: "libvirt.virDomain", feature: str) -> tuple[bool | None, str]:
    """The CPUID property of the first virtual CPU itself; of both features when none was asked for."""
    try:
        path = monitor.cpus(domain)[0].qom
        values = {each: monitor.flag(domain, path, each) for each in ((feature,) if feature else FEATURES)}
    except (MonitorError, IndexError) as e:
        return None, f"cannot be asked: {e}"
    return any(values.values()), ", ".join(f"{name}={str(value).lower()}" for name, value in values.items())
