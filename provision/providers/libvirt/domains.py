"""The domain of one VM: found, defined, started, stopped, removed. Only domains that carry our record are touched."""

import contextlib
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from hostcheck import clock
from provision.provider import Difference, ProviderError
from provision.providers.libvirt.changes import Life
from provision.providers.libvirt.machine import Machine
from provision.providers.libvirt.offer import ARCHITECTURE, MACHINE
from provision.providers.libvirt.places import domain_uuid
from provision.providers.libvirt.record import Record, read_record
from provision.providers.libvirt.storage import VmKey
from provision.providers.libvirt.xmltext import parse_xml

GRACE = 30.0
"""Seconds that a guest gets to shut down before it is powered off."""
REMOVE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)
UNDEFINE_TPM = 1 << 5
"""VIR_DOMAIN_UNDEFINE_TPM, for which a client that is older than its daemon may have no name."""
NO_WAY_ON = ("internal-error", "guest-panicked", "shutdown")
"""What QEMU says of a guest that only a reset brings back."""


def find(connection: "libvirt.virConnect", key: VmKey) -> "libvirt.virDomain | None":
    """The VM's domain. Raises ProviderError when its name or UUID is taken by one that nestproof did not make."""
    lookups: tuple[tuple[Callable[[str], Any], str], ...] = (
        (connection.lookupByUUIDString, domain_uuid(key.namespace, key.name)),
        (connection.lookupByName, str(key)),
    )
    for look, what in lookups:
        try:
            domain = look(what)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                continue
            raise
        record = record_of(domain)
        if record is None or (record.namespace, record.name) != (key.namespace, key.name):
            raise ProviderError(
                f"domain {domain.name()} exists already and was not made by nestproof for {key.namespace}/{key.name}",
                hint="give the VirtualMachine another name, or rename that domain",
            )
        return domain
    return None


def record_of(domain: "libvirt.virDomain") -> Record | None:
    """Our record in the domain's lasting configuration."""
    return read_record(parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))


def images(connection: "libvirt.virConnect") -> set[str]:
    """SHA-256 of the images that VMs of ours were made from, by their records."""
    found = set()
    for domain in connection.listAllDomains():
        try:
            record = record_of(domain)
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # gone meanwhile
                raise
            continue
        if record is not None:
            found.add(record.settings.image)
    return found


def is_running(domain: "libvirt.virDomain") -> bool:
    """Executing, and not merely paused, crashed or about to end."""
    return bool(domain.state()[0] in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED))


def life_of(domain: "libvirt.virDomain") -> Life:
    """What it is doing."""
    if not domain.isActive():
        return Life.SAVED if domain.hasManagedSaveImage() else Life.OFF
    state, reason = domain.state()
    if state in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED):
        return Life.RUNNING
    if state == libvirt.VIR_DOMAIN_PMSUSPENDED:
        return Life.ASLEEP
    if state != libvirt.VIR_DOMAIN_PAUSED or reason == libvirt.VIR_DOMAIN_PAUSED_CRASHED:
        return Life.BROKEN
    from provision.providers.libvirt.monitor import MonitorError, Status, ask  # late: few are paused

    try:
        return Life.BROKEN if ask(domain, "query-status", Status).status in NO_WAY_ON else Life.PAUSED
    except MonitorError:
        return Life.PAUSED


def run(domain: "libvirt.virDomain") -> None:
    """Bring a domain to execute its guest; what is in its memory is lost only where it cannot go on."""
    match life_of(domain):
        case Life.RUNNING:
            return
        case Life.PAUSED:
            domain.resume()
        case Life.ASLEEP:
            domain.pMWakeup()
        case Life.BROKEN:
            stop(domain, gracefully=False)
            domain.create()
        case Life.OFF | Life.SAVED:
            domain.create()


def stop(domain: "libvirt.virDomain", *, gracefully: bool) -> None:
    """Bring a domain to rest; `gracefully` lets the guest write its disks first, for at most GRACE seconds."""
    if gracefully and is_running(domain):
        with contextlib.suppress(libvirt.libvirtError):
            domain.shutdown()
            deadline = clock.monotonic() + GRACE
            while domain.isActive() and clock.monotonic() < deadline:
                time.sleep(0.2)
    if domain.isActive():
        try:
            domain.destroy()
        except libvirt.libvirtError:
            if domain.isActive():  # it may have ended by itself meanwhile
                raise


def displaced(domain: "libvirt.virDomain", key: VmKey) -> tuple[Difference, ...]:
    """What libvirt's own tools did to its definition as a whole."""
    found = []
    if domain.name() != str(key):
        found.append(Difference("name", domain.name(), str(key)))
    if not domain.isPersistent():
        found.append(Difference("definition", "transient", "persistent"))
    return tuple(found)


def files(domain: "libvirt.virDomain") -> tuple[str, ...]:
    """Its disks, as far as they are files."""
    configured = parse_xml(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return tuple(source.get("file", "") for source in configured.findall("devices/disk/source[@file]"))


def persist(domain: "libvirt.virDomain") -> None:
    """Define a transient domain as it is: what libvirt keeps for it would be lost at its end, or left behind."""
    if not domain.isPersistent():
        configured = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        domain.connect().defineXML(configured)


def variables_of(domain: "libvirt.virDomain") -> str:
    """The file of its firmware's variables, which not every libvirt tells of a domain that is off. It then is still."""
    path = parse_xml(domain.XMLDesc()).findtext("os/nvram", "")
    if path or domain.isActive():
        return path
    if domain.hasManagedSaveImage():
        domain.managedSaveRemove()
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        return parse_xml(domain.XMLDesc()).findtext("os/nvram", "")
    finally:
        stop(domain, gracefully=False)


def make_way(domain: "libvirt.virDomain", key: VmKey, variables: str) -> None:
    """Ready a domain that is at rest to be defined anew, which leaves its name and what is kept for it as they are.

    `variables`: a file of firmware's that has to go.
    """
    if domain.hasManagedSaveImage():
        domain.managedSaveRemove()
    if domain.name() != str(key):
        domain.rename(str(key))
    if variables:
        _remove_variables(domain.connect(), key, variables)


def _remove_variables(connection: "libvirt.virConnect", key: VmKey, path: str) -> None:
    """The file of firmware's variables, which libvirt removes with a domain alone: with one that is for that only.

    Without the VM's own domain in between, a run that is killed would not know the VM any more.
    """
    bearer = ET.Element("domain", type="qemu")
    ET.SubElement(bearer, "name").text = f"{key}_variables"  # no name of a VM has an underscore
    ET.SubElement(bearer, "uuid").text = domain_uuid(key.namespace, f"{key.name}_variables")
    ET.SubElement(bearer, "memory", unit="MiB").text = "64"
    system = ET.SubElement(bearer, "os")
    ET.SubElement(system, "type", arch=ARCHITECTURE, machine=MACHINE).text = "hvm"
    ET.SubElement(system, "loader", readonly="yes", type="pflash").text = "/dev/null"
    ET.SubElement(system, "nvram").text = path
    ET.SubElement(ET.SubElement(bearer, "features"), "acpi")  # libvirt wants it where there is UEFI
    made = connection.defineXML(ET.tostring(bearer, encoding="unicode"))
    made.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


def remove(domain: "libvirt.virDomain", machine: Machine) -> None:
    """Power off and forget the domain with all that libvirt keeps for it: NVRAM, TPM, saved state, snapshots."""
    persist(domain)
    stop(domain, gracefully=False)
    tpm = UNDEFINE_TPM if machine.asks_for_tpm_state else 0
    domain.undefineFlags(REMOVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | tpm)
