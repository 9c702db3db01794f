"""What each provider needs to offer nested virtualization at all: the versions from which it can.

A host that is judged by its own report shows them in what libvirt keeps and in the kernel's name; one that is judged by
its provider's API shows them as the product (`product_finding`).
"""

import re

from hostcheck.checks import PASS, SKIP, UNKNOWN, WARN, Outcome, check
from hostcheck.facts import Facts
from hostcheck.model import Evidence, Finding, Severity
from hostcheck.remedies.prerequisites import UPDATE_LIBVIRT, UPDATE_PROXMOX
from hostcheck.report import FactStatus

LIBVIRT = (1, 2, 13)
PROXMOX_KERNEL = (5, 0)
"""Proxmox VE 6.0 was released with 5.0, Proxmox VE 5 ended with 4.15."""
PRODUCTS = (
    (re.compile(r"ESXi (\d+)\.(\d+)"), (6, 0), "ESXi"),
    (re.compile(r"(?:Proxmox VE |pve-manager/)(\d+)\.(\d+)"), (6, 0), "Proxmox VE"),
    (re.compile(r"libvirt (\d+)\.(\d+)\.(\d+)"), LIBVIRT, "libvirt"),
)
VERSION = "provider.version"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _parts(number: int) -> tuple[int, int, int]:
    return number // 1_000_000, number // 1000 % 1000, number % 1000


def product_finding(product: str) -> Finding | None:
    """Whether a product, as its API names it, is new enough; None where no minimum is known for it."""
    for pattern, minimum, name in PRODUCTS:
        if (match := pattern.search(product)) is not None:
            version = tuple(int(part[:9]) for part in match.groups())
            evidence = (Evidence("provider", product),)
            if version < minimum:
                summary = f"{name} {_dotted(version)} is older than {_dotted(minimum)}, from which VMs can nest"
                return Finding(VERSION, WARN, summary, evidence=evidence)
            return Finding(VERSION, PASS, f"{name} {_dotted(version)} is new enough to nest", evidence=evidence)
    return None


@check(
    "host.libvirt-version",
    question="Is libvirt new enough for VMs that run VMs?",
    why="Before 1.2.13 libvirt cannot describe the CPU of such a VM reliably.",
    judged="The versions of libvirt and QEMU that are written in the newest file of libvirt's cache, against 1.2.13. "
    "Warns below it; skipped where libvirt keeps no cache.",
    severity=Severity.ADVISES,
    facts=("host.libvirt_cache",),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("host.update-libvirt",),
    links=("libvirt, Releases: 1.2.13",),
)
def libvirt_version(facts: Facts) -> Outcome:
    if facts.libvirt_cache.status is FactStatus.ABSENT:
        return Outcome(SKIP, "libvirt has no cache here")
    cache = facts.libvirt_cache.known
    if cache is None or cache.libvirt <= 0:
        why = facts.libvirt_cache.error or "its cache does not say"
        return Outcome(UNKNOWN, f"libvirt's version could not be read: {why}")
    version, qemu = _parts(cache.libvirt), _parts(cache.qemu)
    text = f"libvirt {_dotted(version)}" + (f" with QEMU {_dotted(qemu)}" if cache.qemu > 0 else "")
    evidence = (Evidence(cache.path, text),)
    if version < LIBVIRT:
        summary = f"{text} is older than {_dotted(LIBVIRT)}"
        return Outcome(WARN, summary, evidence, (UPDATE_LIBVIRT.fill(facts),))
    return Outcome(PASS, text, evidence)


@check(
    "host.proxmox-version",
    question="Is Proxmox VE new enough for VMs that run VMs?",
    why="Proxmox VE before 6.0 gets no more updates, and its kernels cannot move or save a VM that nests.",
    judged="By the kernel's name, which ends in -pve: 5.0 came with Proxmox VE 6.0. Warns before it; skipped on other "
    "kernels.",
    severity=Severity.ADVISES,
    facts=("kernel.release",),
    gives=(PASS, WARN, SKIP, UNKNOWN),
    remedies=("host.update-proxmox",),
    links=("Proxmox VE wiki, Roadmap",),
)
def proxmox_version(facts: Facts) -> Outcome:
    kernel = facts.kernel.value
    if kernel is None or not kernel.release:
        return Outcome(UNKNOWN, f"the kernel's name could not be read: {facts.kernel.error}")
    if not kernel.release.endswith("-pve"):
        return Outcome(SKIP, "this is not a kernel of Proxmox VE")
    evidence = (Evidence(facts.kernel.source, kernel.release),)
    if facts.kernel_number is None:
        return Outcome(UNKNOWN, f"the kernel's name says no version: {kernel.release}", evidence)
    if facts.kernel_number < PROXMOX_KERNEL:
        summary = f"kernel {kernel.release} is of Proxmox VE 5 or older; 6.0 or later is needed"
        return Outcome(WARN, summary, evidence, (UPDATE_PROXMOX.fill(facts),))
    return Outcome(PASS, f"kernel {kernel.release} is of Proxmox VE 6.0 or later", evidence)
