"""VMNetworkAttachment: a network of a provider under a name that VMs refer to."""

from typing import Annotated, Literal

from msgspec import Meta, field

from provision.manifests.schemas.base import (
    PATTERN_WORDS,
    Ipv4,
    Ipv4Net,
    LocalRef,
    Resource,
    Schema,
    Text255,
)

VMBR = r"^vmbr[0-9]+$"
PATTERN_WORDS[VMBR] = "expected a Proxmox bridge such as vmbr0"

BridgeName = Annotated[str, Meta(max_length=15)]
VlanId = Annotated[int, Meta(ge=1, le=4094)]
Port = Annotated[int, Meta(ge=1, le=65_535)]


class DistributedSwitch(Schema):
    name: Text255
    uuid: str | None = None
    portgroup_type: Literal["ephemeral", "distributed"] | None = None


class Vlan(Schema):
    type: Literal["none", "vlan", "pvlan", "trunk"] = "none"
    vlan_id: VlanId | None = field(default=None, name="vlanID")
    primary_vlan_id: VlanId | None = field(default=None, name="primaryVlanID")
    secondary_vlan_id: VlanId | None = field(default=None, name="secondaryVlanID")
    trunk_vlan_ids: Annotated[list[int], Meta(max_length=100)] = field(default_factory=list, name="trunkVlanIDs")


class PortgroupSecurity(Schema):
    allow_promiscuous: bool = False
    allow_mac_changes: bool = field(default=True, name="allowMACChanges")
    allow_forged_transmits: bool = True


class TrafficShaping(Schema):
    enabled: bool = False
    average_bandwidth: Annotated[int, Meta(ge=1000)] | None = None
    peak_bandwidth: Annotated[int, Meta(ge=1000)] | None = None
    burst_size: Annotated[int, Meta(ge=1024)] | None = None


class VSphereNetwork(Schema):
    portgroup: Text255 | None = None
    distributed_switch: DistributedSwitch | None = None
    vlan: Vlan | None = None
    security: PortgroupSecurity | None = None
    traffic_shaping: TrafficShaping | None = None
    pci_slot_number: Annotated[int, Meta(ge=32, le=1024)] | None = None
    adapter_type: Literal["vmxnet3", "e1000", "e1000e"] = "vmxnet3"


class Bridge(Schema):
    name: BridgeName
    stp: bool = False
    delay: Annotated[int, Meta(ge=0, le=30)] | None = None


class Driver(Schema):
    name: Literal["kvm", "vfio", "uio"] | None = None
    queues: Annotated[int, Meta(ge=1, le=16)] | None = None
    tx_mode: Literal["iothread", "timer"] | None = None
    io_event_fd: bool | None = field(default=None, name="ioEventFD")
    event_idx: bool | None = field(default=None, name="eventIDX")


class FilterRef(Schema):
    filter: Text255
    parameters: Annotated[dict[str, str], Meta(max_length=20)] = field(default_factory=dict)


class LibvirtNetwork(Schema):
    network_name: Text255 | None = None
    bridge: Bridge | None = None
    model: Literal["virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"] = "virtio"
    driver: Driver | None = None
    filter_ref: FilterRef | None = None


class ProxmoxNetwork(Schema):
    bridge: Annotated[str, Meta(pattern=VMBR, max_length=15)] | None = None
    model: Literal["virtio", "e1000", "rtl8139", "vmxnet3"] = "virtio"
    vlan_tag: VlanId | None = None
    firewall: bool = False
    rate_limit: Annotated[int, Meta(ge=1)] | None = None
    mtu: Annotated[int, Meta(ge=68, le=65_520)] | None = None


class NetworkConfig(Schema):
    type: Literal["bridged", "nat", "isolated", "host-only", "external"] = "bridged"
    mtu: Annotated[int, Meta(ge=68, le=9000)] = 1500
    vsphere: VSphereNetwork | None = None
    libvirt: LibvirtNetwork | None = None
    proxmox: ProxmoxNetwork | None = None


class Route(Schema):
    destination: Ipv4Net
    gateway: Ipv4
    metric: Annotated[int, Meta(ge=0, le=65_535)] | None = None


class StaticConfig(Schema):
    address: Ipv4Net
    gateway: Ipv4 | None = None
    routes: Annotated[list[Route], Meta(max_length=20)] = field(default_factory=list)


class PoolConfig(Schema):
    pool_ref: LocalRef
    preferred_ip: Ipv4 | None = field(default=None, name="preferredIP")


class DhcpConfig(Schema):
    client_id: Text255 | None = field(default=None, name="clientID")
    hostname: Text255 | None = None
    options: Annotated[dict[str, str], Meta(max_length=20)] = field(default_factory=dict)


class DnsConfig(Schema):
    servers: Annotated[list[str], Meta(max_length=10)] = field(default_factory=list)
    search_domains: Annotated[list[str], Meta(max_length=10)] = field(default_factory=list)
    options: Annotated[dict[str, str], Meta(max_length=10)] = field(default_factory=dict)


class IpAllocation(Schema):
    type: Literal["DHCP", "Static", "Pool", "None"] = "DHCP"
    static_config: StaticConfig | None = None
    pool_config: PoolConfig | None = None
    dhcp_config: DhcpConfig | None = None
    dns_config: DnsConfig | None = None


class PortRange(Schema):
    start: Port
    end: Port | None = None


class FirewallRule(Schema):
    name: Text255
    action: Literal["ACCEPT", "DROP", "REJECT"]
    direction: Literal["in", "out", "inout"]
    protocol: Literal["tcp", "udp", "icmp", "all"] | None = None
    source_cidr: str | None = field(default=None, name="sourceCIDR")
    destination_cidr: str | None = field(default=None, name="destinationCIDR")
    ports: PortRange | None = None
    priority: Annotated[int, Meta(ge=1, le=1000)] | None = None


class Firewall(Schema):
    enabled: bool = False
    default_policy: Literal["ACCEPT", "DROP", "REJECT"] = "ACCEPT"
    rules: Annotated[list[FirewallRule], Meta(max_length=100)] = field(default_factory=list)


class Isolation(Schema):
    mode: Literal["none", "strict", "custom"] | None = None
    allowed_networks: Annotated[list[str], Meta(max_length=50)] = field(default_factory=list)
    denied_networks: Annotated[list[str], Meta(max_length=50)] = field(default_factory=list)


class NetworkEncryption(Schema):
    enabled: bool = False
    protocol: Literal["ipsec", "wireguard", "openvpn"] | None = None
    key_ref: LocalRef | None = None


class NetworkSecurity(Schema):
    firewall: Firewall | None = None
    isolation: Isolation | None = None
    encryption: NetworkEncryption | None = None


class Qos(Schema):
    ingress_limit: Annotated[int, Meta(ge=1000)] | None = None
    egress_limit: Annotated[int, Meta(ge=1000)] | None = None
    priority: Annotated[int, Meta(ge=0, le=7)] | None = None
    dscp: Annotated[int, Meta(ge=0, le=63)] | None = None


class NetworkMetadata(Schema):
    display_name: Text255 | None = None
    description: Annotated[str, Meta(max_length=1024)] | None = None
    environment: Literal["dev", "staging", "prod", "test", "qa", "uat"] | None = None
    tags: Annotated[dict[str, str], Meta(max_length=50)] = field(default_factory=dict)


class VMNetworkAttachmentSpec(Schema):
    network: NetworkConfig
    ip_allocation: IpAllocation | None = None
    security: NetworkSecurity | None = None
    qos: Qos | None = None
    metadata: NetworkMetadata | None = None


class VMNetworkAttachment(Resource, kw_only=True):
    spec: VMNetworkAttachmentSpec
