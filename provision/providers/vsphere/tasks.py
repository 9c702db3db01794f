"""Following a task of vCenter to its end: progress, Ctrl-C, a connection that was away, a task that was lost."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pyVmomi import vim, vmodl

from provision.provider import Progress
from provision.providers.vsphere.connection import Connection, Lost
from provision.providers.vsphere.properties import explained, read_some

SHORT, LONG = 0.1, 2.0
"""Seconds between two looks at a task: soon at first, for most take no time."""


class TaskLost(Exception):
    """vCenter knows nothing of a task any more, as after its restart: what it did has to be looked at anew."""


def run(connection: Connection, entity: Any, what: str, start: Callable[[], Any], progress: Progress) -> Any:
    """Start a task and follow it; its result. Raises ProviderError for its fault, and TaskLost.

    When the connection breaks at the start, the task may run or not, and none of those that began meanwhile says whose
    it is: a template is cloned by many. All are waited for, and what there is then has to be looked at anew.
    """
    before = _recent(connection, entity)
    try:
        task = connection.write(start)
    except Lost:
        progress(f"{what}: the connection broke: waiting for what was begun")
        _settle(connection, [t for key, t in _recent(connection, entity).items() if key not in before])
        raise TaskLost from None
    except (vim.fault.VimFault, vmodl.MethodFault) as e:
        raise explained(connection, e, what) from e
    return _follow(connection, task, what, progress)


def _follow(connection: Connection, task: Any, what: str, progress: Progress) -> Any:
    try:
        progress(what)
        return _result(connection, task, what, progress)
    except vmodl.fault.ManagedObjectNotFound as e:
        raise TaskLost from e
    except BaseException as e:
        if not isinstance(e, Exception):  # Ctrl-C, here or in the thread that asks its workers to stop
            _cancel(connection, task)
        raise


def _settle(connection: Connection, tasks: list[Any]) -> None:
    """Wait until these tasks have ended, well or not."""
    for task in tasks:
        try:
            while connection.read(partial(getattr, task, "info")).state in ("queued", "running"):
                time.sleep(LONG / 4)
        except vmodl.fault.ManagedObjectNotFound:
            continue


def _result(connection: Connection, task: Any, what: str, progress: Progress) -> Any:
    pause, told = SHORT, 0
    while True:
        info = connection.read(lambda: task.info)
        if info.state == "success":
            return info.result
        if info.state == "error":
            raise explained(connection, info.error, what) from info.error
        if (info.progress or 0) > told:
            told = info.progress or 0
            progress(f"{what}: {told} %")
        time.sleep(pause)
        pause = min(pause * 1.5, LONG)


def _cancel(connection: Connection, task: Any) -> None:
    """A task that cannot be cancelled goes on: the next apply finds what it made."""
    try:
        connection.write(task.CancelTask)
    except (Lost, vim.fault.VimFault, vmodl.MethodFault):
        return


def _recent(connection: Connection, entity: Any) -> dict[str, Any]:
    """The tasks on an object that vCenter still remembers, by their ids, oldest first."""
    try:
        found = read_some(connection, [entity], ("recentTask",))
    except vmodl.fault.ManagedObjectNotFound:
        return {}
    return {str(task._moId): task for o in found for task in o.get("recentTask") or ()}
