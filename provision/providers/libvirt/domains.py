"""The domain of one VM: found, defined, started, stopped, removed. Only domains that carry our record are touched."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import libvirt

from hostcheck import clock
from provision.provider import ProviderError
from provision.providers.libvirt.machine import Machine
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


def remove(domain: "libvirt.virDomain", machine: Machine) -> None:
    """Power off and forget the domain with all that libvirt keeps for it: NVRAM, TPM, saved state, snapshots."""
    stop(domain, gracefully=False)
    tpm = libvirt.VIR_DOMAIN_UNDEFINE_TPM if machine.asks_for_tpm_state else 0
    domain.undefineFlags(REMOVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | tpm)
