"""What nodes say of themselves: status, CPU models and flags, machine types, bridges."""

from typing import Any

import pve_rules as rules
from fakepve.model import PveError
from fakepve.server import USER, FakePve
from pve_disks import GIB

FLAGS = "/nodes/{node}/capabilities/qemu/cpu-flags"


class Nodes(FakePve):
    """`nodes` hold more than fakepve's: vendor, nested, mhz, cpus, memory (bytes), bridges, kvm."""

    def __init__(self, **place: Any) -> None:
        super().__init__(**place)
        self.nodes.clear()
        self.models: dict[str, dict[str, str]] = {}
        """Custom CPU models: name -> {reported-model, flags}."""
        self.synthetic: list[str] = []
        """Calls that fakepve would have answered with invented data."""

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
