"""What there is of one VM for whoever has to help: its configuration, recent tasks and events, as text."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from pyVmomi import vim

from provision.provider import Artefact, ProviderError
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.spec import shown

MOST = 200
"""Events, the newest."""
SPAN = timedelta(days=7)
"""How far back events are asked for: a vCenter keeps them for a month or more, and searches them one by one."""
LONGEST = 1000
"""Characters of one message of vCenter's."""
HIDDEN = ("guestinfo.", "password", "passwd", "secret", "token", "key")
"""Settings with one of these in their name are shown by their length alone: guests are given secrets in them."""


def artefacts(calls: Calls, ref: Any) -> tuple[Artefact, ...]:
    """Of a VM that is there. Raises ProviderError."""
    found = calls.read(ref, ("config", "recentTask"))
    if found is None:
        return ()
    texts = {
        "config.txt": _config(found.get("config")),
        "tasks.txt": "\n".join(_tasks(calls, found.get("recentTask") or ())),
        "events.txt": "\n".join(_events(calls, ref)),
    }
    return tuple(Artefact(name, f"{text}\n".encode()) for name, text in texts.items() if text)


def _config(config: Any) -> str:
    if config is None:
        return ""
    config.vAppConfig = None  # properties of an OVF, passwords among them
    for option in config.extraConfig or ():
        if any(part in option.key.lower() for part in HIDDEN):
            option.value = f"({len(str(option.value))} characters)"
    return shown(config)


def _tasks(calls: Calls, tasks: Any) -> Iterator[str]:
    for task in tasks:
        found = calls.read(task, ("info",))
        info = found.get("info") if found is not None else None
        if info is not None:
            error = f": {type(info.error).__name__} {_line(info.error.msg)}" if info.error else ""
            yield f"{info.queueTime} {_line(info.descriptionId)} {info.state}{error}"


def _events(calls: Calls, ref: Any) -> Iterator[str]:
    manager = calls.connection.content.eventManager
    itself = vim.event.EventFilterSpec.ByEntity(entity=ref, recursion="self")
    try:
        span = vim.event.EventFilterSpec.ByTime(beginTime=calls.explained(calls.connection.time) - SPAN)
        asked = vim.event.EventFilterSpec(entity=itself, time=span)
        found = calls.explained(partial(manager.QueryEvents, asked)) if manager is not None else None
    except ProviderError as e:  # an account that may see the VM may not see its events
        yield f"could not look: {e}"
        return
    for event in sorted(found or (), key=lambda e: e.createdTime)[-MOST:]:
        message = _line(event.fullFormattedMessage) or type(event).__name__
        yield f"{event.createdTime} {type(event).__name__}: {message}"


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:LONGEST]
