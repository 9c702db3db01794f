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
FRAME = re.compile(r"NESTPROOF-REPORT/1 [^\n]*\n[^\n]*\n?")
"""A report among what it says, which is for nobody to read."""
NO_PYTHON = "nestproof: no Python 3.6 or later"
AGENT_FAILURE = re.compile(
    r"nestproof: (the agent could not be installed[^\n]*)|nestproof-agent(?:\[\d+\])?: (\w*Error: [^\n]*)"
    r"|nestproof-agent\.service: (Main process exited[^\n]*|Failed [^\n]*)"
)
FINISHED = re.compile(r"Cloud-init v\. \S+ finished at|Reached target [^\n]*[Cc]loud-init target")
NO_SEED = re.compile(r"DataSourceNone|No datasource found|Did not find any data source", re.IGNORECASE)
BOOT = re.compile(
    r"^(\[ *0\.0+\] )?Linux version \d|^SeaBIOS \(version |^BdsDxe: |^Booting from |GNU GRUB +version "
    r"|Cloud-init v\. \S+ running 'init-local'",
    re.MULTILINE,
)
"""What firmware, boot loaders, kernels and cloud-init say once in each boot, and early."""


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
    lines = FRAME.sub("", text).split("\n")
    return next((line.strip()[:LINE] for line in reversed(lines) if line.strip()), "")


def panic(text: str) -> str:
    """Why the guest's kernel panicked, if that is the last that it said; else empty."""
    found = PANIC.search(next((line.strip() for line in reversed(text.split("\n")) if line.strip()), ""))
    return found[1][:LINE] if found else ""


def this_boot(text: str) -> str:
    """What was said since the guest was last seen to begin a boot; all of it where that was not seen."""
    begun = 0
    for found in BOOT.finditer(text):
        begun = found.start()
    return text[begun:]


def saw_no_seed(text: str) -> bool:
    """cloud-init said that it found no datasource."""
    return NO_SEED.search(text) is not None


def has_no_python(text: str) -> bool:
    """Our boothook found no Python that the agent could run with."""
    return NO_PYTHON in text


def agent_failure(text: str) -> str:
    """What the agent, or systemd of it, said last of its failing; empty when neither did."""
    found = [next(filter(None, each)) for each in AGENT_FAILURE.findall(text)]
    return found[-1].strip()[:LINE] if found else ""


def cloud_init_finished(text: str) -> bool:
    """cloud-init has come to its end: whatever it was to start has been started."""
    return FINISHED.search(text) is not None
