"""VMNetworkAttachment: a network of a provider under a name that VMs refer to."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from provision.manifests.schemas.base import (
    PATTERN_WORDS,
    Bool,
    Ipv4,
    Ipv4Net,
    LocalRef,
    Resource,
    Schema,
    Text255,
)

VMBR = r"^vmbr[0-9]+$"
PATTERN_WORDS[VMBR] = "expected a Proxmox bridge such as vmbr0"

BridgeName = Annotated[str, StringConstraints(max_length=15)]
VlanId = Annotated[int, Field(ge=1, le=4094)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class DistributedSwitch(Schema):
    name: Text255
    uuid: str | None = None
    portgroup_type: Literal["ephemeral", "distributed"] | None = None


class Vlan(Schema):
    type: Literal["none", "vlan", "pvlan", "trunk"] = "none"
    vlan_id: VlanId | None = Field(default=None, alias="vlanID")
    primary_vlan_id: VlanId | None = Field(default=None, alias="primaryVlanID")
    secondary_vlan_id: VlanId | None = Field(default=None, alias="secondaryVlanID")
    trunk_vlan_ids: Annotated[list[int], Field(max_length=100)] = Field(default=[], alias="trunkVlanIDs")


class PortgroupSecurity(Schema):
    allow_promiscuous: Bool = False
    allow_mac_changes: Bool = Field(default=True, alias="allowMACChanges")
    allow_forged_transmits: Bool = True


class TrafficShaping(Schema):
    enabled: Bool = False
    average_bandwidth: Annotated[int, Field(ge=1000)] | None = None
    peak_bandwidth: Annotated[int, Field(ge=1000)] | None = None
    burst_size: Annotated[int, Field(ge=1024)] | None = None


class VSphereNetwork(Schema):
    portgroup: Text255 | None = None
    distributed_switch: DistributedSwitch | None = None
    vlan: Vlan | None = None
    security: PortgroupSecurity | None = None
    traffic_shaping: TrafficShaping | None = None
    pci_slot_number: Annotated[int, Field(ge=32, le=1024)] | None = None
    adapter_type: Literal["vmxnet3", "e1000", "e1000e"] = "vmxnet3"


class Bridge(Schema):
    name: BridgeName
    stp: Bool = False
    delay: Annotated[int, Field(ge=0, le=30)] | None = None


class Driver(Schema):
    name: Literal["kvm", "vfio", "uio"] | None = None
    queues: Annotated[int, Field(ge=1, le=16)] | None = None
    tx_mode: Literal["iothread", "timer"] | None = None
    io_event_fd: Bool | None = Field(default=None, alias="ioEventFD")
    event_idx: Bool | None = Field(default=None, alias="eventIDX")


class FilterRef(Schema):
    filter: Text255
    parameters: Annotated[dict[str, str], Field(max_length=20)] = Field(default={})


class LibvirtNetwork(Schema):
    network_name: Text255 | None = None
    bridge: Bridge | None = None
    model: Literal["virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"] = "virtio"
    driver: Driver | None = None
    filter_ref: FilterRef | None = None


class ProxmoxNetwork(Schema):
    bridge: Annotated[str, StringConstraints(pattern=VMBR, max_length=15)] | None = None
    model: Literal["virtio", "e1000", "rtl8139", "vmxnet3"] = "virtio"
    vlan_tag: VlanId | None = None
    firewall: Bool = False
    rate_limit: Annotated[int, Field(ge=1)] | None = None
    mtu: Annotated[int, Field(ge=68, le=65_520)] | None = None


class NetworkConfig(Schema):
    type: Literal["bridged", "nat", "isolated", "host-only", "external"] = "bridged"
    mtu: Annotated[int, Field(ge=68, le=9000)] = 1500
    vsphere: VSphereNetwork | None = None
    libvirt: LibvirtNetwork | None = None
    proxmox: ProxmoxNetwork | None = None


class Route(Schema):
    destination: Ipv4Net
    gateway: Ipv4
    metric: Annotated[int, Field(ge=0, le=65_535)] | None = None


class StaticConfig(Schema):
    address: Ipv4Net
    gateway: Ipv4 | None = None
    routes: Annotated[list[Route], Field(max_length=20)] = Field(default=[])


class PoolConfig(Schema):
    pool_ref: LocalRef
    preferred_ip: Ipv4 | None = Field(default=None, alias="preferredIP")


class DhcpConfig(Schema):
    client_id: Text255 | None = Field(default=None, alias="clientID")
    hostname: Text255 | None = None
    options: Annotated[dict[str, str], Field(max_length=20)] = Field(default={})


class DnsConfig(Schema):
    servers: Annotated[list[str], Field(max_length=10)] = Field(default=[])
    search_domains: Annotated[list[str], Field(max_length=10)] = Field(default=[])
    options: Annotated[dict[str, str], Field(max_length=10)] = Field(default={})


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
    source_cidr: str | None = Field(default=None, alias="sourceCIDR")
    destination_cidr: str | None = Field(default=None, alias="destinationCIDR")
    ports: PortRange | None = None
    priority: Annotated[int, Field(ge=1, le=1000)] | None = None


class Firewall(Schema):
    enabled: Bool = False
    default_policy: Literal["ACCEPT", "DROP", "REJECT"] = "ACCEPT"
    rules: Annotated[list[FirewallRule], Field(max_length=100)] = Field(default=[])


class Isolation(Schema):
    mode: Literal["none", "strict", "custom"] | None = None
    allowed_networks: Annotated[list[str], Field(max_length=50)] = Field(default=[])
    denied_networks: Annotated[list[str], Field(max_length=50)] = Field(default=[])


class NetworkEncryption(Schema):
    enabled: Bool = False
    protocol: Literal["ipsec", "wireguard", "openvpn"] | None = None
    key_ref: LocalRef | None = None


class NetworkSecurity(Schema):
    firewall: Firewall | None = None
    isolation: Isolation | None = None
    encryption: NetworkEncryption | None = None


class Qos(Schema):
    ingress_limit: Annotated[int, Field(ge=1000)] | None = None
    egress_limit: Annotated[int, Field(ge=1000)] | None = None
    priority: Annotated[int, Field(ge=0, le=7)] | None = None
    dscp: Annotated[int, Field(ge=0, le=63)] | None = None


class NetworkMetadata(Schema):
    display_name: Text255 | None = None
    description: Annotated[str, StringConstraints(max_length=1024)] | None = None
    environment: Literal["dev", "staging", "prod", "test", "qa", "uat"] | None = None
    tags: Annotated[dict[str, str], Field(max_length=50)] = Field(default={})


class VMNetworkAttachmentSpec(Schema):
    network: NetworkConfig
    ip_allocation: IpAllocation | None = None
    security: NetworkSecurity | None = None
    qos: Qos | None = None
    metadata: NetworkMetadata | None = None


class VMNetworkAttachment(Resource):
    spec: VMNetworkAttachmentSpec
