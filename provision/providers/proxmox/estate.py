"""A cluster looked at through its API: what every node offers, and what every VM asks and got.

At most six requests for each node and one for their addresses, one for each VM that is off and three for one that runs,
whatever the cluster.
"""

from hostcheck.model import ChainLink, Evidence, Finding, HostView, Link, Needs, Remedy, Status, VmView, Where
from provision.provider import Progress, ProviderError
from provision.providers.proxmox import facts, guests, observe
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.facts import Node
from provision.providers.proxmox.version import Version

CPU, PARAMETER, OFFERED = "cpu.virtualization", "nested.parameter", "nested.offered"
MODULES = {"svm": "kvm_amd", "vmx": "kvm_intel"}


class ProxmoxEstate:
    """See `provision.provider.Estate`."""

    def __init__(self, api: Api, version: Version) -> None:
        self.name = f"proxmox {api.endpoint.written}"
        self._api = api
        self._version = version
        self._vendors: dict[str, str] = {}
        self._asks = True
        """QEMU may be asked; the first refusal is one for all VMs."""

    def hosts(self, progress: Progress) -> tuple[HostView, ...]:
        """Every node, the offline ones too."""
        nodes = facts.read_nodes(self._api, self._version, facts.node_names(self._api), progress)
        self._vendors = {node.name: node.vendor for node in nodes}
        at = facts.node_addresses(self._api)
        return tuple(host_view(node, self.name, at.get(node.name, "")) for node in nodes)

    def vms(self, progress: Progress, name: str = "") -> tuple[VmView, ...]:
        """Every VM that is no template, or those of this name or number."""
        found = [
            each for each in guests.everything(self._api)
            if not each.template and (not name or name in (each.name, str(each.vmid), f"qemu/{each.vmid}"))
        ]  # fmt: skip
        if name and not found:
            raise ProviderError(f"there is no VM {name}, or you may not see it (VM.Audit)")
        if len(found) > 1:
            progress(f"looking at {len(found)} VMs")
        for node in sorted({each.node for each in found} - self._vendors.keys()):
            self._vendors[node] = facts.read_vendor(self._api, node)
        by_number = {str(each.vmid): each for each in found}
        return facts.in_parallel(lambda number: self._view(by_number[number]), list(by_number))

    def close(self) -> None:
        self._api.close()

    def _view(self, each: guests.Resource) -> VmView:
        called = f"{each.name} ({each.vmid})"
        try:
            guest = guests.read(self._api, each.node, each.vmid, each)
            if guest is not None:
                native = observe.native_of(self._vendors.get(each.node, ""))
                seen = observe.existing(self._api, guest, called, self.name, native, ask=self._asks)
                self._asks = self._asks and not any(observe.FORBIDDEN in found.text for found in seen.evidence)
                return seen
            why = "it went away meanwhile"
        except ProviderError as e:
            why = str(e)
        return observe.unread(called, self.name, each.node, why)


def host_view(node: Node, provider: str, address: str = "") -> HostView:
    """What one node offers, by the links of the chain that the API speaks of. Pure."""
    product = f"Proxmox VE {node.version}{f', {node.kernel}' if node.kernel else ''}"
    addresses = (node.name, address) if address else (node.name,)
    if node.fault:
        away = f"{node.name}: {node.fault}"
        return HostView(node.name, provider, product if node.online else "", unusable=away, addresses=addresses)
    findings = tuple(Finding("proxmox.access", Status.UNKNOWN, f"could not look: {text}") for text in node.unread)
    return HostView(
        node.name, provider, product, feature=node.feature, links=tuple(_links(node, provider)), findings=findings,
        addresses=addresses,
    )  # fmt: skip


def _links(node: Node, provider: str) -> list[ChainLink]:
    if not node.looked:
        return []
    shown = Evidence(f"GET /nodes/{node.name}/status", f"{node.cpu} ({node.vendor}): {node.feature or 'no vmx or svm'}")
    if not node.feature:
        remedy = Remedy(
            f"switch {'SVM' if node.native == 'svm' else 'VT-x'} on in the firmware setup of {node.name}",
            Where.HOST_FIRMWARE, needs=Needs.REBOOT, risk="the node reboots",
        )  # fmt: skip
        summary = f"the CPU ({node.cpu}) shows neither vmx nor svm: off in its firmware, or it has neither"
        return [ChainLink(Link.CPU, Status.FAIL, summary, CPU, (shown,), (remedy,))]
    links = [ChainLink(Link.CPU, Status.PASS, f"the CPU ({node.cpu}) has {node.feature}", CPU, (shown,))]
    return links + _offered(node, provider)


def _offered(node: Node, provider: str) -> list[ChainLink]:
    """Of a CPU that has the feature KVM keeps it from guests for one reason: its parameter `nested` is off."""
    source = f"GET /nodes/{node.name}/capabilities/qemu/cpu-flags"
    if node.offers is None:
        summary = (
            f"Proxmox VE {node.version} does not show whether KVM lets guests nest (qemu-server 9.1.13 does, "
            f"where KVM answers): nestproof check {provider.removeprefix('proxmox ')} --ssh-nodes root does"
        )
        return [ChainLink(Link.OFFERED, Status.UNKNOWN, summary, OFFERED)]
    if node.offers:
        evidence = Evidence(source, f"nested-virt is supported on {node.name}")
        return [ChainLink(Link.OFFERED, Status.PASS, f"KVM offers {node.feature} to guests", OFFERED, (evidence,))]
    module = MODULES[node.feature]
    remedy = Remedy(
        f"switch nesting on in {module} on {node.name}",
        Where.HOST_SHELL,
        (
            f"echo options {module} nested=1 > /etc/modprobe.d/nestproof.conf",
            f"modprobe -r {module} && modprobe {module}",
        ),
        "stop or migrate all VMs of the node first; then start them anew",
        needs=Needs.RELOAD,
        risk="every VM of this node is down meanwhile",
        applies="Proxmox VE",
    )
    evidence = Evidence(source, f"nested-virt is not supported on {node.name}")
    off = f"nested is off in {module}: the CPU has {node.feature}, and KVM does not give it to guests"
    return [
        ChainLink(Link.NESTED_PARAMETER, Status.FAIL, off, PARAMETER, (evidence,), (remedy,)),
        ChainLink(Link.OFFERED, Status.FAIL, "KVM offers guests neither vmx nor svm", OFFERED, (evidence,), (remedy,)),
    ]
