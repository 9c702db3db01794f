"""The VM of one (namespace, name): found by its tag in one request, and known by the record in its description."""

from collections.abc import Sequence
from typing import Any

import msgspec

from provision.provider import ProviderError
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.faults import ApiError
from provision.providers.proxmox.record import Record, guest_name, identity_tag, read_record


class Resource(msgspec.Struct, frozen=True):
    """A VM in the cluster's list."""

    node: str = ""
    vmid: int = 0
    type: str = ""
    name: str = ""
    status: str = ""
    tags: str = ""
    template: int = 0
    lock: str = ""
    maxmem: int = 0
    """Bytes."""
    maxcpu: float = 0

    def has_tag(self, tag: str) -> bool:
        return tag in self.tags.replace(",", ";").replace(" ", ";").split(";")


class _Option(msgspec.Struct):
    key: str
    value: Any = None
    pending: Any = None
    delete: int = 0


class Current(msgspec.Struct, frozen=True):
    """The state of one VM."""

    status: str
    qmpstatus: str = ""
    lock: str = ""
    uptime: int = 0
    qemu: str = msgspec.field(name="running-qemu", default="")

    @property
    def running(self) -> bool:
        """Executing, and not merely paused."""
        return self.status == "running" and self.qmpstatus in ("", "running")


class Guest(msgspec.Struct, frozen=True):
    """A VM as it is there."""

    vmid: int
    node: str
    config: dict[str, str]
    """What its next start will have."""
    live: dict[str, str]
    """What it was started with, where that differs."""
    running: bool
    lock: str
    record: Record | None
    qemu: str = ""
    """The version of its QEMU; empty while it is off."""
    doubles: tuple[tuple[str, int], ...] = ()
    """Other VMs with the same record, as two runs at the same moment make them: node and number."""

    @property
    def path(self) -> str:
        return f"nodes/{self.node}/qemu/{self.vmid}"

    @property
    def at(self) -> str:
        """For people."""
        return f"VM {self.vmid} on {self.node}"

    @property
    def running_config(self) -> dict[str, str]:
        """What it runs with, or will start with while it is off."""
        return self.live if self.running else self.config

    @property
    def pending(self) -> tuple[str, ...]:
        """Keys that take effect at the next cold start."""
        keys = self.config.keys() | self.live.keys()
        return tuple(sorted(key for key in keys if self.config.get(key) != self.live.get(key)))


def everything(api: Api) -> list[Resource]:
    """All VMs of the cluster that this user may see, templates too."""
    return [each for each in api.get("cluster/resources", list[Resource], type="vm") if each.type == "qemu"]


def running(api: Api) -> list[Resource]:
    """All VMs and containers of the cluster that run, of those that this user may see."""
    return [each for each in api.get("cluster/resources", list[Resource], type="vm") if each.status == "running"]


def find(api: Api, namespace: str, name: str, resources: Sequence[Resource] | None = None) -> Guest | None:
    """The VM; None when there is none. Raises ProviderError when somebody else's has its name or its tag.

    `resources` is what `everything` said a moment ago.
    """
    tag, called = identity_tag(namespace, name), guest_name(namespace, name)
    found = []
    for resource in sorted(everything(api) if resources is None else resources, key=lambda each: each.vmid):
        if resource.template or not (resource.has_tag(tag) or resource.name == called):
            continue
        if resource.status == "unknown":
            raise ProviderError(
                f"VM {resource.vmid} is on {resource.node}, which is offline: nothing can be told of it",
                hint=f"bring {resource.node} back, or move the VM to another node if it is gone for good",
            )
        guest = read(api, resource.node, resource.vmid)
        if guest is None or (guest.record is not None and guest.record.vmid != guest.vmid):
            continue  # it went away, or is a copy that somebody made of ours
        if guest.record is None or (guest.record.namespace, guest.record.name) != (namespace, name):
            raise ProviderError(
                f"{guest.at} ({resource.name}) exists already and was not made by nestproof for {namespace}/{name}",
                hint="give the VirtualMachine another name, or rename that VM and take the tag away",
            )
        found.append(guest)
    if not found:
        return None
    return msgspec.structs.replace(found[0], doubles=tuple((other.node, other.vmid) for other in found[1:]))


def read(api: Api, node: str, vmid: int, listed: Resource | None = None) -> Guest | None:
    """One VM; None when it went away meanwhile. `listed` spares a request where what a list says of it is enough."""
    path = f"nodes/{node}/qemu/{vmid}"
    try:
        options = api.get(f"{path}/pending", list[_Option])
        current = Current(listed.status, lock=listed.lock) if listed else api.get(f"{path}/status/current", Current)
    except ApiError as e:
        if "does not exist" in e.text:
            return None
        raise
    live = {each.key: _text(each.value) for each in options if each.value is not None}
    config = dict(live)
    for each in options:
        if each.delete:
            config.pop(each.key, None)
        elif each.pending is not None:
            config[each.key] = _text(each.pending)
    for keys in (live, config):
        keys.pop("digest", None)
    record = read_record(config.get("description", ""))
    lock = current.lock or config.get("lock", "")
    return Guest(vmid, node, config, live, current.running, lock, record, current.qemu)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(value)
