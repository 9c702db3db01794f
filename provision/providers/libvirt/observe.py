"""The live VM read back: what it was asked for and what it got; from libvirt and, where its XML lies, from QEMU."""

import json
from xml.etree import ElementTree as ET

import libvirt
import libvirt_qemu
import msgspec

from hostcheck.model import Accelerator, Asked, Evidence, VmView
from provision.providers.libvirt.domains import is_running
from provision.providers.libvirt.offer import DOMAIN_TYPE
from provision.providers.libvirt.xmltext import parse_xml

FEATURES = ("vmx", "svm")
EXPANDED = "custom"
"""The only CPU mode of a live domain that lists what the guest got; host-passthrough and maximum stay as they were."""


class _Cpu(msgspec.Struct):
    qom: str = msgspec.field(name="qom-path")


class _Cpus(msgspec.Struct):
    cpus: list[_Cpu] = msgspec.field(name="return")


class _Property(msgspec.Struct):
    value: bool = msgspec.field(name="return")


def view(domain: "libvirt.virDomain", name: str, provider: str, asked_where: str) -> VmView:
    """What libvirt and QEMU say of this domain now."""
    configured = parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    running = is_running(domain)
    live = parse_xml(domain.XMLDesc()) if running else configured
    asked, feature = asked_of(configured)
    evidence = [Evidence("domain configuration", _cpu_line(configured))]
    got: bool | None = None
    if running:
        evidence.append(Evidence("live domain XML", _cpu_line(live)))
        got = got_of(live, feature)
        if got is None:
            got, said = _ask_qemu(domain, feature)
            evidence.append(Evidence("QEMU monitor (qom-get)", said))
    return VmView(
        name=name,
        provider=provider,
        running=running,
        asked=asked,
        asked_where=asked_where,
        feature=feature,
        got=got,
        accelerator=accelerator_of(live),
        evidence=tuple(evidence),
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
        cpus = msgspec.json.decode(_monitor(domain, "query-cpus-fast"), type=_Cpus).cpus
        values = {
            each: msgspec.json.decode(
                _monitor(domain, "qom-get", path=cpus[0].qom, property=each), type=_Property
            ).value
            for each in ((feature,) if feature else FEATURES)
        }
    except (libvirt.libvirtError, msgspec.MsgspecError, IndexError) as e:
        return None, f"cannot be asked: {' '.join(str(e).split())[:200]}"
    return any(values.values()), ", ".join(f"{name}={str(value).lower()}" for name, value in values.items())


def _monitor(domain: "libvirt.virDomain", command: str, **arguments: str) -> str:
    request = json.dumps({"execute": command, "arguments": arguments} if arguments else {"execute": command})
    return str(libvirt_qemu.qemuMonitorCommand(domain, request, 0))
