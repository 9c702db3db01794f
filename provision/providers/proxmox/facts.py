"""What the API says of a cluster and its nodes. Nodes are asked at the same time; one that does not answer stops none.

Seven requests for each node at most, whatever runs on it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from provision.provider import Progress, ProviderError
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.faults import ApiError
from provision.providers.proxmox.version import CPU_FLAG_LIST, Version

T = TypeVar("T")

AT_ONCE = 8
"""Nodes that are asked at the same time."""
NATIVE = {"AuthenticAMD": "svm", "HygonGenuine": "svm", "GenuineIntel": "vmx"}
NESTED_FLAG = "nested-virt"


class Storage(msgspec.Struct, frozen=True):
    """A storage as one node sees it."""

    storage: str
    content: str = ""
    type: str = ""
    active: int = 0
    enabled: int = 1
    shared: int = 0
    avail: int = 0

    def holds(self, kind: str) -> bool:
        """It can be used now, for this kind of content."""
        return bool(self.active and self.enabled) and kind in self.content.split(",")

    @property
    def thin(self) -> bool:
        """Its disks take their space only when they are written to, so a full one cannot be told in advance."""
        return self.type in ("lvmthin", "rbd", "zfspool", "btrfs")


class _CpuInfo(msgspec.Struct):
    vendor: str = ""
    model: str = ""
    cpus: int = 0
    mhz: float = 0.0
    flags: str = ""


class _Memory(msgspec.Struct):
    total: int = 0
    free: int = 0


class _Status(msgspec.Struct):
    cpuinfo: _CpuInfo
    memory: _Memory = msgspec.field(default_factory=_Memory)
    swap: _Memory | None = None
    pveversion: str = ""
    kversion: str = ""


class _Model(msgspec.Struct):
    name: str
    vendor: str = ""


class _Flag(msgspec.Struct):
    name: str
    on: list[str] | None = msgspec.field(name="supported-on", default=None)


class _Machine(msgspec.Struct):
    id: str
    type: str = ""


class _Interface(msgspec.Struct):
    iface: str


class _Node(msgspec.Struct):
    node: str
    status: str = ""


class _Member(msgspec.Struct):
    name: str
    type: str = ""
    ip: str = ""


class _Release(msgspec.Struct):
    version: str


class Node(msgspec.Struct, frozen=True):
    """What is known of one node; what could not be read is in `unread`."""

    name: str
    version: Version
    online: bool = True
    fault: str = ""
    """Why it cannot be used; empty when it can."""
    vendor: str = ""
    cpu: str = ""
    """For people: the model."""
    flags: frozenset[str] = frozenset()
    """Of its CPU: what its kernel shows."""
    cpus: int = 0
    mhz: float = 0.0
    memory_mib: int = 0
    free_mib: int = 0
    swap_mib: int | None = None
    """None where it does not say."""
    kernel: str = ""
    models: dict[str, str] = msgspec.field(default_factory=dict)
    """CPU models that a VM may have there, with the vendor that each is for."""
    nested_flag: bool = False
    """A VM may ask for nested-virt beside a CPU model."""
    offers: bool | None = None
    """KVM there gives its guests vmx or svm; None where this version cannot tell."""
    q35: bool = True
    storages: tuple[Storage, ...] = ()
    bridges: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()

    @property
    def looked(self) -> bool:
        """Its CPU could be looked at."""
        return bool(self.vendor or self.flags)

    @property
    def native(self) -> str:
        """svm or vmx by the vendor of its CPU; empty when that is not known."""
        return NATIVE.get(self.vendor, "")

    @property
    def feature(self) -> str:
        """svm or vmx where its kernel shows it, else empty."""
        return next((name for name in ("svm", "vmx") if name in self.flags), "")

    def storage(self, name: str) -> Storage | None:
        return next((storage for storage in self.storages if storage.storage == name), None)


def read_version(api: Api) -> Version:
    """Of the node that answers. Raises ProviderError."""
    return Version.read(api.get("version", _Release).version)


def node_names(api: Api) -> dict[str, bool]:
    """Every node of the cluster, and whether it is online."""
    return {node.node: node.status == "online" for node in api.get("nodes", list[_Node])}


def node_addresses(api: Api) -> dict[str, str]:
    """Where each node is for the others of its cluster; empty where that may not be read (Sys.Audit on /)."""
    try:
        members = api.get("cluster/status", list[_Member])
    except ApiError:
        return {}
    return {member.name: member.ip for member in members if member.type == "node" and member.ip}


def read_nodes(api: Api, version: Version, names: dict[str, bool], progress: Progress) -> tuple[Node, ...]:
    """Every node of `names`, in their order. `version` stands in where a node does not tell its own."""

    def look(name: str) -> Node:
        if not names[name]:
            return Node(name, version, online=False, fault="it is offline")
        return _read(api, name, version)

    if len(names) > 1:
        progress(f"looking at {len(names)} nodes")
    return in_parallel(look, sorted(names))


def in_parallel(what: Callable[[str], T], names: Sequence[str]) -> tuple[T, ...]:
    """One result for each name, in their order, of as many at the same time as a cluster bears."""
    if len(names) < 2:
        return tuple(what(name) for name in names)
    with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
        return tuple(pool.map(what, names))


def _read(api: Api, name: str, version: Version) -> Node:
    unread: list[str] = []

    def ask(path: str, kind: type[T], default: T, **parameters: object) -> T:
        try:
            return api.get(f"nodes/{name}/{path}", kind, **parameters)
        except ApiError as e:
            if 595 <= e.status <= 599:
                raise
            if not e.missing:
                unread.append(str(e))
            return default

    try:
        status = ask("status", _Status, _Status(_CpuInfo()))
        own = _own_version(status.pveversion, version)
        models = ask("capabilities/qemu/cpu", list[_Model], [])
        flags = _flags(ask, own)
        machines = ask("capabilities/qemu/machines", list[_Machine], [])
        storages = ask("storage", list[Storage], [])
        interfaces = ask("network", list[_Interface], [], type="any_bridge")
    except ProviderError as e:
        return Node(name, version, online=False, fault=str(e))
    info = status.cpuinfo
    nested = next((flag for flag in flags if flag.name == NESTED_FLAG), None)
    return Node(
        name,
        own,
        vendor=info.vendor,
        cpu=info.model,
        flags=frozenset(info.flags.split()),
        cpus=info.cpus,
        mhz=info.mhz,
        memory_mib=status.memory.total >> 20,
        free_mib=status.memory.free >> 20,
        swap_mib=status.swap.total >> 20 if status.swap else None,
        kernel=status.kversion,
        models={model.name: model.vendor for model in models},
        nested_flag=nested is not None,
        offers=_offers(name, nested, flags),
        q35=not machines or any(machine.type == "q35" for machine in machines),
        storages=tuple(sorted(storages, key=lambda storage: storage.storage)),
        bridges=frozenset(interface.iface for interface in interfaces),
        unread=tuple(unread),
    )


def _offers(node: str, nested: _Flag | None, flags: Sequence[_Flag]) -> bool | None:
    """KVM on a node gives guests vmx or svm; None when it does not say, or says nothing at all of that node."""
    answers = any(node in (flag.on or ()) for flag in flags)
    return node in (nested.on or ()) if nested is not None and nested.on is not None and answers else None


def _own_version(text: str, otherwise: Version) -> Version:
    """`pve-manager/8.4.1/...`; in a cluster that is being upgraded every node has its own."""
    try:
        return Version.read(text.split("/")[1])
    except (IndexError, ProviderError):
        return otherwise


def _flags(ask: Callable[..., list[_Flag]], version: Version) -> list[_Flag]:
    """The CPU flags of a VM; from the first version that says so, with the nodes that support each."""
    if version < CPU_FLAG_LIST:
        return []
    return ask("capabilities/qemu/cpu-flags", list[_Flag], [])


def read_vendor(api: Api, node: str) -> str:
    """The vendor of a node's CPU; empty when it may not be looked at."""
    try:
        return api.get(f"nodes/{node}/status", _Status).cpuinfo.vendor
    except ApiError:
        return ""
