"""The live VM read back: what it was asked for and what it got; from libvirt and, where its XML lies, from QEMU."""

from xml.etree import ElementTree as ET

import libvirt

from agent.cloudinit import PORT
from hostcheck.model import Accelerator, Asked, Evidence, VmView
from provision.model import VmSpec
from provision.providers.libvirt.edits import has_port
from provision.providers.libvirt.inside import FEATURES, Inside
from provision.providers.libvirt.live import look
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import DOMAIN_TYPE
from provision.providers.libvirt.pools import Pools
from provision.providers.libvirt.readback import settings_of_live
from provision.providers.libvirt.readback_pools import pools_of_live

EXPANDED = "custom"
"""The only CPU mode of a live domain that lists what the guest got; host-passthrough and maximum stay as they were."""


def view(
    domain: "libvirt.virDomain", vm: VmSpec, provider: str, asked_where: str, machine: Machine, pools: Pools
) -> VmView:
    """What libvirt and QEMU say of this domain now."""
    live = look(domain)
    asked, feature = asked_of(live.configured)
    evidence = [Evidence("domain configuration", _cpu_line(live.configured))]
    got: bool | None = None
    if live.inside:
        evidence.append(Evidence("live domain XML", _cpu_line(live.xml)))
        got, said = _of_cpu(live.inside, feature)
        evidence.append(Evidence("QEMU monitor (qom-get)", said))
        if got is None:
            got = got_of(live.xml, feature)
    if not has_port(live.xml):
        evidence.append(Evidence("report port", f"the domain has no port {PORT}: it was removed"))
    settings = settings_of_live(vm, live, got, machine.mhz)
    if machine.pooled and (vm.placement.datastore or vm.image.storage):
        settings += pools_of_live(vm, live, pools.directories())
    evidence += [
        Evidence(f"read back: {s.path}", f"asked for {s.asked}, found {s.found} ({s.source})")
        for s in settings
        if s.differs
    ]
    return VmView(
        name=vm.key,
        provider=provider,
        running=live.running,
        state=_state(live.inside) if live.inside and not live.running else "",
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


def _of_cpu(inside: Inside, feature: str) -> tuple[bool | None, str]:
    """What the first virtual CPU itself shows; of both features when none was asked for."""
    if inside.features is None or inside.cpus is None:
        return None, f"cannot be asked: {inside.trouble}"
    values = {name: value for name, value in inside.features.items() if name == feature or not feature}
    words = [f"{name}={str(value).lower()}" for name, value in values.items()]
    words += ["Hyper-V interface: " + ", ".join(sorted(inside.hyperv))] if inside.hyperv else []
    return any(values.values()), "; ".join((inside.cpus.type, ", ".join(words)))


def _state(inside: Inside) -> str:
    """What a QEMU that does not execute its guest says of itself."""
    return "paused" if inside.status in (None, "paused", "running") else f"paused: {inside.status}"
