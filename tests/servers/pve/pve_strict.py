"""A Proxmox VE that refuses what a real one refuses: fakepve with the rules of `pve_rules` and guests that boot.

fakepve is under the AGPL-3.0-or-later: it is installed from PyPI for tests, runs in this process of its own, and no
part of it is copied here.

What this adds: the request schema on every call, CPU, machine and hot-plug rules by version, privileges by version;
and by topic what nodes say (`pve_nodes`), disks (`pve_disks`), configurations (`pve_config`), tasks (`pve_tasks`) and
running VMs (`pve_vms`).
"""

from typing import Any

import pve_rules as rules
from aiohttp import web
from fakepve import schema as pve_schema
from fakepve.model import PveError
from fakepve.server import ok, params
from pve_config import Config
from pve_controls import Controls
from pve_disks import Disks
from pve_nodes import FLAGS, Nodes
from pve_tasks import Tasks
from pve_vms import Vms

CONFIG = {
    ("POST", "/nodes/{node}/qemu"),
    ("PUT", "/nodes/{node}/qemu/{vmid}/config"),
    ("POST", "/nodes/{node}/qemu/{vmid}/config"),
}
TOTP = "314159"


class StrictPve(Nodes, Disks, Config, Tasks, Vms, Controls):
    """One cluster of one version."""

    def __init__(self, version: str, **place: Any) -> None:
        super().__init__(**place)
        self.version = version
        self.release_version = ".".join(version.split(".")[:2])
        self.rules = rules.version_of(version)
        self.violations: list[str] = []
        """Calls that the API's own definition refuses."""
        self.dropped: tuple[str, str] | None = None
        self.answers: dict[str, Any] = {}
        """The end of a path -> what a server that has gone mad answers there."""
        self.calls = 0
        self.client_max_size = 1 << 30

    async def _answer(self, request: Any, handler: Any, generic: Any, path_node: Any) -> Any:
        self.calls += 1
        match = generic or self.resolve(request, "/api2/json")
        try:
            if match is not None and request.content_type != "multipart/form-data":
                self._check_schema(request.method, match, await params(request))
        except PveError as e:
            return web.json_response(
                {"data": None, "errors": e.errors}, status=e.status, reason=e.message.strip()[:200]
            )
        for end, said in self.answers.items():
            if request.path.endswith(end):
                return ok(said)
        answer = await super()._answer(request, handler, generic, path_node)
        if self.dropped and request.method == self.dropped[0] and request.path.endswith(self.dropped[1]):
            self.dropped = None
            request.transport.close()
            raise ConnectionResetError("the connection breaks off before the answer")
        return answer

    async def _ticket(self, request: Any) -> Any:
        said = await params(request)
        user = str(said.get("username"))
        if self.tfa and str(said.get("tfa-challenge", "")).startswith("PVE:!tfa!"):
            if said.get("password") != f"totp:{TOTP}":
                raise PveError(401, "authentication failure")
            ticket, csrf = self.issue_ticket(user)
            return ok({"ticket": ticket, "CSRFPreventionToken": csrf, "username": user, "cap": {}})
        return await super()._ticket(request)

    def _check_schema(self, method: str, match: Any, values: dict[str, Any]) -> None:
        info = match.methods.get(method)
        if info is None or (match.template == FLAGS and self.rules < rules.FLAG_LIST):
            raise PveError(501, f"Method '{method} {match.template}' not implemented")
        if match.template == FLAGS and "accel" in values and self.rules < rules.SUPPORTED_ON:
            raise PveError(400, "Parameter verification failed.", {"accel": "property is not defined in schema"})
        _, faults = pve_schema.validate(info.get("parameters"), {**values, **match.params})
        if (method, match.template) in CONFIG:
            faults |= self._config_faults(values)
        if faults:
            self.violations.append(f"{method} {match.template}: {faults}")
            raise PveError(400, "Parameter verification failed.", faults)

    def _config_faults(self, values: dict[str, Any]) -> dict[str, str]:
        faults = {
            "cpu": rules.cpu_fault(str(values.get("cpu", "")), self.rules, set(self.models)) if "cpu" in values else "",
            "machine": rules.machine_fault(str(values.get("machine", "")), self.rules),
        }
        return {key: fault for key, fault in faults.items() if fault}

    def check_permissions(self, user: Any, perms: Any, values: Any, declared: Any = None) -> None:
        rule = (perms or {}).get("check")
        old = self.rules < rules.GUEST_AGENT_PRIVILEGES
        if old and rule and any(str(word).startswith("VM.GuestAgent") for word in rule[2]):
            perms = {"check": ["perm", rule[1], ["VM.Monitor"]]}
        super().check_permissions(user, perms, values, declared)

    def grant(self, user: str, path: str, *privs: str) -> None:
        unknown = set(privs) - rules.privileges(self.rules)
        if unknown:
            raise ValueError(f"PVE {self.version}: invalid privilege {', '.join(sorted(unknown))}")
        super().grant(user, path, *privs)
