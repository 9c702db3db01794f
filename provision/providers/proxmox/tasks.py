"""Following a task of Proxmox to its end. OK is OK; WARNINGS is not; silence is neither.

A task runs on in its node whatever becomes of us, so one that an earlier run started is found and followed as well.
"""

import re
import time

import msgspec

from hostcheck import clock
from provision.provider import Progress, ProviderError
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.faults import harmless, known

UPID = re.compile(r"UPID:([A-Za-z0-9-]+):[0-9A-F]+:[0-9A-F]+:[0-9A-F]+:([a-z0-9]+):([^:]*):[^:]+:")
LIMIT = 3600.0
"""Seconds for a task. Copying a large disk takes long; a task that does nothing at all is told by its log."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
LOG_EVERY = 2.0
LOG_LINES = 500
WARNING = re.compile(r"\bWARN(?:ING)?: *(.*)|^(ignoring .*)", re.IGNORECASE)


class _Status(msgspec.Struct):
    status: str
    exitstatus: str = ""


class _Line(msgspec.Struct):
    n: int
    t: str


class Listed(msgspec.Struct):
    """A task in a node's list."""

    upid: str
    type: str = ""
    status: str = ""
    """Its exit status; empty while it runs."""
    starttime: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """A task that ended well, with what it warned of."""

    warnings: tuple[str, ...] = ()


def follow(api: Api, upid: object, what: str, progress: Progress, limit: float | None = None) -> Outcome:
    """Wait for the end of a task; `what` names it for people. Raises ProviderError unless it ended well.

    What is no task at all (some calls of old versions answer at once) is taken as done.
    """
    if upid is None:
        return Outcome()
    found = UPID.fullmatch(str(upid))
    if not found:
        raise ProviderError(f"{what}: Proxmox answered {harmless(upid)!r} in place of a task")
    node, kind, _ = found.groups()
    path = f"nodes/{node}/tasks/{upid}"
    limit = LIMIT if limit is None else limit
    started = shown = clock.monotonic()
    pause = FIRST_PAUSE
    while True:
        status = _status(api, path, f"{what}: task {kind} on {node}")
        if status.status == "stopped":
            return _ended(api, path, status.exitstatus, f"{what}: task {kind} on {node}")
        now = clock.monotonic()
        if now - started > limit:
            raise ProviderError(
                f"{what}: task {kind} on {node} has not ended within {limit:g} s",
                hint=f"its state: {node}, task {upid}",
            )
        if now - shown > LOG_EVERY:
            shown = now
            lines = log(api, path)
            progress(f"{what}, {now - started:.0f} s{f': {lines[-1]}' if lines else ''}")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _status(api: Api, path: str, what: str) -> _Status:
    try:
        return api.get(f"{path}/status", _Status)
    except ProviderError as e:
        raise ProviderError(f"{what}: how it ended is not known: {e}", hint=e.hint or "apply again: it goes on") from e


def _ended(api: Api, path: str, exitstatus: str, what: str) -> Outcome:
    if exitstatus == "OK":
        return Outcome()
    if exitstatus.startswith("WARNINGS"):
        lines = log(api, path)
        found = [match[1] or match[2] for line in lines if (match := WARNING.search(line))]
        return Outcome(tuple(found) or (f"task ended with {harmless(exitstatus)}",))
    words, hint = known(harmless(exitstatus))
    raise ProviderError(f"{what}: {words or 'it says nothing about how it ended'}", hint=hint, refused=_refuses(words))


def _refuses(words: str) -> bool:
    """The node's own limits, as against a passing trouble."""
    return "KVM is not available" in words or "QEMU exited with code" in words


def log(api: Api, path: str) -> list[str]:
    """The last lines of a task's log, harmless; empty when it cannot be read."""
    try:
        lines = api.get(f"{path}/log", list[_Line], limit=LOG_LINES)
    except ProviderError:
        return []
    return [harmless(line.t) for line in lines]


def running(api: Api, node: str, vmid: int) -> list[str]:
    """Tasks of a VM that are running on a node now: started by an earlier run, or by somebody else."""
    tasks = api.get(f"nodes/{node}/tasks", list[Listed], vmid=vmid, source="active")
    return [task.upid for task in tasks if not task.status or task.status == "running"]


def last_start(api: Api, node: str, vmid: int) -> tuple[str, ...]:
    """What the last start of a VM warned of; empty when it did not, or when its log is not to be seen any more."""
    try:
        tasks = api.get(f"nodes/{node}/tasks", list[Listed], vmid=vmid, typefilter="qmstart", limit=5)
    except ProviderError:
        return ()
    starts = [task for task in tasks if task.type == "qmstart"]
    newest = max(starts, key=lambda task: task.starttime, default=None)
    if newest is None or not newest.status.startswith("WARNINGS"):
        return ()
    return _ended(api, f"nodes/{node}/tasks/{newest.upid}", newest.status, "start").warnings
