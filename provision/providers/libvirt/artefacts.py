"""What libvirt can show of one VM to whoever has to help: its configuration, live and lasting, and the logs."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import libvirt

from provision.provider import Artefact
from provision.providers.libvirt import domains
from provision.providers.libvirt.storage import VmKey

TAIL = 1 << 20
"""Bytes of a log that are taken, the last ones."""
LOGS = Path("/var/log/libvirt/qemu")


def artefacts(
    connection: "libvirt.virConnect", key: VmKey, logs: Path | None, console: str | None
) -> tuple[Artefact, ...]:
    """Everything that can be had; what cannot (no domain, no permission) is not there. XML comes without secrets."""
    return tuple(_all(connection, key, logs or LOGS, console))


def _all(connection: "libvirt.virConnect", key: VmKey, logs: Path, console: str | None) -> Iterator[Artefact]:
    domain = domains.find(connection, key)
    asked: list[tuple[str, Callable[[], str]]] = [("capabilities.xml", connection.getCapabilities)]
    for kind in ("kvm", "qemu"):
        asked.append((f"domain-capabilities-{kind}.xml", partial(connection.getDomainCapabilities, virttype=kind)))
    if domain is not None:
        asked.append(("domain.xml", domain.XMLDesc))
        asked.append(("domain-inactive.xml", partial(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)))
    for name, ask in asked:
        with contextlib.suppress(libvirt.libvirtError):
            yield Artefact(name, ask().encode())
    for name, path in (("qemu.log", logs / f"{key}.log"), ("console.log", Path(console) if console else None)):
        with contextlib.suppress(OSError):
            if path is not None and path.is_file():
                yield Artefact(name, _tail(path))


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - TAIL, 0))
        return file.read(TAIL)
