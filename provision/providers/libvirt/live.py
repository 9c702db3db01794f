"""Looking at one domain: everything that its settings are read back from, in one place. No judgement."""

from xml.etree import ElementTree as ET

import libvirt
import msgspec

from provision.providers.libvirt import monitor
from provision.providers.libvirt.domains import is_running
from provision.providers.libvirt.monitor import MonitorError
from provision.providers.libvirt.xmltext import parse_xml

MEMORY_OBJECTS = ("/objects/pc.ram", "/objects/ram-node0")
"""What QEMU calls the guest's memory: without and with a NUMA cell."""


class Block(msgspec.Struct, frozen=True):
    """One disk as QEMU has it, in bytes."""

    capacity: int
    """What the guest sees."""
    taken: int
    """What it takes on the host."""
    iops: int
    """Its limit; 0 for none."""


class Live(msgspec.Struct, frozen=True):
    """A domain as it is. What only a running VM has, or nobody could ask for, is None."""

    running: bool
    configured: ET.Element
    xml: ET.Element
    """Of the running VM; the configuration of one that is off."""
    blocks: dict[str, Block] = msgspec.field(default_factory=dict)
    """By device, such as vda."""
    scheduler: dict[str, int] | None = None
    """The values in its cgroup; empty when it is in none."""
    tpm: str | None = None
    """QEMU's model; empty for none."""
    free_cpu_slots: int | None = None
    memory_allocated: bool | None = None


def look(domain: "libvirt.virDomain") -> Live:
    """Ask libvirt, and QEMU where it runs. Raises libvirtError when not even the configuration can be read."""
    configured = parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    if not is_running(domain):
        return Live(False, configured, configured)
    live = parse_xml(domain.XMLDesc())
    return Live(
        True,
        configured,
        live,
        blocks=_blocks(domain, live),
        scheduler=_scheduler(domain),
        tpm=_tpm(domain),
        free_cpu_slots=_free_cpu_slots(domain),
        memory_allocated=_memory_allocated(domain),
    )


def _blocks(domain: "libvirt.virDomain", live: ET.Element) -> dict[str, Block]:
    found = {}
    for target in live.findall("devices/disk/target"):
        device = target.get("dev", "")
        try:
            capacity, allocation, _physical = domain.blockInfo(device)
            iops = domain.blockIoTune(device, libvirt.VIR_DOMAIN_AFFECT_LIVE).get("total_iops_sec", 0)
        except libvirt.libvirtError:  # the device is gone, or QEMU is ending
            continue
        found[device] = Block(capacity, allocation, iops)
    return found


def _scheduler(domain: "libvirt.virDomain") -> dict[str, int] | None:
    try:
        return {name: int(value) for name, value in domain.schedulerParameters().items()}
    except libvirt.libvirtError as e:
        # Without cgroups libvirt has nothing to ask, and nothing limits the VM.
        return {} if e.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID or "cgroup" in str(e).lower() else None


def _tpm(domain: "libvirt.virDomain") -> str | None:
    try:
        return next((tpm.model for tpm in monitor.tpms(domain)), "")
    except MonitorError:
        return None


def _free_cpu_slots(domain: "libvirt.virDomain") -> int | None:
    try:
        return monitor.free_cpu_slots(domain)
    except MonitorError:
        return None


def _memory_allocated(domain: "libvirt.virDomain") -> bool | None:
    for path in MEMORY_OBJECTS:
        try:
            return monitor.flag(domain, path, "prealloc")
        except MonitorError:
            continue
    return None
