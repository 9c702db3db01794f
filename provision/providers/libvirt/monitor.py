"""Asking QEMU itself, by its monitor (QMP), what libvirt's XML does not say or says wrongly."""

import json
from typing import TypeVar

import libvirt
import libvirt_qemu
import msgspec

T = TypeVar("T")


class MonitorError(Exception):
    """QEMU cannot be asked, or answers something unexpected; the message says why, on one line."""


class Cpu(msgspec.Struct):
    """One CPU of the guest."""

    qom: str = msgspec.field(name="qom-path")


class Slot(msgspec.Struct):
    """A place for a CPU; without a path it is still empty."""

    qom: str = msgspec.field(name="qom-path", default="")


class Tpm(msgspec.Struct):
    """One TPM of the guest."""

    model: str


def cpus(domain: "libvirt.virDomain") -> list[Cpu]:
    """The CPUs that the guest has now."""
    return ask(domain, "query-cpus-fast", list[Cpu])


def free_cpu_slots(domain: "libvirt.virDomain") -> int:
    """How many CPUs could be added."""
    return sum(1 for slot in ask(domain, "query-hotpluggable-cpus", list[Slot]) if not slot.qom)


def tpms(domain: "libvirt.virDomain") -> list[Tpm]:
    """The TPMs that the guest has."""
    return ask(domain, "query-tpm", list[Tpm])


def flag(domain: "libvirt.virDomain", path: str, name: str) -> bool:
    """A yes-or-no property of one of QEMU's objects."""
    return ask(domain, "qom-get", bool, path=path, property=name)


def ask(domain: "libvirt.virDomain", command: str, expected: type[T], **arguments: str) -> T:
    """The answer to one command. Raises MonitorError."""
    request = json.dumps({"execute": command, "arguments": arguments} if arguments else {"execute": command})
    try:
        text = libvirt_qemu.qemuMonitorCommand(domain, request, 0)
        answer = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(answer["return"], type=expected)
    except (libvirt.libvirtError, msgspec.MsgspecError) as e:
        raise MonitorError(" ".join(str(e).split())[:200]) from e
    except KeyError as e:
        raise MonitorError(f"QEMU refuses {command}: {' '.join(text.split())[:200]}") from e
