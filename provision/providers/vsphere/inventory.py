"""Names and paths of an inventory, and where in it a VM goes. One bulk read; the rest is pure."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import msgspec
from pyVmomi import vim

from provision.model import Placement
from provision.provider import ProviderError
from provision.providers.vsphere.connection import Connection
from provision.providers.vsphere.gates import HostFacts
from provision.providers.vsphere.properties import Read, read_all

HOST = ("name", "parent", "capability.nestedHVSupported", "capability.vPMCSupported", "hardware.cpuPkg",
        "summary.hardware.cpuMhz", "summary.hardware.memorySize", "summary.quickStats.overallMemoryUsage",
        "config.product.version", "runtime.connectionState", "runtime.inMaintenanceMode", "datastore")  # fmt: skip
WANTED: dict[Any, tuple[str, ...]] = {
    vim.Datacenter: ("name", "parent", "vmFolder"),
    vim.Folder: ("name", "parent"),
    vim.ComputeResource: ("name", "parent", "resourcePool", "host"),
    vim.ResourcePool: ("name", "parent", "owner"),
    vim.HostSystem: HOST,
    vim.Datastore: ("name", "parent", "summary.freeSpace", "summary.accessible"),
    vim.Network: ("name", "parent"),
    vim.dvs.DistributedVirtualPortgroup: ("config.key", "config.distributedVirtualSwitch", "config.defaultPortConfig"),
    vim.DistributedVirtualSwitch: ("name", "parent", "uuid"),
    vim.VirtualMachine: ("name", "parent", "config.template"),
}


class Place(msgspec.Struct, frozen=True):
    """Where a new VM goes."""

    folder: Read
    pool: Any
    host: HostFacts
    datastore: Any
    """None: where the template is."""
    imports: Any = None
    """The datastore of an image that is imported, where its manifest says one."""

    @property
    def of_image(self) -> "Place":
        """Where the template goes that an image is made."""
        return msgspec.structs.replace(self, datastore=self.imports or self.datastore)


class Inventory:
    """What a vCenter has, by name."""

    def __init__(self, objects: Iterable[Read]) -> None:
        self._by_id = {o.id: o for o in objects}

    def of(self, kind: Any) -> list[Read]:
        """Every object of a type or of one derived from it."""
        return [o for o in self._by_id.values() if isinstance(o.ref, kind)]

    def by_ref(self, ref: Any) -> Read | None:
        return self._by_id.get(str(ref._moId)) if ref is not None else None

    def path(self, found: Read) -> str:
        """As govc writes it: /DC0/vm/team/name."""
        names = [unquote(found.name)]
        at = found
        while (parent := self.by_ref(at.get("parent"))) is not None:
            names.append(unquote(parent.name))
            at = parent
        return "/" + "/".join(reversed(names))

    def find(self, kind: Any, written: str, what: str, within: Read | None = None) -> Read:
        """The one object of a type with this name, or at this path. Raises ProviderError, saying what there is."""
        there = [o for o in self.of(kind) if within is None or self._is_below(o, within)]
        found = [o for o in there if self._matches(o, written)]
        if len(found) == 1:
            return found[0]
        if found:
            paths = ", ".join(sorted(self.path(o) for o in found)[:5])
            raise ProviderError(f"{what} {written!r} is ambiguous: {paths}", hint="write its whole path")
        names = ", ".join(sorted({unquote(o.name) for o in there})[:10]) or "none"
        raise ProviderError(f"there is no {what} {written!r}", hint=f"there are: {names}")

    def only(self, kind: Any, what: str, within: Read | None = None) -> Read:
        """The one object of a type when nobody said which. Raises ProviderError where there are several."""
        there = [o for o in self.of(kind) if within is None or self._is_below(o, within)]
        if len(there) == 1:
            return there[0]
        names = ", ".join(sorted(unquote(o.name) for o in there)[:10]) or "none"
        raise ProviderError(
            f"which {what}? there are {names}", hint=f"say it in spec.placement or the Provider: {what}"
        )

    def place(self, wanted: Placement, *, nested: bool, imports: str | None = None) -> Place:
        """Where a VM goes: what the user left open is chosen, a host that nests for a VM that must.

        `imports` is the datastore of its image.
        """
        centre = (
            self.find(vim.Datacenter, wanted.datacenter, "datacenter")
            if wanted.datacenter
            else self.only(vim.Datacenter, "datacenter")
        )
        host = self.find(vim.HostSystem, wanted.host, "host", centre) if wanted.host else None
        if host is not None:
            compute = self.by_ref(host.get("parent"))
            assert compute is not None
        elif wanted.cluster:
            compute = self.find(vim.ComputeResource, wanted.cluster, "cluster", centre)
        else:
            compute = self.only(vim.ComputeResource, "cluster", centre)
        pool = compute.get("resourcePool")
        if wanted.resource_pool:
            pool = self.find(vim.ResourcePool, wanted.resource_pool, "resource pool", compute).ref
        folder = (
            self.find(vim.Folder, wanted.folder, "folder", self.by_ref(centre.get("vmFolder")))
            if wanted.folder
            else self.by_ref(centre.get("vmFolder"))
        )
        assert folder is not None
        chosen = self.facts(host) if host else self._best_host(compute, nested=nested)
        kept = self.find(vim.Datastore, imports, "datastore for the image", centre).ref if imports else None
        return Place(folder, pool, chosen, self._datastore(wanted, centre), kept)

    def facts(self, host: Read) -> HostFacts:
        """A host as the gates want it."""
        packages = host.get("hardware.cpuPkg") or ()
        return HostFacts(
            ref=host.ref,
            name=host.name,
            nested=host.get("capability.nestedHVSupported"),
            vendor=str(packages[0].vendor) if packages else "",
            version=str(host.get("config.product.version") or ""),
            mhz=int(host.get("summary.hardware.cpuMhz") or 0),
            counters=host.get("capability.vPMCSupported"),
            unusable=unusable(host),
            free_mib=((host.get("summary.hardware.memorySize") or 0) >> 20)
            - (host.get("summary.quickStats.overallMemoryUsage") or 0),
        )

    def _best_host(self, compute: Read, *, nested: bool) -> HostFacts:
        hosts = [self.facts(h) for ref in compute.get("host") or () if (h := self.by_ref(ref)) is not None]
        if not hosts:
            raise ProviderError(f"cluster {compute.name} has no host")
        return max(hosts, key=lambda h: (not h.unusable, bool(h.nested) if nested else True, h.free_mib, h.name))

    def _datastore(self, wanted: Placement, centre: Read) -> Any:
        if wanted.datastore:
            return self.find(vim.Datastore, wanted.datastore, "datastore", centre).ref
        if wanted.storage_pod:
            pod = self.find(vim.StoragePod, wanted.storage_pod, "datastore cluster", centre)
            stores = [s for s in self.of(vim.Datastore) if self._is_below(s, pod) and s.get("summary.accessible")]
            if not stores:
                raise ProviderError(f"datastore cluster {wanted.storage_pod!r} has no datastore that can be reached")
            return max(stores, key=lambda s: (s.get("summary.freeSpace") or 0, s.name)).ref
        return None

    def _matches(self, found: Read, written: str) -> bool:
        if "/" in written:
            path = self.path(found)
            return path == written or path.endswith("/" + written.strip("/"))
        return unquote(found.name) == written

    def _is_below(self, found: Read, top: Read | None) -> bool:
        at: Read | None = found
        while at is not None:
            if top is None or at.id == top.id:
                return True
            at = self.by_ref(at.get("parent"))
        return False


def unusable(host: Read) -> str:
    """Why no VM can be started on a host now; empty when one can."""
    state = str(host.get("runtime.connectionState") or "")
    if state != "connected":
        return {
            "disconnected": "it is disconnected from vCenter",
            "notResponding": "it does not respond to vCenter",
        }.get(state, f"its connection state is {state or 'unknown'}")
    return "it is in maintenance mode" if host.get("runtime.inMaintenanceMode") else ""


def read_inventory(connection: Connection) -> Inventory:
    """The inventory as it is now, by one bulk query. Raises ProviderError."""
    return Inventory(read_all(connection, WANTED))
