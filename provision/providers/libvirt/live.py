"""Looking at one domain: everything that its settings are read back from, in one place. No judgement."""

from xml.etree import ElementTree as ET

import libvirt
import msgspec

from hostcheck.model import Accelerator
from provision.providers.libvirt.domains import is_running
from provision.providers.libvirt.hyperv import parts_of
from provision.providers.libvirt.inside import FEATURES, Inside, look_inside
from provision.providers.libvirt.offer import DOMAIN_TYPE
from provision.providers.libvirt.record import Settings, read_record
from provision.providers.libvirt.xmltext import parse_xml


class Block(msgspec.Struct, frozen=True):
    """One disk as QEMU has it, in bytes."""

    capacity: int
    """What the guest sees."""
    taken: int
    """What it takes on the host."""
    iops: int
    """Its limit; 0 for none."""
    physical: int = 0
    """How long its file is."""


class Live(msgspec.Struct, frozen=True):
    """A domain as it is. What only a running VM has, or nobody could ask for, is None."""

    running: bool
    """Executing; one that is paused or crashed has a QEMU, too, and is asked all the same."""
    configured: ET.Element
    xml: ET.Element
    """Of the running VM; the configuration of one that is off."""
    blocks: dict[str, Block] = msgspec.field(default_factory=dict)
    """By device, such as vda."""
    scheduler: dict[str, int] | None = None
    """The values in its cgroup; empty when it is in none."""
    inside: Inside | None = None
    """What QEMU says; None for a VM that is off."""

    @property
    def recorded(self) -> Settings | None:
        """What the domain was made from."""
        record = read_record(self.configured)
        return record.settings if record else None


def look(domain: "libvirt.virDomain") -> Live:
    """Ask libvirt, and QEMU where there is one. Raises libvirtError when not even the configuration can be read."""
    configured = parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    if not domain.isActive():
        return Live(False, configured, configured)
    live = parse_xml(domain.XMLDesc())
    record = read_record(configured)
    made_with = record.settings.hyperv.split() if record else []
    kvm = live.get("type") == DOMAIN_TYPE[Accelerator.KVM]  # an emulator shows guests no Hyper-V interface
    running = is_running(domain)
    named = [name for name in FEATURES if configured.find(f"cpu/feature[@name='{name}']") is not None]
    return Live(
        running,
        configured,
        live,
        blocks=_blocks(domain, live),
        scheduler=_scheduler(domain),
        inside=look_inside(
            domain,
            live,
            named or FEATURES,
            dict.fromkeys((*made_with, *parts_of(live))) if kvm else (),
            running=running,
        ),
    )


def _blocks(domain: "libvirt.virDomain", live: ET.Element) -> dict[str, Block]:
    found = {}
    for target in live.findall("devices/disk/target"):
        device = target.get("dev", "")
        try:
            capacity, allocation, physical = domain.blockInfo(device)
            iops = domain.blockIoTune(device, libvirt.VIR_DOMAIN_AFFECT_LIVE).get("total_iops_sec", 0)
        except libvirt.libvirtError:  # the device is gone, or QEMU is ending
            continue
        found[device] = Block(capacity, allocation, iops, physical)
    return found


def _scheduler(domain: "libvirt.virDomain") -> dict[str, int] | None:
    try:
        return {name: int(value) for name, value in domain.schedulerParameters().items()}
    except libvirt.libvirtError as e:
        # Without cgroups libvirt has nothing to ask, and nothing limits the VM.
        return {} if e.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID or "cgroup" in str(e).lower() else None
