"""The storage pools of an endpoint: opened by name, each fault named with the command that mends it."""

import shlex
import threading
from pathlib import Path, PurePosixPath

import libvirt

from provision.provider import ProviderError
from provision.providers.libvirt.fitting import DEFAULT_POOL
from provision.providers.libvirt.xmltext import parse_xml

FILE_POOLS = ("dir", "fs", "netfs")
BLOCKS = "keeps block devices, over which no layers are made"
UNFIT = {
    "disk": "names its volumes itself, so that nobody could tell whose they are",
    "gluster": "makes no volumes",
    "iscsi": "makes no volumes: they are its target's",
    "iscsi-direct": "makes no volumes: they are its target's",
    "logical": BLOCKS,
    "mpath": "makes no volumes",
    "rbd": "keeps objects of a network, over which no layers are made",
    "scsi": "makes no volumes: they are its adapter's",
    "zfs": BLOCKS,
}
"""Why the disks of VMs are not made in a pool of this type (storage.html)."""
LISTED = (
    libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
    | libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_DIR
    | libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_FS
    | libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_NETFS
)


class Pools:
    """Of one connection. Making pools is the administrator's; threads may share this."""

    def __init__(self, connection: "libvirt.virConnect", shown: str, *, local: bool) -> None:
        self.connection = connection
        self.virsh = f"virsh -c {shlex.quote(shown)}"
        self._shown = shown
        self._local = local
        self._opened: dict[str, libvirt.virStoragePool] = {}
        self._opening = threading.Lock()
        #: held while a base image is made or taken into use, and while those that nobody uses are removed
        self.bases = threading.Lock()

    def open(self, name: str, asked_at: str = "") -> "libvirt.virStoragePool":
        """The pool, active and of files, its contents read once. `asked_at` is where a manifest names it."""
        with self._opening:
            if name not in self._opened:
                self._opened[name] = self._open(name, asked_at)
            return self._opened[name]

    def directory(self, name: str, asked_at: str = "") -> PurePosixPath:
        """Where its volumes are on the host, also while it is not active."""
        return PurePosixPath(parse_xml(self._find(name, asked_at).XMLDesc()).findtext("target/path", "/"))

    def all(self) -> list["libvirt.virStoragePool"]:
        """Every pool that may have volumes of ours in it and that can be looked into."""
        found: list[libvirt.virStoragePool] = self.connection.listAllStoragePools(LISTED)
        return found

    def directories(self) -> dict[str, set[str]]:
        """The names of the pools in each directory: nothing keeps two of them from having the same."""
        found: dict[str, set[str]] = {}
        for pool in self.all():
            path = parse_xml(pool.XMLDesc()).findtext("target/path", "")
            found.setdefault(path, set()).add(pool.name())
        return found

    def space(self, name: str) -> str:
        """The same for pools that share their space, as far as that can be told: here, but not on another machine."""
        directory = Path(self.directory(name))
        return f"device {directory.stat().st_dev}" if self._local and directory.is_dir() else f"pool {name}"

    def place(self, name: str) -> str:
        """For people."""
        return f"{self._shown}: storage pool {name!r}"

    def _open(self, name: str, asked_at: str) -> "libvirt.virStoragePool":
        pool = self._find(name, asked_at)
        kind = parse_xml(pool.XMLDesc()).get("type", "")
        if kind not in FILE_POOLS:
            raise ProviderError(
                f"{asked_at}{self.place(name)} is of type {kind}, which {UNFIT.get(kind, 'was never tried')}; "
                f"disks go to pools that keep files ({', '.join(FILE_POOLS)})",
                hint=f"name another one; there are: {self.virsh} pool-list --all --details",
            )
        if not pool.isActive():
            raise ProviderError(
                f"{asked_at}{self.place(name)} is not active", hint=f"{self.virsh} pool-start {shlex.quote(name)}"
            )
        pool.refresh()
        return pool

    def _find(self, name: str, asked_at: str) -> "libvirt.virStoragePool":
        try:
            return self.connection.storagePoolLookupByName(name)
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            others = ", ".join(sorted(pool.name() for pool in self.connection.listAllStoragePools())) or "none at all"
            quoted = shlex.quote(name)
            target = "/var/lib/libvirt/images" if name == DEFAULT_POOL else "DIRECTORY"
            raise ProviderError(
                f"{asked_at}{self._shown}: there is no storage pool {name!r} for disks; there are: {others}",
                hint=f"{self.virsh} pool-define-as {quoted} dir --target {target} && "
                f"{self.virsh} pool-autostart {quoted} && {self.virsh} pool-start {quoted}",
            ) from e
