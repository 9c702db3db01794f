"""What a guest says on its serial console: evidence of how far it came. It is hostile text."""

import re
from pathlib import Path
from typing import Protocol

import libvirt

KEPT = 256 * 1024
"""Bytes of the end of a console that are looked at."""
LINE = 100
"""Characters of a line that are shown."""
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[ -/]*[0-~])")
PANIC = re.compile(r"Kernel panic - not syncing: (.*?)( ---\[ .*| \]---)?$")
NO_SEED = re.compile(r"DataSourceNone|No datasource found|Did not find any data source", re.IGNORECASE)


class Console(Protocol):
    """Something that knows the end of what a guest has said."""

    whole: bool
    """It hears the guest from its start, so that silence means that the guest said nothing."""

    def text(self) -> str:
        """The last KEPT bytes as harmless text, lines ended by a newline."""


class FileConsole:
    """A console that QEMU writes into a file of this machine."""

    whole = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self) -> str:
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - KEPT))
                return harmless(file.read(KEPT))
        except OSError:
            return ""


class StreamConsole:
    """A console that is listened to through libvirt from now on; what was said before is lost."""

    whole = False

    def __init__(self, connection: "libvirt.virConnect", domain: "libvirt.virDomain") -> None:
        self._heard = b""
        self._stream: libvirt.virStream | None = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        try:
            domain.openConsole(None, self._stream, 0)
        except libvirt.libvirtError:  # somebody else listens: a console is no more than a help
            self._stream = None

    def text(self) -> str:
        while self._stream is not None:
            try:
                more = self._stream.recv(65536)
            except libvirt.libvirtError:
                self._stream = None
                break
            if not isinstance(more, bytes):  # -2: nothing to read now
                break
            if not more:
                self._stream = None
                break
            self._heard = (self._heard + more)[-KEPT:]
        return harmless(self._heard)

    def close(self) -> None:
        """Let others listen."""
        if self._stream is not None:
            self._stream.abort()
            self._stream = None


def harmless(data: bytes) -> str:
    """Text without escape sequences and control characters, safe for a terminal."""
    text = ESCAPES.sub("", data.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text)


def last_line(text: str) -> str:
    """The last line that says something, shortened; empty when there is none."""
    return next((line.strip()[:LINE] for line in reversed(text.split("\n")) if line.strip()), "")


def panic(text: str) -> str:
    """Why the guest's kernel panicked, if that is the last that it said; else empty."""
    found = PANIC.search(next((line.strip() for line in reversed(text.split("\n")) if line.strip()), ""))
    return found[1][:LINE] if found else ""


def saw_no_seed(text: str) -> bool:
    """cloud-init said that it found no datasource."""
    return NO_SEED.search(text) is not None
