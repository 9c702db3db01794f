"""Every host and every VM of a vCenter in a handful of requests, whatever their number."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from pyVmomi import vim, vmodl

from hostcheck.model import ChainLink, Evidence, Finding, HostView, Link, Needs, Remedy, Status, VmView, Where
from provision.provider import Progress, ProviderError
from provision.providers.vsphere.connection import Connection
from provision.providers.vsphere.inventory import unusable
from provision.providers.vsphere.observe import FLEET, VM, could_move, cpuid_bits, feature_of, product, view
from provision.providers.vsphere.properties import Read, explained, read_all, read_some

HOST = ("name", "parent", "capability.nestedHVSupported", "capability.vPMCSupported", "hardware.cpuFeature",
        "hardware.cpuPkg", "hardware.memorySize", "config.product.fullName", "config.product.version",
        "config.featureCapability", "runtime.connectionState", "runtime.inMaintenanceMode", "runtime.cryptoState",
        "summary.maxEVCModeKey", "summary.currentEVCModeKey", "summary.hardware.cpuMhz", "summary.hardware.numCpuCores",
        "summary.quickStats.overallCpuUsage", "summary.quickStats.overallMemoryUsage")  # fmt: skip
COMPUTE = ("name", "host")
FULL = 0.9
"""Share of a host's memory in use from which new VMs are doubtful."""


class VsphereEstate:
    """See `provision.provider.Estate`."""

    def __init__(self, connection: Connection) -> None:
        self.name = f"vsphere {connection.endpoint.shown}"
        self._connection = connection
        self._hosts: dict[str, Read] = {}
        self._compute: list[Read] = []

    def hosts(self, progress: Progress) -> tuple[HostView, ...]:
        """Every host, by one bulk query."""
        self._look(progress)
        providers = self._key_providers()
        clusters = {str(ref._moId): c for c in self._compute for ref in c.get("host") or ()}
        views = (
            host_view(host, clusters.get(host.id), self.name, providers)
            for host in sorted(self._hosts.values(), key=lambda h: h.name)
        )
        return tuple(views)

    def host(self, name: str) -> HostView | None:
        """The host of this name alone; None when there is none."""
        found = self._all({vim.HostSystem: ("name",), vim.ComputeResource: COMPUTE})
        named = [o.ref for o in found if isinstance(o.ref, vim.HostSystem) and o.name == name]
        read = next(iter(self._explained(lambda: read_some(self._connection, named[:1], HOST))), None)
        if read is None:
            return None
        compute = (o for o in found if isinstance(o.ref, vim.ComputeResource))
        cluster = next((c for c in compute if read.id in (str(ref._moId) for ref in c.get("host") or ())), None)
        return host_view(read, cluster, self.name, self._key_providers())

    def vms(self, progress: Progress, name: str = "") -> tuple[VmView, ...]:
        """Every VM that is no template, or those with this name, path or id, by one bulk query."""
        if not self._hosts:
            self._look(progress)
        progress("looking at its VMs")
        if name:
            last = name.rstrip("/").rpartition("/")[2]
            named = [vm.ref for vm in self._all({vim.VirtualMachine: ("name",)}) if last in (vm.name, vm.id)]
            if not named:
                raise ProviderError(f"it has no VM {name!r}", hint="--vm all shows every VM")
            found = self._explained(lambda: read_some(self._connection, named, VM))
        else:
            found = [vm for vm in self._all({vim.VirtualMachine: FLEET}) if not vm.get("config.template")]
        clusters = {str(ref._moId): c for c in self._compute for ref in c.get("host") or ()}
        return tuple(self._view(vm, clusters) for vm in sorted(found, key=lambda vm: vm.name))

    def close(self) -> None:
        """Log out."""
        self._connection.close()

    def _look(self, progress: Progress) -> None:
        progress("looking at its hosts")
        found = self._all({vim.HostSystem: HOST, vim.ComputeResource: COMPUTE})
        self._hosts = {o.id: o for o in found if isinstance(o.ref, vim.HostSystem)}
        self._compute = [o for o in found if isinstance(o.ref, vim.ComputeResource)]
        if not self._hosts:
            raise ProviderError(
                "this account sees no host", hint="it needs at least the role Read-only on the root folder"
            )

    def _view(self, vm: Read, clusters: dict[str, Read]) -> VmView:
        ref = vm.get("runtime.host")
        host = self._hosts.get(str(ref._moId)) if ref is not None else None
        seen = view(vm, host, self.name, vm.name, f"{vm.name}: config.nestedHVEnabled")
        cluster = clusters.get(host.id) if host is not None else None
        return with_migration(seen, vm, host, cluster, self._hosts)

    def _key_providers(self) -> tuple[str, ...] | None:
        manager = self._connection.content.cryptoManager
        if not isinstance(manager, vim.encryption.CryptoManagerKmip):
            return None
        try:
            found = read_some(self._connection, [manager], ("kmipServers",))
        except (vim.fault.VimFault, vmodl.MethodFault):
            return None
        return tuple(str(s.clusterId.id) for o in found for s in o.get("kmipServers") or ())

    def _all(self, wanted: dict[Any, Iterable[str]]) -> list[Read]:
        return self._explained(lambda: read_all(self._connection, wanted))

    def _explained(self, what: Callable[[], list[Read]]) -> list[Read]:
        try:
            return what()
        except (vim.fault.VimFault, vmodl.MethodFault) as e:
            raise explained(self._connection, e) from e


def host_view(host: Read, cluster: Read | None, provider: str, key_providers: tuple[str, ...] | None) -> HostView:
    """What the API says of one host. Pure."""
    return HostView(
        name=host.name,
        provider=provider,
        product=product(host),
        feature=feature_of(host),
        unusable=unusable(host),
        links=tuple(link for link in (_cpu(host), _offered(host)) if link is not None),
        findings=tuple(_findings(host, cluster, key_providers)),
    )


def _cpu(host: Read) -> ChainLink | None:
    bits = cpuid_bits(host)
    if bits is None:
        return None
    on = next((name for name, set_ in bits.items() if set_), "")
    evidence = (
        Evidence("hardware.cpuFeature", ", ".join(f"{name} {'on' if v else 'off'}" for name, v in bits.items())),
    )
    if on:
        return ChainLink(Link.CPU, Status.PASS, f"its CPU has {on}", "cpu.virtualization", evidence)
    # ESXi itself does not start without it, so a CPU that shows neither is one that a hypervisor below hides it from
    summary = "its CPU shows neither vmx nor svm: ESXi runs inside a VM that is not nested, or firmware hides it"
    return ChainLink(Link.CPU, Status.FAIL, summary, "cpu.virtualization", evidence, (_firmware(host),))


def _offered(host: Read) -> ChainLink | None:
    offered = host.get("capability.nestedHVSupported")
    if offered is None:
        return None
    evidence = [Evidence("capability.nestedHVSupported", str(offered).lower())]
    keys = [f"{f.key}={f.value}" for f in host.get("config.featureCapability") or ()
            if str(f.key).lower() in ("cpuid.vmx", "cpuid.svm", "hv.capable")]  # fmt: skip
    if keys:
        evidence.append(Evidence("config.featureCapability", ", ".join(keys)))
    if offered:
        summary = "ESXi offers hardware virtualization to VMs that ask for it"
        return ChainLink(Link.OFFERED, Status.PASS, summary, "nested.offered", tuple(evidence))
    summary = "ESXi does not offer hardware virtualization to VMs (nestedHVSupported is false)"
    return ChainLink(Link.OFFERED, Status.FAIL, summary, "nested.offered", tuple(evidence), (_firmware(host),))


def _firmware(host: Read) -> Remedy:
    vendor = {"vmx": "VT-x and EPT", "svm": "AMD-V and RVI"}.get(feature_of(host), "VT-x with EPT, or AMD-V with RVI")
    return Remedy(
        title=f"Switch on {vendor} in the firmware setup of {host.name}",
        where=Where.HOST_FIRMWARE,
        then="put it into maintenance mode first, and reboot it",
        needs=Needs.REBOOT,
        risk="VMs that cannot migrate away are down meanwhile",
        applies="VMware ESXi",
    )


def _findings(host: Read, cluster: Read | None, key_providers: tuple[str, ...] | None) -> Iterable[Finding]:
    if mode := host.get("summary.currentEVCModeKey"):
        text = f"EVC mode {mode} of cluster {cluster.name if cluster else 'unknown'}: it does not hide virtualization"
        evidence = (Evidence("summary.currentEVCModeKey", str(mode)),)
        yield Finding("vsphere.evc", Status.PASS, text, evidence=evidence)
    elif cluster is not None and len(cluster.get("host") or ()) > 1:
        most = host.get("summary.maxEVCModeKey")
        evidence = (Evidence("summary.maxEVCModeKey", str(most or "unknown")),)
        text = "no EVC mode: a nested VM can only migrate to hosts with the same CPU features"
        yield Finding("vsphere.evc", Status.PASS, text, evidence=evidence)
    if key_providers is not None:
        text = (
            f"key providers: {', '.join(key_providers)}" if key_providers else "no key provider: no VM can have a vTPM"
        )
        state = host.get("runtime.cryptoState")
        evidence = (Evidence("runtime.cryptoState", str(state or "not told")),)
        yield Finding("vsphere.key-provider", Status.PASS, text, evidence=evidence)
    yield from _capacity(host)


def _capacity(host: Read) -> Iterable[Finding]:
    total = int(host.get("hardware.memorySize") or 0) >> 20
    used = host.get("summary.quickStats.overallMemoryUsage")
    if not total or used is None:
        return
    mhz = int(host.get("summary.hardware.cpuMhz") or 0) * int(host.get("summary.hardware.numCpuCores") or 0)
    text = f"{max(0, total - used) / 1024:.0f} of {total / 1024:.0f} GiB memory free"
    if mhz and (busy := host.get("summary.quickStats.overallCpuUsage")) is not None:
        text += f", {max(0, mhz - busy)} of {mhz} MHz CPU free"
    status = Status.WARN if used > FULL * total else Status.PASS
    yield Finding("vsphere.capacity", status, text, evidence=(Evidence("summary.quickStats", f"memory {used} MiB"),))


def with_migration(seen: VmView, vm: Read, host: Read | None, cluster: Read | None, hosts: dict[str, Read]) -> VmView:
    """The view with where the VM could migrate to, as far as nesting and the CPU's vendor decide it. Pure."""
    if cluster is None or host is None:
        return seen
    members = tuple(str(ref._moId) for ref in cluster.get("host") or ())
    if len(members) < 2:
        return seen
    targets = could_move(vm, hosts, members)
    text = (
        f"{len(targets)} of {len(members) - 1} other hosts of {cluster.name} offer what it asks for: "
        f"{', '.join(targets[:8])}"
        if targets
        else f"no other host of {cluster.name} offers what it asks for: it is tied to {host.name}"
    )
    evidence = (*seen.evidence, Evidence("could migrate", text))
    if evc := vm.get("runtime.minRequiredEVCModeKey"):
        evidence += (Evidence("runtime.minRequiredEVCModeKey", str(evc)),)
    return msgspec.structs.replace(seen, evidence=evidence)
