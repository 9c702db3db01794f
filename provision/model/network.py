"""The NICs of a VM."""

from enum import StrEnum

import msgspec

from provision.model.origin import Origin


class NetworkKind(StrEnum):
    """What the source of a network is."""

    NETWORK = "network"
    """A libvirt network."""
    BRIDGE = "bridge"
    """A bridge of the host: libvirt or Proxmox."""
    PORTGROUP = "portgroup"
    """vSphere: standard or distributed."""


class GuestAddress(msgspec.Struct, frozen=True):
    """A static IPv4 address, for the guest's own network configuration; the NIC is found by its MAC."""

    address: str
    """With its prefix: 192.0.2.10/24."""
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


class NetworkSpec(msgspec.Struct, frozen=True):
    """One NIC and what it hangs on, resolved for the VM's provider."""

    name: str
    """As the VirtualMachine calls it."""
    source: str
    kind: NetworkKind
    origin: Origin
    model: str | None = None
    """virtio, e1000, vmxnet3, ...; None: the provider's best."""
    mac: str | None = None
    """Lower case, with colons; None: the hypervisor's choice."""
    vlan: int | None = None
    """Proxmox: the tag of the NIC. vSphere: what the portgroup is expected to have."""
    mtu: int | None = None
    switch: str | None = None
    """vSphere: the distributed switch of the portgroup."""
    firewall: bool = False
    """Proxmox."""
    rate_limit_mbs: int | None = None
    """Proxmox: MB/s."""
    queues: int | None = None
    """libvirt: queues of a virtio NIC."""
    filter: str | None = None
    """libvirt: the name of an nwfilter."""
    promiscuous: bool = False
    """vSphere: the portgroup has to allow promiscuous mode, as VMs bridged out of this VM need."""
    address: GuestAddress | None = None
