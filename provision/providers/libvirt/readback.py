"""Every field that can be read back from a domain, asked for and found, in the same words. Pure."""

from xml.etree import ElementTree as ET

from hostcheck.model import Setting
from provision.model import ExtraDisk, Firmware, VmSpec
from provision.providers.libvirt.devices import TPM_MODEL, extra_devices
from provision.providers.libvirt.fitting import (
    CPU_HOT_ADD,
    CPU_LIMIT,
    CPU_SHARES,
    MEMORY_HOT_ADD,
    MEMORY_RESERVATION,
    PREALLOCATION,
    TPM,
    VBS,
)
from provision.providers.libvirt.live import Live

XML, QEMU, CGROUP = "domain XML", "QEMU monitor", "cgroup"
UNITS = {"KiB": 1, "MiB": 1024, "GiB": 1024**2}
MIB, GIB = 1 << 20, 1 << 30


def settings_of_live(vm: VmSpec, live: Live, got: bool | None, mhz: int) -> tuple[Setting, ...]:
    """Asked and found, field by field. `got`: the VM has the feature. `mhz`: of the host's CPUs."""
    settings = [
        Setting("VMClass spec.cpu", str(vm.cpus), _cpus(live.xml), XML),
        Setting("VMClass spec.memory", f"{vm.memory_mib} MiB", f"{_memory(live.xml) // 1024} MiB", XML),
        Setting("VMClass spec.firmware", vm.firmware, _firmware(live.xml), XML),
        Setting("VMClass spec.performanceProfile.nestedVirtualization", _on(vm.nested), _told(got), QEMU),
        Setting("VMClass spec.securityProfile.secureBoot", _on(vm.secure_boot), _on(_secure_boot(live.xml)), XML),
        Setting(TPM, vm.tpm_version if vm.tpm else "none", _tpm(live), QEMU if live.running else XML),
        Setting("VMClass spec.securityProfile.vtdEnabled", _on(vm.vtd), _on(_iommu(live.xml)), XML),
        Setting(CPU_HOT_ADD, _on(vm.cpu_hot_add), _on(_cpu_hot_add(live)), QEMU if live.running else XML),
        Setting(MEMORY_HOT_ADD, _on(vm.memory_hot_add), _on(_memory_hot_add(live.xml)), XML),
        Setting(VBS, _on(vm.vbs), _on(live.xml.find("features/hyperv/*") is not None), XML),
        *_limits(vm, live, mhz),
        *_disk(vm, live),
        *(_extra(n, disk, device, live) for n, (disk, device) in enumerate(_extras(vm))),
        *_networks(vm, live.xml),
    ]
    return tuple(settings)


def _limits(vm: VmSpec, live: Live, mhz: int) -> list[Setting]:
    limits, scheduler = vm.limits, live.scheduler
    settings = []
    if limits.cpu_limit is not None:
        quota, period = (scheduler or {}).get("global_quota", -1), (scheduler or {}).get("global_period", 0)
        found = f"{round(quota * mhz / period)} MHz" if quota > 0 and period > 0 else "none"
        settings.append(Setting(CPU_LIMIT, f"{limits.cpu_limit} MHz", "" if scheduler is None else found, CGROUP))
    if limits.cpu_shares is not None:
        found = str((scheduler or {}).get("cpu_shares", "none"))
        settings.append(Setting(CPU_SHARES, str(limits.cpu_shares), "" if scheduler is None else found, CGROUP))
    if limits.memory_reservation_mib is not None:
        asked = f"{limits.memory_reservation_mib} MiB"
        found = {None: "", True: f"{max(_memory(live.xml) // 1024, 0)} MiB", False: "none"}[live.memory_allocated]
        if live.memory_allocated and limits.memory_reservation_mib > vm.memory_mib:
            asked = f"{vm.memory_mib} MiB"  # more than all there is
        settings.append(Setting(MEMORY_RESERVATION, asked, found, QEMU))
    return settings


def _disk(vm: VmSpec, live: Live) -> list[Setting]:
    block = live.blocks.get("vda")
    size = f"{block.capacity / GIB:g} GiB" if block else ""
    kind = ("thin" if block.taken < block.capacity else "thick") if block else ""
    asked_kind = "thick" if vm.disk_type in PREALLOCATION else "thin"
    settings = [
        Setting("VMClass spec.diskDefaults.size", f"{vm.disk_gib} GiB", size, QEMU),
        Setting("VMClass spec.diskDefaults.type", asked_kind, kind, QEMU),
    ]
    if vm.disk_iops is not None:
        found = "" if block is None else str(block.iops or "none")
        settings.append(Setting("VMClass spec.diskDefaults.iops", str(vm.disk_iops), found, QEMU))
    return settings


def _extras(vm: VmSpec) -> list[tuple[ExtraDisk, str]]:
    return list(zip(vm.disks, extra_devices(len(vm.disks)), strict=True))


def _extra(n: int, disk: ExtraDisk, device: str, live: Live) -> Setting:
    block = live.blocks.get(device)
    found = f"{block.capacity / GIB:g} GiB" if block else ("none" if live.running else "")
    return Setting(f"VirtualMachine spec.disks[{n}].sizeGiB", f"{disk.size_gib} GiB", found, QEMU)


def _networks(vm: VmSpec, domain: ET.Element) -> list[Setting]:
    interfaces = domain.findall("devices/interface")
    settings = []
    for n, network in enumerate(vm.networks):
        there = interfaces[n] if n < len(interfaces) else None
        found = _interface(there, with_mac=network.mac is not None) if there is not None else "none"
        asked = " ".join(filter(None, (network.kind, network.source, network.model or "virtio", network.mac)))
        settings.append(Setting(f"VirtualMachine spec.networks[{n}].name", asked, found, XML))
    return settings


def _interface(interface: ET.Element, *, with_mac: bool) -> str:
    """A live one names both a network and what that came to: the network is what was asked for."""
    source = interface.find("source")
    names = source.attrib if source is not None else {}
    kind = "network" if "network" in names else interface.get("type", "")
    model, mac = interface.find("model"), interface.find("mac")
    words = [kind, names.get(kind, ""), model.get("type", "") if model is not None else ""]
    if with_mac and mac is not None:
        words.append(mac.get("address", ""))
    return " ".join(filter(None, words))


def _cpus(domain: ET.Element) -> str:
    vcpu = domain.find("vcpu")
    return "" if vcpu is None else vcpu.get("current", vcpu.text or "")


def _cpu_hot_add(live: Live) -> bool:
    if live.free_cpu_slots is not None:
        return live.free_cpu_slots > 0
    vcpu = live.xml.find("vcpu")
    return vcpu is not None and vcpu.get("current", vcpu.text) != vcpu.text


def _memory(domain: ET.Element, tag: str = "memory") -> int:
    """KiB."""
    element = domain.find(tag)
    if element is None or not (element.text or "").isdecimal():
        return 0
    return int(element.text or "0") * UNITS.get(element.get("unit", "KiB"), 1)


def _memory_hot_add(domain: ET.Element) -> bool:
    return _memory(domain, "maxMemory") > _memory(domain)


def _firmware(domain: ET.Element) -> str:
    os = domain.find("os")
    loader = domain.find("os/loader[@type='pflash']")
    return Firmware.UEFI if loader is not None or (os is not None and os.get("firmware") == "efi") else Firmware.BIOS


def _secure_boot(domain: ET.Element) -> bool:
    """Both: firmware that only itself can change, and keys enrolled in its variables."""
    feature = domain.find("os/firmware/feature[@name='secure-boot']")
    asked = feature is not None and feature.get("enabled") == "yes"
    loader = domain.find("os/loader")
    return loader.get("secure") == "yes" if loader is not None else asked


def _tpm(live: Live) -> str:
    element = live.xml.find("devices/tpm")
    backend = element.find("backend") if element is not None else None
    version = backend.get("version", "none") if backend is not None else "none"
    if live.running and live.tpm is None:
        return ""
    if live.running and live.tpm != TPM_MODEL.get(version, ""):
        return f"QEMU has {live.tpm or 'none'}"
    return version


def _iommu(domain: ET.Element) -> bool:
    return domain.find("devices/iommu") is not None


def _on(value: bool) -> str:
    return "on" if value else "off"


def _told(value: bool | None) -> str:
    return "" if value is None else _on(value)
