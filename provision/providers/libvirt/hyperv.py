"""The Hyper-V interface that Windows guests are shown: which parts of it a VM gets (formatdomain.html). Pure."""

from collections.abc import Collection
from xml.etree import ElementTree as ET

WANTED = (
    "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "frequencies", "reenlightenment",
    "tlbflush", "ipi", "evmcs",
)  # fmt: skip
"""In the order of libvirt's schema: what Windows' own hypervisor runs best with."""
NEEDS = {"synic": "vpindex", "stimer": "synic", "tlbflush": "vpindex", "ipi": "vpindex", "evmcs": "vapic"}
SPINLOCK_RETRIES = "8191"


def enlightenments(offered: Collection[str], feature: str) -> tuple[str, ...]:
    """The wanted ones that are offered, with what each needs. `evmcs` is for VMs that nest with vmx alone."""
    chosen: list[str] = []
    for name in WANTED:
        possible = name in offered and (name not in NEEDS or NEEDS[name] in chosen)
        if possible and (name != "evmcs" or feature == "vmx"):
            chosen.append(name)
    return tuple(chosen)


def parts_of(domain: ET.Element) -> list[str]:
    """Those that a domain's XML switches on."""
    return [
        part.tag for part in domain.findall("features/hyperv/*") if part.tag in WANTED and part.get("state") == "on"
    ]


def hyperv_element(names: tuple[str, ...]) -> ET.Element:
    """`<hyperv>` for a domain's features. The attribute `mode` is left out: libvirt before 8.0 does not know it."""
    top = ET.Element("hyperv")
    for name in names:
        element = ET.SubElement(top, name, state="on")
        if name == "spinlocks":
            element.set("retries", SPINLOCK_RETRIES)
    return top
