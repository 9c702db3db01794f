"""The ways by which a report comes out of a VM, one class each: `poll` gives it as soon as it is there.

The virtio-serial port is asked first: its report is written afresh for whoever opens it. The file that the QEMU guest
agent reads and the frame on the serial console were written after boot and at every change since; they are there for
when the port is not. All of it is hostile input.
"""

import base64
import contextlib
import json
from typing import Protocol

import libvirt
import msgspec

from agent.build import NAME
from agent.channels.local import REPORT
from agent.cloudinit import PORT
from hostcheck.frame import MARKER, FrameReader
from hostcheck.report import MAX_BYTES
from provision.providers.libvirt.console import Console, this_boot
from provision.providers.libvirt.devices import AGENT_PORT
from provision.providers.libvirt.qemu_api import libvirt_qemu
from provision.providers.libvirt.xmltext import XmlError, parse_xml

INSTALLED = f"/usr/local/lib/nestproof/{NAME}"
PATIENCE = 5
"""Seconds for one answer of the guest agent."""


class Channel(Protocol):
    """One way out."""

    name: str
    """For people."""

    def poll(self) -> bytes | None:
        """The report's JSON, if it is there now."""


class Taken(Exception):
    """Somebody else is listening on the port, which has room for one."""


class Port:
    """The virtio-serial port. The agent writes a fresh report whenever the host's end is opened."""

    name = "its virtio-serial port"

    def __init__(self, connection: "libvirt.virConnect", domain: "libvirt.virDomain") -> None:
        self._connection = connection
        self._domain = domain
        self._stream: libvirt.virStream | None = None
        self._reader = FrameReader()
        self.missing = False
        """The domain has no such port."""
        self.trouble = ""
        """Why it could not be opened the last time, in libvirt's words."""

    @property
    def fault(self) -> str:
        """What was wrong with the last report that had to be passed over; empty when none was."""
        return self._reader.fault

    def poll(self) -> bytes | None:
        """Raises Taken."""
        if self.missing:
            return None
        if self._stream is None:
            self._stream = self._open()
        while self._stream is not None:
            try:
                data = self._stream.recv(65536)
            except libvirt.libvirtError:
                data = b""
            if not isinstance(data, bytes):  # -2: nothing to read now
                return None
            if not data:  # the other end is gone: QEMU, or the daemon
                self.close()
                return None
            report = self._reader.feed(data)
            if report is not None:
                return report
        return None

    def close(self) -> None:
        """Let others listen."""
        if self._stream is not None:
            with contextlib.suppress(libvirt.libvirtError):  # broken already
                self._stream.abort()
            self._stream = None

    def held_by_the_guest(self) -> bool | None:
        """A process in the guest has it open; None when nobody can tell."""
        return connected(self._domain, PORT)

    def _open(self) -> "libvirt.virStream | None":
        stream = self._connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        try:
            self._domain.openChannel(PORT, stream, 0)
        except libvirt.libvirtError as e:
            if "Active channel stream exists" in str(e):
                raise Taken from e
            self.missing = "cannot find channel" in str(e).lower()
            self.trouble = " ".join(str(e).split())
            return None
        self.trouble = ""
        return stream


class _Handle(msgspec.Struct):
    handle: int = msgspec.field(name="return")


class _Read(msgspec.Struct):
    count: int
    eof: bool
    data: str = msgspec.field(name="buf-b64", default="")


class _Answer(msgspec.Struct):
    read: _Read = msgspec.field(name="return")


class AgentFile:
    """The file that our agent always writes, read by the QEMU guest agent where the image has one."""

    name = "the QEMU guest agent"

    def __init__(self, domain: "libvirt.virDomain") -> None:
        self._domain = domain
        self.state = ""
        """What came of the last attempt, for people; empty before the first."""
        self.installed: bool | None = None
        """Our agent's program is in the guest; None when nobody could look."""

    def poll(self) -> bytes | None:
        if connected(self._domain, AGENT_PORT) is False:
            self.state = "no QEMU guest agent runs in it"
            return None
        try:
            data = self._content(REPORT)
            self.state = f"{REPORT}: {len(data)} bytes"
            return data.rstrip(b"\n")
        except (libvirt.libvirtError, msgspec.MsgspecError, ValueError) as e:
            self.state = " ".join(str(e).split())[:200]
        if "No such file" in self.state:
            self.installed = self._exists(INSTALLED)
        return None

    def _content(self, path: str) -> bytes:
        handle = self._open(path)
        try:
            data = b""
            while True:
                asked: dict[str, object] = {"handle": handle, "count": MAX_BYTES}
                part = msgspec.json.decode(self._ask("guest-file-read", asked), type=_Answer).read
                data += base64.b64decode(part.data, validate=True)
                if len(data) > MAX_BYTES + 1:
                    raise ValueError(f"{path} is larger than {MAX_BYTES} bytes")
                if part.eof or not part.count:
                    return data
        finally:
            with contextlib.suppress(libvirt.libvirtError):
                self._ask("guest-file-close", {"handle": handle})

    def _exists(self, path: str) -> bool | None:
        try:
            handle = self._open(path)
        except libvirt.libvirtError as e:
            return False if "No such file" in str(e) else None
        except msgspec.MsgspecError:
            return None
        with contextlib.suppress(libvirt.libvirtError):
            self._ask("guest-file-close", {"handle": handle})
        return True

    def _open(self, path: str) -> int:
        return msgspec.json.decode(self._ask("guest-file-open", {"path": path, "mode": "r"}), type=_Handle).handle

    def _ask(self, command: str, arguments: dict[str, object]) -> str:
        request = json.dumps({"execute": command, "arguments": arguments})
        return str(libvirt_qemu.qemuAgentCommand(self._domain, request, PATIENCE, 0))


class ConsoleFrame:
    """The last whole report among what the guest said on its serial console."""

    name = "its serial console"

    def __init__(self, console: Console) -> None:
        self._console = console
        self.fault = ""
        """What was wrong with the last report there; empty when nothing was."""
        self.earlier = False
        """What there is was said before the guest began to boot again."""

    def poll(self) -> bytes | None:
        text = self._console.text()
        report = self._last(this_boot(text).encode())
        self.earlier = report is None and FrameReader().feed(text.encode()) is not None
        return report

    def _last(self, data: bytes) -> bytes | None:
        end = len(data)
        while (start := data.rfind(MARKER, 0, end)) >= 0:
            reader = FrameReader()
            report = reader.feed(data[start:end])
            if report is not None:
                return report
            self.fault = self.fault or reader.fault
            end = start
        return None


def connected(domain: "libvirt.virDomain", port: str) -> bool | None:
    """Whether a process in the guest has this port open, as QEMU tells libvirt; None when it has not told."""
    try:
        target = parse_xml(domain.XMLDesc()).find(f"devices/channel/target[@name='{port}']")
    except (libvirt.libvirtError, XmlError):
        return None
    state = target.get("state") if target is not None else "disconnected"
    return {"connected": True, "disconnected": False}.get(state or "")
