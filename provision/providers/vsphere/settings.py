"""What a VM is to be and what it is, as comparable text: read from the VM itself, never remembered. Pure.

Only what vSphere cannot give back (which image, which cloud-init) is kept, in keys of ours among its extraConfig.
"""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from pyVmomi import vim

from provision.model import ExtraDisk, Firmware, ImageSpec, VmSpec
from provision.provider import Difference
from provision.providers.vsphere.gates import HostFacts, version_of

OWNER = "nestproof.vm"
IMAGE = "nestproof.image"
CLOUD_INIT = "nestproof.cloud-init"
DISKS = "nestproof.disks"
VERSION = "nestproof.version"
OVA = "nestproof-image-"
"""Of the names of templates that were made from an OVA or from an item of a content library."""
IMPORTED = "nestproof.imported"
"""The key by which such a template is known as ours."""
DEPLOYED = "made by nestproof from a content library"
"""The note of a VM that is on its way to become such a template: a deployment sets no keys."""
HALF = "nestproof.half"
"""Set while an OVA is imported as the VM itself, on an ESXi host alone: a killed run leaves disks half written."""
WHOLE = "nestproof.whole"
"""Set by the last reconfiguration: without it a run was killed half way."""
NEW_VM = ("image", "cloud_init")
"""Settings that only a new VM can take up."""
HARDWARE_KEY = "virtualHW.version"
"""The key of extraConfig by which a class asks for an upgrade of the virtual hardware."""
COUNTERS_KEY = "vpmc.enable"
"""The key of extraConfig by which a class asks for virtual performance counters: vPMCEnabled is sent for it."""
THREADS = {"avoid": "none", "require": "any"}
"""hyperThreadingPolicy -> flags.htSharing; all others are `any`, vSphere's default."""
CONFLICTING = ("vhv.", "vvtd.", "vbs.", "vpmc.", "firmware", "uefi.", "numvcpus", "memsize", "guestinfo.", "nestproof.")
"""Keys that vSphere drops in silence, because a field of its API is for them, and those that are ours to set."""


def source_of(image: ImageSpec) -> str:
    """The name of the template that a VM is cloned from; of an OVA, the same for the same address and checksum."""
    if item := image.library_item:
        text = f"{item.library}\n{item.item}\n{item.version or ''}"
    elif image.url:
        text = f"{image.url}\n{image.checksum.digest if image.checksum else ''}"
    else:
        return image.template or ""
    return OVA + hashlib.sha256(text.encode()).hexdigest()[:16]


def is_imported(image: ImageSpec) -> bool:
    """The template is made by us, once, from an OVA or an item of a content library."""
    return not image.template and (image.library_item is not None or image.url is not None)


def key_of(vm: VmSpec) -> str:
    """The name of a VM in the inventory."""
    return inventory_name(vm.namespace, vm.name)


def inventory_name(namespace: str, name: str) -> str:
    return f"{namespace}.{name}"


def instance_uuid(namespace: str, name: str) -> str:
    """The same for one VM at all times: by it the VM is found again, however it was renamed or moved."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://nestproof.org/vm/{namespace}/{name}"))


class Settings(msgspec.Struct, frozen=True):
    """Everything of a VM that is set, as text; empty: left as the template has it."""

    cpus: str
    memory_mib: str
    disk_gib: str
    firmware: str
    secure_boot: str
    nested: str
    vbs: str
    vtd: str
    tpm: str
    cpu_hot_add: str
    memory_hot_add: str
    latency: str
    threads: str
    counters: str
    cpu_reservation: str
    cpu_limit: str
    cpu_shares: str
    memory_reservation: str
    memory_limit: str
    networks: str
    disks: str
    extra_config: str
    hardware: str
    image: str
    cloud_init: str

    def differences(self, wanted: "Settings") -> tuple[Difference, ...]:
        """What has to change to become `wanted`; what is left open is none."""
        return tuple(
            Difference(name.replace("_", " "), _short(old), _short(new))
            for name in self.__struct_fields__
            if (new := getattr(wanted, name))
            and (old := getattr(self, name)) != new
            and (old or name not in NEW_VM)  # a template has no mark of ours
        )

    def needs_new_vm(self, wanted: "Settings") -> bool:
        return any(getattr(self, name) != getattr(wanted, name) for name in NEW_VM)


def wanted(vm: VmSpec, host: HostFacts, known: frozenset[str]) -> Settings:
    """What a VM is to be on a host, in the fields that the negotiated API has."""
    limits, high = vm.limits, vm.latency_sensitivity == "high"
    # High latency sensitivity takes effect only with everything reserved
    reserved_cpu = max(limits.cpu_reservation or 0, vm.cpus * host.mhz if high else 0)
    reserved_memory = vm.memory_mib if high else limits.memory_reservation_mib or 0
    return Settings(
        cpus=str(vm.cpus),
        memory_mib=str(vm.memory_mib),
        disk_gib=str(vm.disk_gib),
        firmware="efi" if vm.firmware is Firmware.UEFI else "bios",
        secure_boot=_yes(vm.secure_boot) if "efiSecureBootEnabled" in known else "",
        nested=_yes(vm.nested),
        vbs=_yes(vm.vbs) if "vbsEnabled" in known else "",
        vtd=_yes(vm.vtd) if "vvtdEnabled" in known else "",
        tpm=_yes(vm.tpm) if "VirtualTPM" in known else "",
        cpu_hot_add=_yes(vm.cpu_hot_add),
        memory_hot_add=_yes(vm.memory_hot_add),
        latency=vm.latency_sensitivity,
        threads=THREADS.get(vm.hyper_threading, "any"),
        counters=counters_of(vm),
        cpu_reservation=str(reserved_cpu),
        cpu_limit=str(limits.cpu_limit or -1),
        cpu_shares=str(limits.cpu_shares or ""),
        memory_reservation=str(reserved_memory),
        memory_limit=str(limits.memory_limit_mib or -1),
        networks=" ".join(f"{nic.source}{f'={nic.mac}' if nic.mac else ''}" for nic in vm.networks),
        disks=" ".join(_disk(disk) for disk in vm.disks),
        extra_config=" ".join(f"{k}={v}" for k, v in sorted(sent_options(vm).items())),
        hardware=upgrade_to(vm),
        image=source_of(vm.image),
        cloud_init=_cloud_init_digest(vm),
    )


def present(config: Any, asked: VmSpec, portgroups: Mapping[str, str]) -> Settings:
    """What a VM is, by its `config`; `portgroups` are the names of networks by their keys and ids."""
    marks = options_of(config)
    flags, devices = config.flags, config.hardware.device
    disks = [d for d in devices if isinstance(d, vim.vm.device.VirtualDisk)]
    nics = [d for d in devices if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    ours = sent_options(asked)
    return Settings(
        cpus=str(config.hardware.numCPU),
        memory_mib=str(config.hardware.memoryMB),
        disk_gib=str(gib(disks[0])) if disks else "",
        firmware=str(config.firmware or "bios"),
        secure_boot=_yes(config.bootOptions and config.bootOptions.efiSecureBootEnabled),
        nested=_yes(config.nestedHVEnabled),
        vbs=_yes(flags and flags.vbsEnabled),
        vtd=_yes(flags and flags.vvtdEnabled),
        tpm=_yes(any(isinstance(d, vim.vm.device.VirtualTPM) for d in devices)),
        cpu_hot_add=_yes(config.cpuHotAddEnabled),
        memory_hot_add=_yes(config.memoryHotAddEnabled),
        latency=str(config.latencySensitivity.level if config.latencySensitivity else "normal"),
        threads=str((flags and flags.htSharing) or "any"),
        counters=_yes(config.vPMCEnabled),
        cpu_reservation=str(_of(config.cpuAllocation, "reservation", 0)),
        cpu_limit=str(_of(config.cpuAllocation, "limit", -1)),
        cpu_shares=str(config.cpuAllocation.shares.shares) if _of(config.cpuAllocation, "shares", None) else "",
        memory_reservation=str(_of(config.memoryAllocation, "reservation", 0)),
        memory_limit=str(_of(config.memoryAllocation, "limit", -1)),
        networks=_nics(nics, asked, portgroups) if asked.networks else "",
        disks=marks.get(DISKS, ""),
        extra_config=" ".join(f"{k}={marks[k]}" for k in sorted(ours) if k in marks),
        hardware=str(version_of(config.version or "")) if upgrade_to(asked) else "",
        image=marks.get(IMAGE, ""),
        cloud_init=marks.get(CLOUD_INIT, ""),
    )


def options_of(config: Any) -> dict[str, str]:
    """extraConfig as a mapping."""
    return options(config.extraConfig)


def options(values: Any) -> dict[str, str]:
    """extraConfig, which may not have been read, as a mapping."""
    return {str(o.key): str(o.value) for o in values or ()}


def sent_options(vm: VmSpec) -> dict[str, str]:
    """The class's keys of the VMX file that vSphere takes as they are."""
    return {
        key: value
        for key, value in vm.extra_config.items()
        if key != HARDWARE_KEY and not key.lower().startswith(CONFLICTING)
    }


def dropped_options(vm: VmSpec) -> tuple[str, ...]:
    """Those that vSphere would drop, or that are not the user's to set."""
    return tuple(key for key in sorted(vm.extra_config) if key.lower().startswith(CONFLICTING))


def upgrade_to(vm: VmSpec) -> str:
    """The virtual hardware version that a class asks for; empty: the template's stays."""
    asked = vm.extra_config.get(HARDWARE_KEY, "")
    return asked if asked.isdecimal() else ""


def counters_of(vm: VmSpec) -> str:
    """Whether a class asks for virtual performance counters: yes, no, or empty when it says nothing."""
    said = next((value for key, value in vm.extra_config.items() if key.lower() == COUNTERS_KEY), None)
    return "" if said is None else _yes(said.strip().lower() in ("true", "1", "yes"))


def network_of(nic: Any, portgroups: Mapping[str, str]) -> str:
    """The name of what a NIC hangs on; its key where the name is not known."""
    backing = nic.backing
    port = getattr(backing, "port", None)
    if port is not None:
        return portgroups.get(str(port.portgroupKey), str(port.portgroupKey))
    return str(getattr(backing, "deviceName", "") or "")


def gib(disk: Any) -> int:
    """Whole GiB, rounded up."""
    size = disk.capacityInBytes or (disk.capacityInKB or 0) << 10
    return -(-int(size) // (1 << 30))


def _nics(nics: list[Any], asked: VmSpec, portgroups: Mapping[str, str]) -> str:
    fixed = {n for n, wish in enumerate(asked.networks) if wish.mac}
    return " ".join(
        f"{network_of(nic, portgroups)}{f'={nic.macAddress}' if n in fixed else ''}" for n, nic in enumerate(nics)
    )


def _cloud_init_digest(vm: VmSpec) -> str:
    """Over the user's own part only: a newer agent is no reason to throw a VM away."""
    text = f"{vm.user_data or ''}\0{vm.meta_data or ''}\0{vm.ignition or ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _disk(disk: ExtraDisk) -> str:
    return f"{disk.name}:{disk.size_gib}:{disk.type}"


def _of(allocation: Any, name: str, otherwise: Any) -> Any:
    value = getattr(allocation, name, None) if allocation is not None else None
    return otherwise if value is None else value


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:12]}…"
