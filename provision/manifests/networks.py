"""From a VM's networks and the attachments that they refer to, to NICs of its provider."""

import hashlib
import re

from provision.manifests.documents import Document
from provision.manifests.schemas.network import VMNetworkAttachment, VMNetworkAttachmentSpec
from provision.manifests.schemas.virtualmachine import Network
from provision.model import GuestAddress, NetworkKind, NetworkSpec, Origin

MAC_PREFIXES = {"libvirt": "52:54:00", "vsphere": "00:50:56", "proxmox": "bc:24:11"}
"""Of the addresses that each hypervisor assigns itself; vSphere leaves 00 to 3f of the next byte to people."""

KINDS = {"libvirt": NetworkKind.NETWORK, "vsphere": NetworkKind.PORTGROUP, "proxmox": NetworkKind.BRIDGE}
NEEDED = {
    "libvirt": "libvirt.networkName or libvirt.bridge.name",
    "vsphere": "vsphere.portgroup",
    "proxmox": "proxmox.bridge",
}


def plain(name: str, source: str, provider: str, origin: Origin) -> NetworkSpec:
    """A network that is named and nothing more."""
    return NetworkSpec(name, source, KINDS[provider], origin)


def attached(
    network: Network, found: Document[VMNetworkAttachment], provider: str, origin: Origin
) -> NetworkSpec | None:
    """The NIC by an attachment; None when the attachment has no part for this provider."""
    if found.model is None:
        return None
    config, name = found.model.spec.network, network.name
    mtu = config.mtu if found.has("spec", "network", "mtu") else None
    if provider == "libvirt" and (part := config.libvirt):
        source = part.network_name or (part.bridge.name if part.bridge else None)
        if source is None:
            return None
        kind = NetworkKind.NETWORK if part.network_name else NetworkKind.BRIDGE
        return NetworkSpec(
            name, source, kind, origin, model=part.model, mtu=mtu,
            queues=part.driver.queues if part.driver else None,
            filter=part.filter_ref.filter if part.filter_ref else None,
        )  # fmt: skip
    if provider == "vsphere" and (vsphere := config.vsphere):
        if vsphere.portgroup is None:
            return None
        return NetworkSpec(
            name, vsphere.portgroup, NetworkKind.PORTGROUP, origin, model=vsphere.adapter_type,
            vlan=vsphere.vlan.vlan_id if vsphere.vlan else None,
            switch=vsphere.distributed_switch.name if vsphere.distributed_switch else None,
            promiscuous=bool(vsphere.security and vsphere.security.allow_promiscuous),
        )  # fmt: skip
    if provider == "proxmox" and (proxmox := config.proxmox):
        if proxmox.bridge is None:
            return None
        return NetworkSpec(
            name, proxmox.bridge, NetworkKind.BRIDGE, origin, model=proxmox.model, vlan=proxmox.vlan_tag,
            mtu=proxmox.mtu or mtu, firewall=proxmox.firewall, rate_limit_mbs=proxmox.rate_limit,
        )  # fmt: skip
    return None


def address(network: Network, spec: VMNetworkAttachmentSpec | None) -> GuestAddress | None:
    """The static address that the VM, else the attachment, gives; None: DHCP."""
    allocation = spec.ip_allocation if spec else None
    dns_config = allocation.dns_config if allocation else None
    dns = dns_servers(network) or (tuple(dns_config.servers) if dns_config else ())
    search = tuple(dns_config.search_domains) if dns_config else ()
    if network.ip_address is not None:
        return GuestAddress(f"{network.ip_address}/{network.prefix or 24}", network.gateway, dns, search)
    if allocation and allocation.type == "Static" and (static := allocation.static_config):
        return GuestAddress(static.address, static.gateway, dns, search)
    return None


def dns_servers(network: Network) -> tuple[str, ...]:
    """Those that the VM itself names."""
    given = (network.dns or "").strip()
    return tuple(re.split(r"[,\s]+", given)) if given else ()


def own_mac(vm: str, index: int, provider: str) -> str:
    """A MAC that is always the same for one NIC of one VM: the guest finds the NIC of its address by it."""
    digest = hashlib.sha256(f"{vm}/{index}".encode()).digest()
    first = digest[0] & 0x3F if provider == "vsphere" else digest[0]
    return f"{MAC_PREFIXES[provider]}:{first:02x}:{digest[1]:02x}:{digest[2]:02x}"
