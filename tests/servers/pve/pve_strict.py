"""A Proxmox VE that refuses what a real one refuses: fakepve with the rules of `pve_rules` and guests that boot.

fakepve is under the AGPL-3.0-or-later: it is installed from PyPI for tests, runs in this process of its own, and no
part of it is copied here.

What this adds: the request schema on every call, CPU, machine and hot-plug rules by version, privileges by version,
disks that are imported and resized, ISO and disk images that keep their bytes, bridges, node facts by scenario, tasks
that warn, hang or die, and guests that run the agent from their seed (`pve_guest`).
"""

import asyncio
import hashlib
import re
import time
from typing import Any

import pve_guest
import pve_rules as rules
from aiohttp import web
from fakepve import schema as pve_schema
from fakepve.model import PveError, TaskError
from fakepve.qemu import DRIVE_KEY, drives_of, join_drive, split_drive, volume_ref, with_mac
from fakepve.server import USER, FakePve, ok, params

CONFIG = {
    ("POST", "/nodes/{node}/qemu"),
    ("PUT", "/nodes/{node}/qemu/{vmid}/config"),
    ("POST", "/nodes/{node}/qemu/{vmid}/config"),
}
GUEST_AGENT = "/nodes/{node}/qemu/{vmid}/agent/"
FLAGS = "/nodes/{node}/capabilities/qemu/cpu-flags"
LIVE = ("cpulimit", "cpuunits", "balloon")
"""Settings that a running VM takes up at once, beside fakepve's."""
TOTP = "314159"
GIB = 1 << 30


def _multipart(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a form; of its file the name and the data."""
    boundary = content_type.partition("boundary=")[2].strip('"')
    if not boundary:
        raise PveError(501, "no boundary in the form")
    fields: dict[str, Any] = {}
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        names = dict(re.findall(r'(filename|name)="([^"]*)"', head.decode()))
        if "filename" in names:
            if b"content-type" not in head.lower():
                raise PveError(501, "no Content-Type of the file")
            fields["filename"], fields["data"] = names["filename"], data
        else:
            fields[names["name"]] = data.decode()
    return fields


class StrictPve(FakePve):
    """One cluster. `nodes` hold more than fakepve's: vendor, nested, mhz, cpus, memory (bytes), bridges, kvm."""

    def __init__(self, version: str, **place: Any) -> None:
        super().__init__(**place)
        self.nodes.clear()
        self.version = version
        self.release_version = ".".join(version.split(".")[:2])
        self.rules = rules.version_of(version)
        self.models: dict[str, dict[str, str]] = {}
        """Custom CPU models: name -> {reported-model, flags}."""
        self.blobs: dict[str, bytes] = {}
        self.violations: list[str] = []
        """Calls that the API's own definition refuses."""
        self.synthetic: list[str] = []
        """Calls that fakepve would have answered with invented data."""
        self.behaviour: dict[str, str] = {}
        """VM name, or `*` -> what its guest does: report, no-agent, silent, garbage, huge, foreign, no-seed."""
        self.task_faults: dict[str, dict[str, Any]] = {}
        """Task type -> {exit?, hang?, warn?, times}: how the next such tasks end."""
        self.warned: dict[str, list[str]] = {}
        self.consoles: dict[int, bytes] = {}
        self.dropped: tuple[str, str] | None = None
        self.answers: dict[str, Any] = {}
        """The end of a path -> what a server that has gone mad answers there."""
        self.hangs_up = False
        """A console ends when it has said what there is."""
        self.kept_alive = 0
        """Signs of those who listen to consoles."""
        self.stubborn = False
        """Running VMs take up nothing at once."""
        self.second = 0
        self.calls = 0
        self.client_max_size = 1 << 30

    # ------------------------------------------------------------------------------------------- every request

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

    # ------------------------------------------------------------------------------------------- what nodes say

    async def synthesise(self, match: Any, method: str, info: Any, user: Any, values: Any) -> Any:
        said = {
            "/nodes/{node}/status": self._node_status,
            "/nodes/{node}/capabilities/qemu/cpu": self._cpu_models,
            FLAGS: self._cpu_flags,
            "/nodes/{node}/capabilities/qemu/machines": self._machines,
            "/nodes/{node}/network": self._networks,
        }.get(match.template)
        if method == "GET" and said is not None:
            return said(values["node"])
        self.synthetic.append(f"{method} {match.template}")
        raise PveError(501, f"the test server does not model {method} {match.template}")

    def _node_status(self, node: str) -> Any:
        state = self.nodes[node]
        flag = self._native(node) if state.get("kvm", True) else ""
        cpus = state.get("cpus", 16)
        memory = state.get("memory", 64 * GIB)
        return {
            "pveversion": f"pve-manager/{self.version}/abcdef0123456789", "kversion": "Linux 6.8.12-4-pve",
            "uptime": 900,
            "cpuinfo": {
                "vendor": state.get("vendor", "AuthenticAMD"), "model": state.get("model", "Test CPU"), "cpus": cpus,
                "sockets": 1, "cores": cpus, "mhz": str(state.get("mhz", 2000.0)), "flags": f"fpu vme {flag} lm",
                "hvm": "1" if flag else "0", "user_hz": 100,
            },
            "memory": {"total": memory, "used": memory // 4, "free": memory - memory // 4},
            "ksm": {"shared": 0}, "swap": {"total": 0, "used": 0, "free": 0}, "wait": 0, "cpu": 0.1, "idle": 0,
            "loadavg": ["0.1", "0.1", "0.1"], "rootfs": {"total": GIB, "used": 0, "free": GIB, "avail": GIB},
        }  # fmt: skip

    async def _cluster_status(self, request: Any) -> Any:
        self.require(request[USER], "/", "Sys.Audit")
        return await super()._cluster_status(request)

    def _native(self, node: str) -> str:
        return {"AuthenticAMD": "svm", "GenuineIntel": "vmx"}.get(self.nodes[node].get("vendor", "AuthenticAMD"), "")

    def offers(self, node: str) -> bool:
        """KVM on this node lets its guests have the feature of its CPU."""
        state = self.nodes[node]
        return bool(self._native(node)) and state.get("kvm", True) and state.get("nested", True)

    def _cpu_models(self, node: str) -> Any:
        built_in = [{"name": name, "vendor": of, "custom": 0} for name, of in rules.models(self.rules).items()]
        return built_in + [{"name": f"custom-{name}", "vendor": "default", "custom": 1} for name in self.models]

    def _cpu_flags(self, node: str) -> Any:
        listed: list[dict[str, Any]] = [{"name": flag, "description": flag} for flag in rules.flags(self.rules)]
        if self.rules >= rules.SUPPORTED_ON:
            able = [name for name, state in self.nodes.items() if state.get("online", True) and not state.get("mute")]
            for flag in listed:
                flag["supported-on"] = [n for n in able if flag["name"] != "nested-virt" or self.offers(n)]
        return listed

    def _machines(self, node: str) -> Any:
        version = {7: "7.2", 8: "9.2"}.get(self.rules[0], "10.1")
        return [{"id": f"pc-{kind}-{version}", "type": kind, "version": version} for kind in ("q35", "i440fx")]

    def _networks(self, node: str) -> Any:
        bridges = self.nodes[node].get("bridges", ["vmbr0", "vmbr1"])
        return [{"iface": name, "type": "bridge", "active": 1, "exists": 1, "priority": 3} for name in bridges]

    # ------------------------------------------------------------------------------------------------- disks

    def _config_priv(self, key: str) -> str:
        return rules.privilege_of(key)

    def _qm_free(self, volid: str) -> None:
        _, name = volume_ref(volid)
        if not name.startswith(("iso/", "import/")):  # those belong to no VM
            super()._qm_free(volid)

    def _qm_check_drive(self, user: str, vmid: int, pool: Any, key: str, value: str, default: Any) -> None:
        volume, props = split_drive(value)
        source = props.pop("import-from", None)
        if source is not None:
            if self.rules < rules.IMPORT_FROM:
                raise PveError(
                    400, "Parameter verification failed.", {key: "invalid format - invalid key: import-from"}
                )
            if source.startswith("/"):
                raise PveError(403, "Only root can use absolute paths for 'import-from'")
            sid, name = volume_ref(source)
            kind = self._parse_volname(self._store(sid), name)[0]
            if kind not in ("images", "import"):
                raise PveError(400, "Parameter verification failed.", {key: "import-from needs images or import"})
            self._check_access(user, sid, kind, None, source)
        super()._qm_check_drive(user, vmid, pool, key, join_drive(volume, props), default)

    def _qm_new_drive(self, vmid: int, key: str, value: str, default: Any) -> Any:
        volume, props = split_drive(value)
        source = props.pop("import-from", None)
        value = join_drive(volume, props)
        if source is None:
            return super()._qm_new_drive(vmid, key, value, default)
        sid, name = volume_ref(source)
        found = self._volumes(sid).get(name)
        if found is None:
            raise PveError(500, f"volume '{source}' does not exist")
        size = max(int(found.get("size") or 0), 1)
        target, rest = split_drive(value)
        volid, _ = self._qm_alloc(target.partition(":")[0], vmid, rest.pop("format", None), size)
        return join_drive(volid, {**rest, "size": f"{-(-size // 1024)}K"}), [volid]

    def _check_model(self, user: str, values: Any) -> None:
        """Using a custom CPU model takes a privilege of its own."""
        kind = rules.parse_cpu(str(values.get("cpu", ""))).get("cputype", "")
        if kind.startswith("custom-"):
            new = self.rules >= rules.SUPPORTED_ON
            self.require(user, f"/mapping/cpu/{kind.removeprefix('custom-')}" if new else "/nodes",
                         "Mapping.Use" if new else "Sys.Audit")  # fmt: skip

    async def _qm_create(self, v: Any, user: str) -> Any:
        self._check_model(user, v)
        self._check_bridges(v["node"], user, v)
        return await super()._qm_create(v, user)

    async def _apply_config(self, vm: Any, user: str, p: Any) -> None:
        self._check_model(user, p)
        self._check_bridges(vm.node, user, p)
        p |= {key: with_mac(p[key]) for key in p if re.fullmatch(r"net\d+", key)}
        for key in [key for key in p if DRIVE_KEY.match(key)]:
            volume, _props = split_drive(str(p[key]))
            if re.fullmatch(r"[A-Za-z][\w.-]*:\d+(\.\d+)?", volume):
                self._qm_check_drive(user, vm.vmid, None, key, str(p[key]), None)
                p[key], _ = self._qm_new_drive(vm.vmid, key, str(p[key]), None)
            elif volume.endswith(":cloudinit"):
                self.require(user, f"/vms/{vm.vmid}", "VM.Config.Cloudinit")
                for other, there in vm.config.items():
                    if other != key and DRIVE_KEY.match(other) and "cloudinit" in str(there).partition(",")[0]:
                        raise PveError(500, f"cloud-init drive is already attached at '{other}'")
                p[key] = f"{volume.partition(':')[0]}:vm-{vm.vmid}-cloudinit,media=cdrom"
                self._put_volume(vm.vmid, p[key])
            elif volume_ref(volume)[0] is not None and "media=cdrom" in str(p[key]):
                sid, name = volume_ref(volume)
                self._check_access(user, sid, "iso", None, volume)
                if name not in self._volumes(sid):
                    raise PveError(500, f"volume '{volume}' does not exist")
        await super()._apply_config(vm, user, p)
        for key in () if self.stubborn else [key for key in vm.pending if key in LIVE]:
            self._take_up(vm, key)
        for key in [key for key in vm.pending if DRIVE_KEY.match(key) and key in vm.config]:
            limits = [split_drive(str(of[key])) for of in (vm.pending, vm.config) if of[key] is not None]
            if len(limits) == 2 and limits[0][0] == limits[1][0]:  # the same disk with other limits: taken up at once
                vm.config[key] = vm.pending.pop(key)
        vm.pending = {key: value for key, value in vm.pending.items() if value != vm.config.get(key)}

    def _take_up(self, vm: Any, key: str) -> None:
        value = vm.pending.pop(key)
        if value is None:
            vm.config.pop(key, None)
        else:
            vm.config[key] = value

    def _check_bridges(self, node: str, user: str, values: Any) -> None:
        for key in values:
            found = re.search(r"bridge=([^,]+)", str(values[key])) if re.fullmatch(r"net\d+", key) else None
            if found and self.rules >= rules.BRIDGE_PRIVILEGE:
                tag = re.search(r"tag=(\d+)", str(values[key]))
                zone = f"/sdn/zones/localnet/{found[1]}"
                self.require(user, f"{zone}/{tag[1]}" if tag else zone, "SDN.Use")

    def _routes_strict(self) -> Any:
        return [("PUT", "/nodes/{node}/qemu/{vmid}/resize", self._resize)]

    async def _resize(self, v: Any, user: str) -> Any:
        vm = self.find(v["node"], v["vmid"])
        self._check_lock(vm)
        volume, props = split_drive(vm.config.get(v["disk"], ""))
        stored = self._qm_volume(volume)
        if stored is None:
            raise PveError(500, f"disk '{v['disk']}' does not exist")
        size = int(v["size"].removesuffix("G")) * GIB
        if size < int(stored["size"]):
            raise PveError(500, "shrinking disks is not supported")
        store = self.storages[volume_ref(volume)[0]]

        async def body() -> None:
            if "avail" in store:
                if size - stored["size"] > store["avail"]:
                    raise TaskError(f"unable to resize volume '{volume}': No space left on device")
                store["avail"] -= size - stored["size"]
            stored["size"] = size
            vm.config[v["disk"]] = join_drive(volume, {**props, "size": f"{size // GIB}G"})

        upid = await self.task(vm.node, "resize", vm.vmid, user, body, vm=vm)
        if self.rules >= (8,):
            return upid
        if self.tasks[upid].get("exitstatus") not in ("OK", None):
            raise PveError(500, self.tasks[upid]["exitstatus"])
        return None

    async def _upload(self, request: Any) -> Any:
        name, store = self._file_storage(request, "upload")
        user = request[USER]
        self.require(user, "/storage/" + name, "Datastore.AllocateTemplate")
        fields = _multipart(request.headers.get("Content-Type", ""), await request.read())
        match = self.resolve(request, "/api2/json")
        said = {key: value for key, value in fields.items() if key != "data"}
        self._check_schema("POST", match, said)
        content, filename, data = fields.get("content"), fields["filename"], fields["data"]
        endings = {"iso": (".iso", ".img"), "import": (".qcow2", ".raw", ".vmdk", ".ova")}
        if content not in endings or (content == "import" and self.rules < rules.IMPORT_CONTENT):
            raise PveError(400, "Parameter verification failed.", {"content": "value not allowed"})
        if not filename.endswith(endings[content]):
            raise PveError(400, "Parameter verification failed.", {"filename": "wrong file extension"})
        if content not in store.get("content", "").split(","):
            raise PveError(500, f"storage '{name}' does not support '{content}' content")
        if "checksum" in fields:
            got = hashlib.new(fields.get("checksum-algorithm", ""), data, usedforsecurity=False).hexdigest()
            if got != fields["checksum"]:
                raise PveError(500, f"checksum mismatch: got '{got}' != expect '{fields['checksum']}'")

        async def body() -> None:
            self.store_file(name, filename, len(data), content)
            self.blobs[f"{name}:{content}/{filename}"] = data

        return ok(await self.task(request.match_info["node"], "imgcopy", "", user, body))

    # ------------------------------------------------------------------------------------------------- tasks

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

    # ------------------------------------------------------------------------------------------------ guests

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

    # ---------------------------------------------------------------------------------------------- for tests

    def add_template(self, vmid: int, name: str, node: str, storage: str, size_gib: int = 2, **config: Any) -> None:
        """A template with one disk, as somebody once made it."""
        volume = f"base-{vmid}-disk-0"
        if self.storages[storage]["type"] == "dir":
            volume = f"{vmid}/{volume}.qcow2"
        self.storages[storage].setdefault("volumes", {})[volume] = {
            "content": "images", "format": "raw", "size": size_gib * GIB, "vmid": vmid, "ctime": 0,
        }  # fmt: skip
        disk = {"scsi0": f"{storage}:{volume},size={size_gib}G", "scsihw": "virtio-scsi-pci", "boot": "order=scsi0",
                "memory": 512, "cores": 1, "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}  # fmt: skip
        vm = super().add_vm(vmid, name, node=node, template=True, config={**disk, **config})
        vm.config["template"] = 1

    def give_drive(self, vmid: int, key: str, value: str) -> None:
        """A drive that the VM or template has from now on."""
        self._put_volume(vmid, value)
        self.vm(vmid).config[key] = value

    def _put_volume(self, vmid: int, value: str) -> None:
        sid, name = volume_ref(split_drive(value)[0])
        stored = {"content": "images", "format": "raw", "size": 4 << 20, "vmid": vmid, "ctime": 0}
        self.storages[sid].setdefault("volumes", {})[name] = stored

    def take_drive(self, vmid: int, key: str) -> None:
        """The opposite."""
        sid, name = volume_ref(split_drive(self.vm(vmid).config.pop(key))[0])
        del self.storages[sid]["volumes"][name]

    def set_acl(self, acl: dict[str, list[list[Any]]]) -> None:
        """Grant exactly this, and nothing of what was granted before."""
        self.acl = {}
        for user, grants in acl.items():
            for path, privileges in grants:
                self.grant(user, path, *privileges)

    def sweep(self) -> None:
        """Delete all uploaded files."""
        for store in self.storages.values():
            store["files"].clear()
            volumes = store.setdefault("volumes", {})
            for name in [name for name in volumes if name.startswith(("iso/", "import/"))]:
                del volumes[name]

    async def outage(self, seconds: float) -> None:
        """From now on, for so long, every connection breaks off: pveproxy restarts."""
        self.network["drop_rate"] = 1.0

        async def later() -> None:
            await asyncio.sleep(seconds)
            self.network["drop_rate"] = 0.0

        self._outage = asyncio.ensure_future(later())

    def slow_down(self, seconds: float) -> None:
        """Every answer takes so long from now on."""
        self.network["latency"], self.time_scale = seconds, 1.0 if seconds else 0.0

    def drop_after(self, method: str, path: str) -> None:
        """Carry the next such request out, and break the connection off before its answer."""
        self.dropped = (method, path)

    def forget(self, vmid: int) -> None:
        """Take a VM out without a trace, as if it had never been there."""
        self.vms.remove(self.vm(vmid))

    def disks(self) -> list[str]:
        """Every volume that belongs to a VM and every uploaded file."""
        return sorted(f"{sid}:{name}" for sid, store in self.storages.items() for name in store.get("volumes", {}))

    def seed(self, vmid: int) -> dict[str, str]:
        """The parts of the user-data on the seed of a VM."""
        vm = self.vm(vmid)
        image = self.blobs[split_drive(str(vm.config["ide2"]))[0]]
        seed = pve_guest.read_seed(image)
        return {**seed.parts(), "network-config": seed.network_config.decode()}

    def snapshot(self) -> dict[str, Any]:
        """What a test may want to know."""
        return {
            "vms": [
                {"vmid": vm.vmid, "name": vm.name, "node": vm.node, "status": vm.status, "config": vm.config,
                 "pending": vm.pending, "template": vm.template, "lock": vm.lock,
                 "drives": [volume for _key, volume, _props in drives_of(vm.config)]}
                for vm in self.vms
            ],
            "disks": self.disks(), "violations": self.violations, "synthetic": self.synthetic, "calls": self.calls,
            "kept_alive": self.kept_alive,
            "requests": [[method, path, body.decode(errors="replace")[:2000]] for method, path, body in self.requests],
            "tasks": [[task["type"], task["id"], task.get("exitstatus", task["status"])] for task in self.tasklog],
        }  # fmt: skip
