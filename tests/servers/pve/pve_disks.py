"""Disks that are imported and resized, and ISO and disk images that keep their bytes."""

import hashlib
import re
from typing import Any

import pve_rules as rules
from fakepve.model import PveError, TaskError
from fakepve.qemu import join_drive, split_drive, volume_ref
from fakepve.server import USER, FakePve, ok

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


class Disks(FakePve):
    """Volumes of VMs, and uploaded files."""

    def __init__(self, **place: Any) -> None:
        super().__init__(**place)
        self.blobs: dict[str, bytes] = {}
        """What was uploaded, by volume."""

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

    def _put_volume(self, vmid: int, value: str) -> None:
        sid, name = volume_ref(split_drive(value)[0])
        stored = {"content": "images", "format": "raw", "size": 4 << 20, "vmid": vmid, "ctime": 0}
        self.storages[sid].setdefault("volumes", {})[name] = stored

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
