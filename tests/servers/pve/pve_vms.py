"""VMs that start or do not, boot, and speak by the guest agent, the console and the monitor."""

import asyncio
import hashlib
import re
import time
from typing import Any

import pve_guest
import pve_rules as rules
from aiohttp import web
from fakepve.model import PveError, TaskError
from fakepve.qemu import split_drive
from fakepve.server import USER, FakePve, ok, params

GUEST_AGENT = "/nodes/{node}/qemu/{vmid}/agent/"


class Vms(FakePve):
    """Running VMs: what their CPUs have, and guests that run the agent from their seed (`pve_guest`)."""

    def __init__(self, **place: Any) -> None:
        super().__init__(**place)
        self.behaviour: dict[str, str] = {}
        """VM name, or `*` -> what its guest does: report, no-agent, silent, garbage, huge, foreign, no-seed."""
        self.consoles: dict[int, bytes] = {}
        self.hangs_up = False
        """A console ends when it has said what there is."""
        self.kept_alive = 0
        """Signs of those who listen to consoles."""

    async def _do_start(self, vm: Any, user: str, p: Any) -> Any:
        return await self.task(vm.node, "qmstart", vm.vmid, user, lambda: self._start(vm), vm=vm)

    async def _start(self, vm: Any) -> None:
        if vm.template:
            raise TaskError("you can't start a vm if it's a template")
        if vm.lock:
            raise TaskError(f"VM is locked ({vm.lock})")
        if vm.status == "running":
            raise TaskError(f"VM {vm.vmid} already running")
        await self.pause(vm.start_secs)
        vm.apply_pending()
        fault = vm.start_error or rules.start_fault(vm.config) or self._cpu_start_fault(vm)
        if fault:
            raise TaskError(fault)
        vm.status = vm.qmpstatus = "running"
        loop = asyncio.get_running_loop()
        vm.started_at = time.time()
        vm.booting = loop.run_in_executor(None, self._boot, vm)

    def _cpu_start_fault(self, vm: Any) -> str:
        node = self.nodes[vm.node]
        parts = rules.parse_cpu(str(vm.config.get("cpu", "kvm64")))
        if str(vm.config.get("kvm", "1")) == "0":
            return "CPU model 'host' requires KVM" if parts.get("cputype") == "host" else ""
        if not node.get("kvm", True):
            return "KVM virtualisation configured, but not available. Either disable in VM configuration or " \
                "enable in BIOS."  # fmt: skip
        vendor = rules.MODELS.get(parts.get("cputype", ""), "default")
        if vendor not in ("default", node.get("vendor", "AuthenticAMD")):
            return "start failed: QEMU exited with code 1"
        if "+nested-virt" in parts.get("flags", "").split(";"):
            if not self._native(vm.node):
                self._warnings = ["ignoring 'nested-virt' CPU flag - unable to resolve from host CPU flags"]
            elif not self.offers(vm.node) and parts.get("cputype") != "host":
                return "start failed: QEMU exited with code 1"
        return ""

    def feature(self, vm: Any) -> bool:
        """The running VM's CPU has the feature of its node's vendor."""
        parts = rules.parse_cpu(str(vm.config.get("cpu", "kvm64")))
        kind, flags = parts.get("cputype", "kvm64"), parts.get("flags", "").split(";")
        if str(vm.config.get("kvm", "1")) == "0":
            return kind == "max"
        if kind.startswith("custom-"):
            flags += self.models[kind.removeprefix("custom-")].get("flags", "").split(";")
            return bool({"+svm", "+vmx", "+nested-virt"} & set(flags)) and self.offers(vm.node)
        return self.offers(vm.node) and "-nested-virt" not in flags and (kind == "host" or "+nested-virt" in flags)

    def native(self, vm: Any) -> str:
        return "svm" if str(vm.config.get("kvm", "1")) == "0" else self._native(vm.node) or "svm"

    def _boot(self, vm: Any) -> None:
        """What the guest does after power-on; in a thread, because it runs the agent.

        It writes into an agent of this boot: one that is slow must not speak in the next boot.
        """
        how = self.behaviour.get(vm.name, self.behaviour.get("*", "report"))
        agent: dict[str, Any] | None = {"files": {}}
        if how in ("no-agent", "console") or "1" not in str(vm.config.get("agent", "0")):
            agent = None
        vm.agent = agent
        self.consoles[vm.vmid] = b"\x1b[2J[    0.000000] Linux version 6.1.0\r\n"
        image = self.blobs.get(split_drive(str(vm.config.get("ide2", "")))[0])
        if image is None or how == "no-seed" or (agent is None and how not in ("console", "no-agent")):
            return
        text = pve_guest.report(pve_guest.read_seed(image), self.native(vm), has_feature=self.feature(vm))
        if agent is None:
            if how == "console" and "serial0" in vm.config:
                body = text.strip().encode()
                frame = b"NESTPROOF-REPORT/1 %d %s\n%s\n" % (len(body), hashlib.sha256(body).hexdigest().encode(), body)
                self.consoles[vm.vmid] += b"tiny login: \r\n" + frame.replace(b"\n", b"\r\n")
            return
        if how == "foreign":
            text = re.sub(r'"vm": ?"[^"]*"', '"vm":"default/somebody-else"', text)
        made = {"silent": None, "garbage": "\x1b[31mnot a report", "huge": "x" * (1 << 18)}.get(how, text)
        if made is not None:
            agent["files"][pve_guest.REPORT] = made

    async def _agent_call(self, match: Any, values: Any) -> Any:
        vm = self.find(values["node"], values["vmid"])
        booting = getattr(vm, "booting", None)
        if "1" not in str(vm.config.get("agent", "0")):
            raise PveError(500, "No QEMU guest agent configured")
        if vm.status == "running" and booting is not None:
            await asyncio.wait_for(asyncio.shield(booting), 120)
        answers = vm.agent is not None and vm.status == "running" and not vm.agent_hangs
        if match.template == GUEST_AGENT + "file-read" and answers and values["file"] not in vm.agent["files"]:
            raise PveError(500, f"Agent error: Failed to open file '{values['file']}' (mode: 'r'): No such file or "
                                "directory")  # fmt: skip
        return await super()._agent_call(match, values)

    async def _vncwebsocket(self, request: Any) -> Any:
        """The serial console: what the guest says from now on, once it has booted."""
        vm = self._vm(request, "VM.Console")
        user, ticket = self._take_vnc_ticket(request, vm)
        stream = web.WebSocketResponse(protocols=("binary",))
        await stream.prepare(request)
        hello = await stream.receive()
        if hello.data != f"{user}:{ticket}\n":
            await stream.close()
            return stream
        await stream.send_bytes(b"OK")
        booting = getattr(vm, "booting", None)
        if booting is not None:
            await asyncio.wait_for(asyncio.shield(booting), 120)
        said = self.consoles.get(vm.vmid, b"")
        for start in range(0, len(said), 1000):
            await stream.send_bytes(said[start : start + 1000])
        if self.hangs_up:
            await stream.close()
        async for frame in stream:
            self.kept_alive += frame.data == "2"
        return stream

    async def _monitor(self, request: Any) -> Any:
        vm = self._vm(request)
        user = request[USER]
        command = str((await params(request)).get("command", ""))
        if self.rules < (9,):
            self.require(user, f"/vms/{vm.vmid}", "VM.Monitor")
        elif not any(self.allowed(user, f"/vms/{vm.vmid}", p) for p in ("Sys.Audit", "Sys.Modify")):
            raise PveError(403, f"Permission check failed (/vms/{vm.vmid}, Sys.Audit|Sys.Modify)")
        if not command.startswith("info"):
            self.require(user, "/", "Sys.Modify")
        self._need_running(vm)
        asked = re.fullmatch(r"qom-get /machine/unattached/device\[0\] (vmx|svm)", command)
        if asked:
            has = asked[1] == self.native(vm) and self.feature(vm)
            return ok("true\r\n" if has else "false\r\n")
        return ok("")
