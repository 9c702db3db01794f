"""What a test may do to the server, and know of it, beside its API."""

import asyncio
from typing import Any

import pve_guest
from fakepve.qemu import drives_of, split_drive, volume_ref
from fakepve.server import FakePve
from pve_disks import GIB


class Controls(FakePve):
    """Called by name through the control (`pve_main`)."""

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
