"""Asking an endpoint what it can give to its guests: libvirt is asked, never /proc/cpuinfo, which is of another CPU."""

import libvirt

from hostcheck.model import Accelerator
from provision.providers.libvirt.offer import ARCHITECTURE, DOMAIN_TYPE, MACHINE, Offer, host_model, interpret
from provision.providers.libvirt.xmltext import parse_xml


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


def dry_run(connection: "libvirt.virConnect", accelerator: Accelerator, cpu: str) -> str:
    """Would a VM with this `<cpu>` element start? Empty when it would, else libvirt's reason (compareHypervisorCPU)."""
    kind, flags = DOMAIN_TYPE[accelerator], libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    try:
        connection.compareHypervisorCPU(None, ARCHITECTURE, MACHINE, kind, cpu, flags)
    except libvirt.libvirtError as e:
        return " ".join(str(e).split())
    return ""
