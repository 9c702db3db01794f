"""A guest's serial console, listened to from now on: its report where no guest agent runs, and how far it has come.

Many cloud images come without qemu-guest-agent; our agent writes its report to the console as well, once, when it is
made. So this has to be listening before. It takes VM.Console, and goes without where that is missing.
"""

import contextlib
import ssl

import msgspec
import websocket

from hostcheck import clock
from hostcheck.frame import FrameReader
from provision.provider import ProviderError
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.faults import harmless

DEVICE = "/dev/ttyS0"
"""What the guest calls serial0."""
WAIT = 0.2
"""Seconds for one look."""
KEEP_ALIVE = 25.0
"""Seconds after which Proxmox is told that somebody still listens."""
MOST = 1 << 20
"""Bytes that are taken at one look: a guest can write for ever."""


class _Granted(msgspec.Struct):
    ticket: str
    port: str | int
    user: str


class Console:
    """Listens until it is closed; a console that cannot be had is one on which nothing is ever said."""

    def __init__(self, api: Api, path: str) -> None:
        self._reader = FrameReader()
        self._socket: websocket.WebSocket | None = None
        self._told = clock.monotonic()
        self._line = b""
        self.why = ""
        """Why nothing is heard; empty while it listens."""
        try:
            granted = msgspec.convert(api.post(f"{path}/termproxy", serial="serial0"), _Granted, strict=False)
            self._socket = api.stream(f"{path}/vncwebsocket", port=granted.port, vncticket=granted.ticket)
            self._socket.settimeout(WAIT)
            self._socket.send(f"{granted.user}:{granted.ticket}\n")
        except (ProviderError, msgspec.ValidationError, websocket.WebSocketException, OSError) as e:
            self._hang_up(harmless(e))

    def report(self) -> bytes | None:
        """A whole report if one was heard, after at most WAIT seconds."""
        taken = 0
        while self._socket is not None and taken < MOST:
            try:
                data = self._heard(self._socket)
            except (websocket.WebSocketException, OSError, ssl.SSLError) as e:
                self._hang_up(harmless(e))
                break
            if data is None:
                break
            if not data:
                self._hang_up("it was closed")
                break
            taken += len(data)
            self._line = (self._line + data)[-400:]
            found = self._reader.feed(data.replace(b"\r\n", b"\n"))
            if found is not None:
                return found
        return None

    @property
    def last_line(self) -> str:
        """The last that was said, for people; empty when nothing was."""
        lines = [harmless(line.decode(errors="replace")) for line in self._line.splitlines()]
        return next((line[:100] for line in reversed(lines) if line), "")

    def close(self) -> None:
        """Let others listen."""
        self._hang_up("")

    def _heard(self, stream: websocket.WebSocket) -> bytes | None:
        """What was said; None when nothing was within WAIT seconds. Raises what websocket and sockets raise."""
        try:
            data = stream.recv()
        except websocket.WebSocketTimeoutException:
            if clock.monotonic() - self._told > KEEP_ALIVE:
                self._told = clock.monotonic()
                stream.send("2")
            return None
        return data.encode() if isinstance(data, str) else bytes(data)

    def _hang_up(self, why: str) -> None:
        self.why = why
        if self._socket is not None:
            with contextlib.suppress(websocket.WebSocketException, OSError):
                self._socket.close(timeout=1)
            self._socket.shutdown()  # type: ignore[no-untyped-call]  # close is nothing where the other side closed
            self._socket = None
