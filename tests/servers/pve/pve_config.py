"""What a VM is configured with: drives, CPU model, bridges; what a running one takes up at once."""

import re
from typing import Any

import pve_rules as rules
from fakepve.model import PveError
from fakepve.qemu import DRIVE_KEY, split_drive, volume_ref, with_mac
from fakepve.server import FakePve

LIVE = ("cpulimit", "cpuunits", "balloon")
"""Settings that a running VM takes up at once, beside fakepve's."""


class Config(FakePve):
    """Configurations as they are made and changed."""

    def __init__(self, **place: Any) -> None:
        super().__init__(**place)
        self.stubborn = False
        """Running VMs take up nothing at once."""

    def _config_priv(self, key: str) -> str:
        return rules.privilege_of(key)

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
