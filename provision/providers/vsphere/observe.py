"""A VM as vCenter reads it back: what it asks for, what it runs with, and what it would take to mend it. Pure."""

from collections.abc import Mapping
from typing import Any

from hostcheck.model import Asked, Evidence, Needs, Remedy, VmView, Where
from provision.providers.vsphere.gates import release_of, version_of
from provision.providers.vsphere.properties import Read

FLEET = ("name", "config.nestedHVEnabled", "config.version", "config.template", "runtime.powerState", "runtime.host",
         "runtime.minRequiredEVCModeKey", "capability.nestedHVSupported")  # fmt: skip
"""Of every VM of a fleet: what decides, and nothing that is long."""
VM = (*FLEET, "config.extraConfig", "runtime.featureRequirement")
"""Of one VM that is asked for."""
FEATURES = {"intel": "vmx", "amd": "svm"}
VIRTUALIZATION = ("hv.capable", "cpuid.vmx", "cpuid.svm")
"""Feature keys that speak of it; vSphere documents them as opaque, so they are evidence and never the judge."""


def view(vm: Read, host: Read | None, provider: str, name: str, asked_where: str = "") -> VmView:
    """The VM on its host. `name` is what the user calls it."""
    on, asks = str(vm.get("runtime.powerState")) == "poweredOn", vm.get("config.nestedHVEnabled")
    offered = host.get("capability.nestedHVSupported") if host is not None else None
    return VmView(
        name=name,
        provider=provider,
        running=on,
        asked=Asked.UNSTATED if asks is None else Asked.ON if asks else Asked.OFF,
        asked_where=asked_where,
        feature=feature_of(host),
        got=_got(running=on, asks=asks, offered=offered),
        evidence=_evidence(vm, host),
        host=host.name if host is not None else "",
        remedies=remedies(vm, on=on),
        product=product(host),
    )


def feature_of(host: Read | None) -> str:
    """vmx or svm, by the CPUID leaves of a host, else by the vendor of its CPU; empty when nothing is shown."""
    if host is None:
        return ""
    bits = cpuid_bits(host)
    if bits is not None:
        return next((name for name, on in bits.items() if on), "")
    packages = host.get("hardware.cpuPkg") or ()
    return FEATURES.get(str(packages[0].vendor), "") if packages else ""


def cpuid_bits(host: Read) -> dict[str, bool] | None:
    """Whether the host's CPU shows VMX (leaf 1, ECX bit 5) and SVM (leaf 80000001, ECX bit 2); None: not shown."""
    found: dict[str, bool] = {}
    for leaf in host.get("hardware.cpuFeature") or ():
        level = int(leaf.level) & 0xFFFFFFFF  # pyvmomi's integers are signed
        if level == 1:
            found["vmx"] = bit(leaf.ecx, 5)
        elif level == 0x80000001:
            found["svm"] = bit(leaf.ecx, 2)
    return found or None


def bit(text: str | None, number: int) -> bool:
    """A bit of a register as vSphere writes it: 32 digits from the highest, with colons; anything but 1 is off."""
    digits = (text or "").replace(":", "")
    return len(digits) == 32 and digits[31 - number] == "1"


def product(host: Read | None) -> str:
    """`VMware ESXi 8.0.2 build-22380479`."""
    return str(host.get("config.product.fullName") or "") if host is not None else ""


def options(vm: Read) -> dict[str, str]:
    return {str(o.key): str(o.value) for o in vm.get("config.extraConfig") or ()}


def _got(*, running: bool, asks: bool | None, offered: bool | None) -> bool | None:
    """The setting can only change while the VM is off, so a running one has what it asks for, if its host offers it."""
    if not running or asks is None:
        return None
    if not asks:
        return False
    return None if offered is None else bool(offered)


def _evidence(vm: Read, host: Read | None) -> tuple[Evidence, ...]:
    found = [
        Evidence("config.nestedHVEnabled", str(vm.get("config.nestedHVEnabled")).lower()),
        Evidence("config.version", str(vm.get("config.version"))),
    ]
    if (able := vm.get("capability.nestedHVSupported")) is not None:
        found.append(Evidence("capability.nestedHVSupported of the VM", str(able).lower()))
    if host is not None:
        able = host.get("capability.nestedHVSupported")
        found.append(Evidence(f"capability.nestedHVSupported of {host.name}", str(able).lower()))
    required = [str(r.key) for r in vm.get("runtime.featureRequirement") or ()]
    if told := [key for key in required if key.lower() in VIRTUALIZATION]:
        found.append(Evidence("runtime.featureRequirement", ", ".join(told)))
    keys = sorted(key for key in options(vm) if key.lower().startswith("vhv."))
    if keys:
        found.append(Evidence("config.extraConfig", f"{', '.join(keys)}: of no effect, nestedHVEnabled decides"))
    return tuple(found)


def remedies(vm: Read, *, on: bool) -> tuple[Remedy, ...]:
    """How a VM that does not ask for nesting gets it, by govc and in the client."""
    if vm.get("config.nestedHVEnabled"):
        return ()
    name, version = vm.name, version_of(str(vm.get("config.version") or ""))
    quoted = "'" + name.replace("'", "'\\''") + "'"
    commands = [f"govc vm.power -s {quoted}"] if on else []
    if version < 9:
        commands.append(f"govc vm.upgrade -version=9 -vm {quoted}")
    commands += [f"govc vm.change -vm {quoted} -nested-hv-enabled=true", f"govc vm.power -on {quoted}"]
    old = (
        f"; its virtual hardware vmx-{version:02} is older than {release_of(9)} and is upgraded" if version < 9 else ""
    )
    return (
        Remedy(
            title=f"Expose hardware assisted virtualization to the guest OS{old}",
            where=Where.HYPERVISOR,
            commands=tuple(commands),
            then="power it off and on: a restart of its guest is not enough",
            needs=Needs.POWER_CYCLE,
            risk="the VM is down meanwhile" if on else "",
            applies="VMware vSphere",
        ),
    )


def could_move(vm: Read, hosts: Mapping[str, Read], cluster: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the other hosts of its cluster that offer what a nested VM needs: where it could migrate to."""
    here = vm.get("runtime.host")
    own = hosts.get(str(here._moId)) if here is not None else None
    found = []
    for identity in cluster:
        other: Any = hosts.get(identity)
        if other is None or (own is not None and other.id == own.id):
            continue
        same = own is None or feature_of(other) == feature_of(own)
        ready = str(other.get("runtime.connectionState")) == "connected" and not other.get("runtime.inMaintenanceMode")
        if same and ready and (not vm.get("config.nestedHVEnabled") or other.get("capability.nestedHVSupported")):
            found.append(other.name)
    return tuple(found)
