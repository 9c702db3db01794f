"""What stands on the host: the answer of the survey, and the record that lets a change be undone."""

from enum import StrEnum
from typing import Literal

import msgspec

from hostcheck.enable.steps import RENEW

CONF = "/etc/modprobe.d/nestproof.conf"
RECORD = "/var/lib/nestproof/enable.json"
SCHEMA = "nestproof.enable/1"
MODULES = ("kvm_intel", "kvm_amd")


class StateError(Exception):
    """What the host said, or what is kept there, cannot be used; the message is one line."""


class FileState(msgspec.Struct, frozen=True):
    """What is at a path. Content, mode and owner are those of a regular file."""

    kind: Literal["absent", "file", "other", "large"]
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


ABSENT = FileState("absent")


class Use(msgspec.Struct, frozen=True):
    """Who holds a module: the kernel's count (None: not loaded, or built in), and the modules among the holders."""

    refcnt: int | None = None
    holders: list[str] = []


class User(msgspec.Struct, frozen=True):
    """A process that has /dev/kvm open; `vm` when it also has a virtual machine."""

    pid: int
    name: str
    vm: bool


class Survey(msgspec.Struct, frozen=True):
    """The answer of survey.py, and whether the initial RAM disk brings the module along."""

    uid: int
    conf: FileState
    record: FileState
    use: dict[str, Use]
    users: list[User]
    initramfs: str = ""
    """The tool that has to renew the initial RAM disk; empty when the module is not in it."""


class Node(msgspec.Struct, frozen=True):
    """Owner and permissions of /dev/kvm."""

    mode: int
    uid: int
    gid: int


class Before(msgspec.Struct, frozen=True):
    """A host as it was: what undoing goes back to. Module and node are of one boot only."""

    boot_id: str
    conf: FileState
    loaded: bool
    parameters: dict[str, str]
    node: Node | None


class Phase(StrEnum):
    """How far a change has come."""

    CHANGING = "changing"
    CHANGED = "changed"


class Record(msgspec.Struct, frozen=True):
    """Kept on the host, for root alone, from before the first change until it is undone."""

    schema: str
    phase: Phase
    module: str
    before: Before
    wrote: bytes
    """What the configuration file contains since; empty when it did not have to change."""
    initramfs: str
    """The tool that gives the initial RAM disk a copy of that file; empty when it needs none."""
    started: float


def decode_survey(line: str) -> Survey:
    """The survey from its JSON line. Raises StateError."""
    try:
        return msgspec.json.decode(line, type=Survey)
    except msgspec.MsgspecError as e:
        raise StateError(f"the host gave an answer that cannot be read: {e}") from e


def encode_record(record: Record) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def decode_record(file: FileState) -> Record | None:
    """The record in a file, None when there is none. Raises StateError: a record in doubt is never acted upon."""
    if file.kind == "absent":
        return None
    what = f"{RECORD}, the record of an earlier run,"
    if file.kind != "file" or file.uid != 0 or file.mode & 0o022:
        raise StateError(f"{what} is not a file that root alone may write: look at it, and remove it")
    try:
        record = msgspec.json.decode(file.content, type=Record)
    except msgspec.MsgspecError as e:
        raise StateError(f"{what} cannot be read ({e}): look at {CONF}, then remove both") from e
    if record.schema != SCHEMA or record.module not in MODULES or record.initramfs not in ("", *RENEW):
        raise StateError(f"{what} is of another version ({record.schema[:40]!r}): undo it with that version")
    return record
