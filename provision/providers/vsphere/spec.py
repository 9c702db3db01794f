"""The one ReconfigVM that makes a VM what it is to be, and what a clone is told. Pure: data objects of pyvmomi."""

from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from provision.model import Firmware, NetworkSpec, VmSpec
from provision.providers.vsphere.inventory import Place
from provision.providers.vsphere.settings import (
    CLOUD_INIT,
    DISKS,
    IMAGE,
    OWNER,
    VERSION,
    WHOLE,
    Settings,
    gib,
    instance_uuid,
    sent_options,
    source_of,
)

CARDS: dict[str, Any] = {
    "vmxnet3": vim.vm.device.VirtualVmxnet3, "e1000": vim.vm.device.VirtualE1000, "e1000e": vim.vm.device.VirtualE1000e,
    "vmxnet2": vim.vm.device.VirtualVmxnet2, "pcnet32": vim.vm.device.VirtualPCNet32,
}  # fmt: skip
SECRET = ("guestinfo.userdata", "guestinfo.metadata", "guestinfo.ignition.config.data")
"""Values that are not shown: they may hold what the user put into cloud-init."""


def clone_spec(vm: VmSpec, place: Place, disk: Any) -> Any:
    """A clone that is marked as ours from its first moment, off, on its host; all settings follow in one go.

    `disk` is the template's first disk, or None.
    """
    location: Any = vim.vm.RelocateSpec(pool=place.pool, host=place.host.ref, datastore=place.datastore)
    store = place.datastore or getattr(getattr(disk, "backing", None), "datastore", None)
    if disk is not None and store is not None:
        backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName="", diskMode="persistent", thinProvisioned=vm.disk_type == "thin",
            eagerlyScrub=vm.disk_type == "eagerzeroedthick",
        )  # fmt: skip
        locator = vim.vm.RelocateSpec.DiskLocator(diskId=disk.key, datastore=store, diskBackingInfo=backing)
        location.disk = [locator]
    marks = {OWNER: vm.key, IMAGE: source_of(vm.image)}
    config = vim.vm.ConfigSpec(instanceUuid=instance_uuid(vm.namespace, vm.name), extraConfig=option_values(marks))
    return vim.vm.CloneSpec(location=location, powerOn=False, template=False, config=config)


def config_spec(
    vm: VmSpec, found: Settings, wanted: Settings, config: Any, backings: Mapping[str, Any],
    variables: Mapping[str, str], version: str,
) -> Any:  # fmt: skip
    """All that has to change, in one specification. `config` is the VM's own, `backings` what its NICs are to hang on.

    A field is sent when it differs or when others depend on it: nestedHVEnabled always, so that nothing that is sent
    later or by somebody else can have lost it.
    """
    spec: Any = vim.vm.ConfigSpec(changeVersion=config.changeVersion, nestedHVEnabled=vm.nested)

    def differs(name: str) -> bool:
        new = getattr(wanted, name)
        return bool(new) and getattr(found, name) != new

    if differs("cpus"):
        spec.numCPUs = vm.cpus
    if differs("memory_mib"):
        spec.memoryMB = vm.memory_mib
    if differs("firmware"):
        spec.firmware = "efi" if vm.firmware is Firmware.UEFI else "bios"
    if differs("secure_boot"):
        spec.bootOptions = vim.vm.BootOptions(efiSecureBootEnabled=vm.secure_boot)
    if differs("cpu_hot_add"):
        spec.cpuHotAddEnabled = vm.cpu_hot_add
    if differs("memory_hot_add"):
        spec.memoryHotAddEnabled = vm.memory_hot_add
    if differs("latency"):
        spec.latencySensitivity = vim.LatencySensitivity(level=vm.latency_sensitivity)
    if differs("counters"):
        spec.vPMCEnabled = wanted.counters == "yes"
    spec.flags = _flags(vm, wanted, differs("vbs") or differs("vtd"), differs("threads"))
    spec.cpuAllocation = _allocation("cpu", differs, wanted)
    spec.memoryAllocation = _allocation("memory", differs, wanted)
    spec.deviceChange = _devices(vm, differs, config, backings) or None
    marks = {OWNER: vm.key, IMAGE: wanted.image, CLOUD_INIT: wanted.cloud_init, DISKS: wanted.disks,
             VERSION: version, WHOLE: "yes"}  # fmt: skip
    spec.extraConfig = option_values({**sent_options(vm), **variables, **marks})
    return spec


def option_values(values: Mapping[str, str]) -> list[Any]:
    return [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]


def shown(spec: Any) -> str:
    """A specification as people read it: what is set, one line each; cloud-init only by its length."""
    return "\n".join(_lines("", spec))


def _lines(path: str, value: Any) -> list[str]:
    if isinstance(value, vim.option.OptionValue):
        text = f"({len(str(value.value))} characters)" if value.key in SECRET else value.value
        return [f'{path}["{value.key}"] = {text}'] if value.value else [f'{path}["{value.key}"] removed']
    if isinstance(value, list):
        name = path.rpartition(".")[2]
        return [
            line for n, v in enumerate(value) for line in _lines(path if name == "extraConfig" else f"{path}[{n}]", v)
        ]
    if hasattr(value, "_GetPropertyList") and not hasattr(value, "_moId"):
        found = []
        for item in value._GetPropertyList():
            inner: Any = getattr(value, item.name)
            empty = inner is None or (isinstance(inner, list) and not inner)
            if not empty and item.name not in ("changeVersion", "dynamicProperty"):
                found += _lines(f"{path}.{item.name}".lstrip("."), inner)
        return [f"{path}: {type(value).__name__.rpartition('.')[2]}", *found] if path.endswith("device") else found
    return [f"{path} = {getattr(value, '_moId', value)}"]


def _flags(vm: VmSpec, wanted: Settings, security: bool, threads: bool) -> Any:
    flags: Any = vim.vm.FlagInfo()
    if security:
        if wanted.vbs:
            flags.vbsEnabled = vm.vbs
        if wanted.vtd:
            flags.vvtdEnabled = vm.vtd
    if threads:
        flags.htSharing = wanted.threads
    return flags if security or threads else None


def _allocation(kind: str, differs: Any, wanted: Settings) -> Any:
    names = [name for name in ("reservation", "limit", "shares") if hasattr(wanted, f"{kind}_{name}")]
    changed = [name for name in names if differs(f"{kind}_{name}")]
    if not changed:
        return None
    allocation: Any = vim.ResourceAllocationInfo()
    for name in changed:
        number = int(getattr(wanted, f"{kind}_{name}"))
        setattr(allocation, name, vim.SharesInfo(level="custom", shares=number) if name == "shares" else number)
    return allocation


def _devices(vm: VmSpec, differs: Any, config: Any, backings: Mapping[str, Any]) -> list[Any]:
    devices, changes = config.hardware.device, []
    disks: list[Any] = [d for d in devices if isinstance(d, vim.vm.device.VirtualDisk)]
    if differs("disk_gib") and disks and gib(disks[0]) < vm.disk_gib:
        disks[0].capacityInKB, disks[0].capacityInBytes = vm.disk_gib << 20, vm.disk_gib << 30
        changes.append(_change("edit", disks[0]))
    if differs("disks"):
        changes += _extra_disks(vm, devices)
    there = [d for d in devices if isinstance(d, vim.vm.device.VirtualTPM)]
    if differs("tpm"):
        changes += (
            [_change("add", vim.vm.device.VirtualTPM(key=-50))] if vm.tpm else [_change("remove", d) for d in there]
        )
    if differs("networks"):
        changes += _nics(vm, devices, backings)
    return changes


def _extra_disks(vm: VmSpec, devices: Any) -> list[Any]:
    controllers = [d for d in devices if isinstance(d, vim.vm.device.VirtualSCSIController)]
    changes = []
    key = controllers[0].key if controllers else -60
    if not controllers:
        changes.append(
            _change("add", vim.vm.device.ParaVirtualSCSIController(key=key, busNumber=0, sharedBus="noSharing"))
        )
    taken = {d.unitNumber for d in devices if d.controllerKey == key} | {7}  # 7 is the controller itself
    free = (n for n in range(16) if n not in taken)
    for n, disk in enumerate(vm.disks):
        backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName="", diskMode="persistent", thinProvisioned=disk.type == "thin",
            eagerlyScrub=disk.type == "eagerzeroedthick",
        )  # fmt: skip
        device = vim.vm.device.VirtualDisk(
            key=-70 - n, controllerKey=key, unitNumber=next(free), capacityInKB=disk.size_gib << 20, backing=backing
        )
        change = _change("add", device)
        change.fileOperation = "create"
        changes.append(change)
    return changes


def _nics(vm: VmSpec, devices: Any, backings: Mapping[str, Any]) -> list[Any]:
    """The VM's NICs in their order: those there are moved, others added, superfluous ones removed."""
    there = [d for d in devices if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    changes = []
    for n, wish in enumerate(vm.networks):
        if n < len(there) and (wish.model is None or isinstance(there[n], CARDS.get(wish.model, type(None)))):
            nic, verb = there[n], "edit"
        else:
            if n < len(there):
                changes.append(_change("remove", there[n]))
            nic, verb = CARDS.get(wish.model or "vmxnet3", vim.vm.device.VirtualVmxnet3)(key=-80 - n), "add"
            nic.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
                startConnected=True, allowGuestControl=True, connected=True
            )
        nic.backing = backings[wish.source]
        _address(nic, wish)
        changes.append(_change(verb, nic))
    return changes + [_change("remove", nic) for nic in there[len(vm.networks) :]]


def _address(nic: Any, wish: NetworkSpec) -> None:
    if wish.mac:
        nic.addressType, nic.macAddress = "manual", wish.mac


def _change(operation: str, device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation=operation, device=device)
