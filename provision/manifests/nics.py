"""The NICs of a VM: each by the attachment that it refers to, or by its own name."""

import msgspec

from provision.manifests import networks, rulebook
from provision.manifests.join import Join
from provision.manifests.network_rules import is_address, is_outside
from provision.manifests.schemas import Provider, VMNetworkAttachment
from provision.manifests.schemas.virtualmachine import Network
from provision.manifests.text import shown
from provision.manifests.tree import Loc
from provision.model import NetworkSpec, ProviderSpec

APART = ("nat", "isolated", "host-only")
"""Types of a network that keep its VMs to themselves."""


def wanted_nics(join: Join, provider: ProviderSpec | None) -> tuple[NetworkSpec, ...]:
    if provider is None or provider.type not in networks.KINDS:
        return ()
    if not join.spec.networks:
        if default := _default_network(join, provider):
            return (networks.plain("default", default, provider.type, join.document.origin),)
        if provider.type == "libvirt":
            join.broken(rulebook.NO_NETWORKS, ("spec",), "networks is not set")
    found = (_nic(join, provider, i, network) for i, network in enumerate(join.spec.networks))
    nics = tuple(nic for nic in found if nic is not None)
    if all(nic.address is None for nic in nics):
        return nics
    # The guest finds them by their MACs, also those that go on with DHCP.
    macs = (nic.mac or networks.own_mac(join.document.key, i, provider.type) for i, nic in enumerate(nics))
    return tuple(msgspec.structs.replace(nic, mac=mac) for nic, mac in zip(nics, macs, strict=True))


def shared_networks(join: Join, provider: ProviderSpec) -> list[str]:
    """The networks of a VM on which other machines may stand unfiltered, as far as its documents tell.

    What is behind the bare name of a libvirt network, they do not.
    """
    names = []
    for network in join.spec.networks:
        ref = network.network_ref
        found = ref and join.documents.find(VMNetworkAttachment, ref.namespace or join.document.namespace, ref.name)
        config = found.model.spec.network if found and found.model else None
        if config is None:
            apart = provider.type == "libvirt"
        elif provider.type == "libvirt":
            apart = config.libvirt is not None and config.libvirt.filter_ref is not None
        else:
            apart = config.proxmox is not None and config.proxmox.firewall
        if not apart and (config is None or config.type not in APART):
            names.append(network.name)
    return names


def _default_network(join: Join, provider: ProviderSpec) -> str | None:
    found = None
    if provider.origin is not None:
        ref = join.spec.provider_ref
        found = join.documents.find(Provider, ref.namespace or join.document.namespace, ref.name)
    stated = found.model.spec.defaults.network if found and found.model and found.model.spec.defaults else None
    return stated or (join.environment.get("GOVC_NETWORK") if provider.type == "vsphere" else None)


def _nic(join: Join, provider: ProviderSpec, index: int, network: Network) -> NetworkSpec | None:
    """The NIC, by the attachment that it refers to or by its own name."""
    loc: Loc = ("spec", "networks", index)
    origin = join.document.places.place(loc)
    attachment = None
    nic = networks.plain(network.name, network.name, provider.type, origin)
    if network.network_ref is not None:
        place = (*loc, "networkRef")
        found = join.follow(place, network.network_ref, VMNetworkAttachment)
        if found is None or found.model is None:
            return None
        attachment = found.model.spec
        by_attachment = networks.attached(network, found, provider.type, origin)
        if by_attachment is None:
            what = f"VMNetworkAttachment {found.key} has no {networks.NEEDED[provider.type]}"
            join.broken(rulebook.NETWORK_BRIDGE, place, what)
            return None
        nic = by_attachment
    if network.ip_address is not None and network.prefix is None:
        join.broken(rulebook.STATIC_PREFIX, (*loc, "ipAddress"), f"{network.ip_address} has no prefix")
    address = networks.address(network, attachment)
    for server in networks.dns_servers(network):
        if not is_address(server):
            join.broken(rulebook.DNS_ADDRESS, (*loc, "dns"), f'"{shown(server)}" is no IP address')
    if address is not None and network.ip_address is not None and is_outside(address):
        what = f"{network.gateway} is not in the network of {address.address}"
        join.broken(rulebook.GATEWAY_OUTSIDE, (*loc, "gateway"), what)
    if network.mac_address is not None and int(network.mac_address[1], 16) & 1:
        join.broken(rulebook.MAC_GROUP, (*loc, "macAddress"), f"{network.mac_address} is of a group of machines")
    mac = network.mac_address.lower().replace("-", ":") if network.mac_address else None
    return msgspec.structs.replace(nic, mac=mac, address=address)
