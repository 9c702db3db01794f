"""Tasks that warn, hang or die."""

import asyncio
from typing import Any

from fakepve.model import TaskError
from fakepve.server import FakePve


class Tasks(FakePve):
    """Each in a second of its own; `task_faults` say how the next ones end."""

    def __init__(self, **place: Any) -> None:
        super().__init__(**place)
        self.task_faults: dict[str, dict[str, Any]] = {}
        """Task type -> {exit?, hang?, warn?, times}: how the next such tasks end."""
        self.warned: dict[str, list[str]] = {}
        self.second = 0

    def _upid(self, node: str, ttype: str, tid: Any, user: str) -> Any:
        """Each task starts in a second of its own, so that the newest of a list can be told."""
        _, pid, start = super()._upid(node, ttype, tid, user)
        self.second = start = max(start, self.second + 1)
        return f"UPID:{node}:{pid:08X}:{pid * 7:08X}:{start:08X}:{ttype}:{tid}:{user}:", pid, start

    async def task(self, node: str, ttype: str, tid: Any, user: str, body: Any, **options: Any) -> str:
        warned: list[str] = []
        fault = self.task_faults.get(ttype)
        if fault is not None:
            fault["times"] = fault.get("times", 1) - 1
            if fault["times"] <= 0:
                del self.task_faults[ttype]

        async def watched() -> Any:
            if fault and fault.get("hang"):
                await asyncio.Event().wait()
            if fault and fault.get("exit"):
                raise TaskError(fault["exit"])
            note = await body()
            warned.extend(getattr(self, "_warnings", []))
            self._warnings: list[str] = []
            if fault and fault.get("warn"):
                warned.append(fault["warn"])
            return note

        if fault and fault.get("hang"):
            upid, pid, start = self._upid(node, ttype, tid, user)
            record = {"upid": upid, "node": node, "pid": pid, "pstart": pid * 7, "starttime": start, "type": ttype,
                      "id": str(tid), "user": user, "status": "running", "log": ["working ... (50%)"]}  # fmt: skip
            self.tasks[upid] = record
            self.tasklog.append(record)
            return upid
        upid = str(await super().task(node, ttype, tid, user, watched, **options))
        self.warned[upid] = warned
        return upid

    def _task_view(self, task: Any, listing: bool = False) -> Any:
        data = super()._task_view(task, listing)
        warned = self.warned.get(task["upid"])
        if warned and task.get("exitstatus") == "OK":
            data["status" if listing else "exitstatus"] = f"WARNINGS: {len(warned)}"
            log = task["log"]
            if log and log[-1] == "TASK OK":
                log[-1:] = [f"WARN: {line}" for line in warned] + [f"TASK WARNINGS: {len(warned)}"]
        return data

    async def _task_log(self, request: Any) -> Any:
        self._task_view(self._get_task(request))
        return await super()._task_log(request)
