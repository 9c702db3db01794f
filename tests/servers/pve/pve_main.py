"""Runs one strict Proxmox VE: `python pve_main.py SCENARIO.json`. Prints its port and that of its control as JSON.

The scenario names the version, nodes, storages, users, tokens and who may do what. The control, plain HTTP on
loopback, calls a method of the server (`POST /call`), sets one of its attributes, or tells its state (`GET /state`).
It ends when its standard input does, and so with the test that started it.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web
from pve_disks import GIB
from pve_strict import StrictPve

HOST = "127.0.0.1"


def storages() -> dict[str, Any]:
    """What a fresh installation has, with room to import disk images and one storage that all nodes share."""
    return {
        "local": {"type": "dir", "active": 1, "content": "iso,vztmpl,backup,import", "path": "/var/lib/vz",
                  "avail": 50 * GIB},
        "local-lvm": {"type": "lvmthin", "active": 1, "content": "images,rootdir", "vgname": "pve", "thinpool": "data",
                      "avail": 500 * GIB},
    }  # fmt: skip


def build(scenario: dict[str, Any]) -> StrictPve:
    pve = StrictPve(scenario["version"], host=HOST, port=scenario.get("port", 0))
    pve.time_scale = scenario.get("time_scale", 0.0)
    pve.nodes.update(scenario["nodes"])
    pve.storages = {name: {**store, "files": set()} for name, store in (scenario.get("storages") or storages()).items()}
    if pve.rules < (8, 4):
        for store in pve.storages.values():
            store["content"] = store["content"].replace(",import", "")
    pve.users.update(scenario.get("users", {}))
    pve.apitokens.update(scenario.get("tokens", {}))
    pve.models.update(scenario.get("models", {}))
    for user, path, privileges in scenario.get("grants", []):
        pve.grant(user, path, *privileges)
    for template in scenario.get("templates", []):
        pve.add_template(**template)
    for vm in scenario.get("vms", []):
        pve.add_vm(**vm)
    return pve


class Control:
    def __init__(self, pve: StrictPve) -> None:
        self._pve = pve

    async def call(self, request: web.Request) -> web.Response:
        asked = await request.json()
        result = getattr(self._pve, asked["method"])(*asked.get("args", []), **asked.get("kwargs", {}))
        if asyncio.iscoroutine(result):
            result = await result
        return web.json_response(result, dumps=lambda value: json.dumps(value, default=str))

    async def change(self, request: web.Request) -> web.Response:
        """Set attributes: {"behaviour": ..}, or of one VM or node: {"vm": 100, "start_error": ".."}."""
        asked = await request.json()
        if "node" in asked:
            self._pve.nodes[asked.pop("node")].update(asked)
        elif "storage" in asked:
            self._pve.storages[asked.pop("storage")].update(asked)
        else:
            target: Any = self._pve.vm(asked.pop("vm")) if "vm" in asked else self._pve
            for name, value in asked.items():
                getattr(target, name)  # it must exist: a typing mistake is no scenario
                setattr(target, name, value)
        return web.json_response(None)

    async def state(self, request: web.Request) -> web.Response:
        return web.json_response(self._pve.snapshot(), dumps=lambda value: json.dumps(value, default=str))


async def serve(scenario: dict[str, Any]) -> None:
    pve = build(scenario)
    await pve.start(scenario["cert"], scenario["key"])
    control = Control(pve)
    app = web.Application()
    app.add_routes(
        [web.post("/call", control.call), web.post("/set", control.change), web.get("/state", control.state)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    print(json.dumps({"port": pve.port, "control": runner.addresses[0][1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
