"""Asking QEMU itself, by its monitor (QMP), what libvirt's XML does not say or says wrongly."""

import json
from typing import TypeVar

import libvirt
import msgspec

from provision.providers.libvirt.qemu_api import libvirt_qemu

T = TypeVar("T")


class MonitorError(Exception):
    """QEMU cannot be asked, or answers something unexpected; the message says why, on one line."""


class Slot(msgspec.Struct):
    """A place for a CPU; without a path it is still empty."""

    type: str
    """QEMU's class of the CPU: `host-x86_64-cpu` for the host's own."""
    qom: str = msgspec.field(name="qom-path", default="")
    count: int = msgspec.field(name="vcpus-count", default=1)


class Memory(msgspec.Struct):
    """Bytes that the guest was given at its start, and those plugged since."""

    base: int = msgspec.field(name="base-memory")
    plugged: int = msgspec.field(name="plugged-memory", default=0)


class Room(msgspec.Struct):
    """How far the guest's memory can grow (a property of the machine since QEMU 7.1)."""

    slots: int = 0
    most: int = msgspec.field(name="max-size", default=0)


class Balloon(msgspec.Struct):
    """Bytes that the guest has left."""

    actual: int


class Status(msgspec.Struct):
    """What QEMU does with its guest: `running`, `paused`, `internal-error`, `io-error`, ..."""

    status: str


class Tpm(msgspec.Struct):
    """One TPM of the guest."""

    model: str


def get(domain: "libvirt.virDomain", path: str, name: str, expected: type[T]) -> T:
    """A property of one of QEMU's objects. Raises MonitorError, also when there is none of that type."""
    return ask(domain, "qom-get", expected, path=path, property=name)


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
