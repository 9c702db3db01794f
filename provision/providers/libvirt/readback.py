"""Every field that can be read back from a domain, asked for and found, in the same words. Pure."""

from xml.etree import ElementTree as ET

from hostcheck.model import Accelerator, Setting
from provision.model import AccelPolicy, CpuPolicy, Firmware, VmSpec
from provision.provider import Difference
from provision.providers.libvirt.choose import ACCEL, CPU, NESTED
from provision.providers.libvirt.devices import TPM_MODEL
from provision.providers.libvirt.fitting import (
    CPU_HOT_ADD,
    CPU_LIMIT,
    CPU_SHARES,
    MEMORY_HOT_ADD,
    MEMORY_RESERVATION,
    SHARES,
    TPM,
    VBS,
)
from provision.providers.libvirt.hyperv import parts_of
from provision.providers.libvirt.inside import Inside, Iommu
from provision.providers.libvirt.live import Live
from provision.providers.libvirt.offer import DOMAIN_TYPE
from provision.providers.libvirt.readback_devices import QEMU, XML, disks, networks

CGROUP = "cgroup"
UNITS = {"KiB": 1, "MiB": 1024, "GiB": 1024**2}
MIB = 1 << 20
MODES = {"host-x86_64-cpu": "host-passthrough", "max-x86_64-cpu": "maximum"}
"""QEMU's classes of CPU that are no named model, as libvirt calls them."""
UEFI_IN_MEMORY = "os[@firmware='efi']/loader[@type='rom']"
WITHIN_REACH = "firmware for it, its keys within the guest's reach"


def settings_of_live(vm: VmSpec, live: Live, got: bool | None, mhz: int) -> tuple[Setting, ...]:
    """Asked and found, field by field. `got`: the VM has the feature. `mhz`: of the host's CPUs."""
    xml, inside = live.xml, live.inside or Inside()
    settings = [
        _read("VMClass spec.cpu", str(vm.cpus), str(inside.cpus.count) if inside.cpus else None, _cpus(xml)),
        _read("VMClass spec.memory", f"{vm.memory_mib} MiB", _mib(inside.memory), f"{_memory(xml) // 1024} MiB"),
        _read("VMClass spec.firmware", vm.firmware, _uefi(inside.uefi, xml), _firmware(xml)),
        Setting(NESTED, _on(vm.nested), _told(got), QEMU if inside.features else XML),
        _read(
            "VMClass spec.securityProfile.secureBoot",
            _on(vm.secure_boot),
            _protected(inside.secure, xml),
            _secure_boot(xml),
        ),
        Setting(TPM, vm.tpm_version if vm.tpm else "none", _tpm(live), QEMU if live.inside else XML),
        _read("VMClass spec.securityProfile.vtdEnabled", _on(vm.vtd), _parts(inside.iommu), _iommu(xml)),
        _read(
            CPU_HOT_ADD, _on(vm.cpu_hot_add), _on(inside.cpus.free > 0) if inside.cpus else None, _on(_cpu_hot_add(xml))
        ),
        _read(MEMORY_HOT_ADD, _on(vm.memory_hot_add), _memory_grows(inside), _on(_memory_hot_add(xml))),
        _vbs(vm, live),
        *_how(vm, live),
        *_limits(vm, live, mhz),
        *disks(vm, live),
        *networks(vm, live.xml),
    ]
    return tuple(settings)


def strayed(vm: VmSpec, configured: ET.Element, fresh: ET.Element) -> tuple[Difference, ...]:
    """The fields by which a configuration is no longer what it would be if it were made now."""
    now, then = (
        {setting.path: setting.found for setting in settings_of_live(vm, Live(False, xml, xml), None, 0)}
        for xml in (configured, fresh)
    )
    return tuple(Difference(path, now.get(path, ""), found) for path, found in then.items() if now.get(path) != found)


def _read(path: str, asked: str, by_qemu: str | None, by_xml: str) -> Setting:
    """QEMU's own answer, else what the XML says."""
    return Setting(path, asked, by_xml, XML) if by_qemu is None else Setting(path, asked, by_qemu, QEMU)


def _how(vm: VmSpec, live: Live) -> list[Setting]:
    """By what it is run, and which CPU it is shown, where that was for the user to say."""
    inside = live.inside or Inside()
    kvm = live.xml.get("type") == DOMAIN_TYPE[Accelerator.KVM]
    settings = []
    if vm.accel is not AccelPolicy.AUTO:
        found = AccelPolicy.KVM if kvm else AccelPolicy.TCG
        settings.append(Setting(ACCEL, vm.accel, found, XML))
    if kvm or vm.cpu is CpuPolicy.HOST_PASSTHROUGH:
        mode = (cpu.get("mode") if (cpu := live.configured.find("cpu")) is not None else None) or "none"
        if inside.cpus:
            passed = mode in MODES.values()
            mode = MODES.get(inside.cpus.type, f"the model {inside.cpus.type}" if passed else mode)
        settings.append(Setting(CPU, vm.cpu, mode, QEMU if inside.cpus else XML))
    return settings


def _vbs(vm: VmSpec, live: Live) -> Setting:
    """The Hyper-V interface: whole where the VM has every part of it that it was made with."""
    inside = live.inside or Inside()
    made_with = (live.recorded.hyperv if live.recorded else "").split()
    if live.inside and inside.hyperv is None:
        return Setting(VBS, _on(vm.vbs), "", QEMU)
    emulated = live.xml.get("type") != DOMAIN_TYPE[Accelerator.KVM]  # which shows guests none, whatever its XML says
    parts = inside.hyperv if inside.hyperv is not None else frozenset(() if emulated else parts_of(live.xml))
    missing = [name for name in made_with if name not in parts]
    found = f"on without {', '.join(missing)}" if parts and missing else _on(bool(parts))
    return Setting(VBS, _on(vm.vbs), found, XML if inside.hyperv is None else QEMU)


def _limits(vm: VmSpec, live: Live, mhz: int) -> list[Setting]:
    limits, scheduler = vm.limits, live.scheduler
    settings = []
    if limits.cpu_limit is not None:
        quota, period = (scheduler or {}).get("global_quota", -1), (scheduler or {}).get("global_period", 0)
        found = f"{round(quota * mhz / period)} MHz" if quota > 0 and period > 0 else "none"
        settings.append(Setting(CPU_LIMIT, f"{limits.cpu_limit} MHz", "" if scheduler is None else found, CGROUP))
    if limits.cpu_shares is not None:
        found = str((scheduler or {}).get("cpu_shares", "none"))
        asked = str(min(max(limits.cpu_shares, SHARES[0]), SHARES[1]))  # what there is
        settings.append(Setting(CPU_SHARES, asked, "" if scheduler is None else found, CGROUP))
    if limits.memory_reservation_mib is not None:
        asked = f"{limits.memory_reservation_mib} MiB"
        allocated = live.inside.memory_allocated if live.inside else None
        found = {None: "", True: f"{_memory(live.xml) // 1024} MiB", False: "none"}[allocated]
        if allocated and limits.memory_reservation_mib > vm.memory_mib:
            asked = f"{vm.memory_mib} MiB"  # more than all there is
        settings.append(Setting(MEMORY_RESERVATION, asked, found, QEMU))
    return settings


def _cpus(domain: ET.Element) -> str:
    vcpu = domain.find("vcpu")
    return "" if vcpu is None else vcpu.get("current", vcpu.text or "")


def _cpu_hot_add(domain: ET.Element) -> bool:
    vcpu = domain.find("vcpu")
    return vcpu is not None and vcpu.get("current", vcpu.text) != vcpu.text


def _memory(domain: ET.Element, tag: str = "memory") -> int:
    """KiB."""
    element = domain.find(tag)
    if element is None or not (element.text or "").isdecimal():
        return 0
    return int(element.text or "0") * UNITS.get(element.get("unit", "KiB"), 1)


def _mib(size: int | None) -> str | None:
    return None if size is None else f"{size / MIB:g} MiB"


def _memory_hot_add(domain: ET.Element) -> bool:
    return _memory(domain, "maxMemory") > _memory(domain)


def _memory_grows(inside: Inside) -> str | None:
    if inside.memory_most is None or inside.memory is None:
        return None
    return _on(inside.memory_most > inside.memory)


def _uefi(in_flash: bool | None, domain: ET.Element) -> str | None:
    """What is not in flash is BIOS, or UEFI that the XML knows to be somewhere else."""
    if in_flash is None or domain.find(UEFI_IN_MEMORY) is not None:
        return None
    return Firmware.UEFI if in_flash else Firmware.BIOS


def _firmware(domain: ET.Element) -> str:
    loader = domain.find(UEFI_IN_MEMORY)
    if loader is not None:
        return f"UEFI that keeps no variables: {loader.text}"
    found = domain.find("os[@firmware='efi']"), domain.find("os/loader[@type='pflash']")
    return Firmware.BIOS if found == (None, None) else Firmware.UEFI


def _protected(secure: bool | None, domain: ET.Element) -> str | None:
    """Only QEMU knows whether it keeps the guest away from Secure Boot's variables."""
    if secure is None:
        return None
    found = _secure_boot(domain)
    return "on" if secure else "off" if found == "on" else found


def _secure_boot(domain: ET.Element) -> str:
    """Firmware with it needs SMM, and is given it by every libvirt that chooses one; whether its variables, with the
    keys, are out of the guest's reach is another matter."""
    feature = domain.find("os/firmware/feature[@name='secure-boot']")
    loader = domain.find("os/loader")
    if loader is None or not loader.text:  # not chosen yet
        asked = feature is not None and feature.get("enabled") == "yes"
        return _on(asked or (loader is not None and loader.get("secure") == "yes"))
    if loader.get("secure") == "yes":
        return "on"
    smm = domain.find("features/smm")
    return "off" if smm is None or smm.get("state") == "off" else WITHIN_REACH


def _tpm(live: Live) -> str:
    element = live.xml.find("devices/tpm")
    backend = element.find("backend") if element is not None else None
    version = backend.get("version", "none") if backend is not None else "none"
    if live.inside is None:
        return version
    if live.inside.tpm is None:
        return ""
    return version if live.inside.tpm == TPM_MODEL.get(version, "") else f"QEMU has {live.inside.tpm or 'none'}"


def _iommu(domain: ET.Element) -> str:
    driver = domain.find("devices/iommu[@model='intel']/driver")
    if driver is None:
        return _on(domain.find("devices/iommu") is not None)
    return _parts(Iommu(driver.get("intremap") == "on", driver.get("caching_mode") == "on")) or ""


def _parts(iommu: Iommu | None) -> str | None:
    if iommu is None:
        return None
    parts = {"interrupt remapping": iommu.remaps_interrupts, "caching mode": iommu.caches}
    missing = [name for name, there in parts.items() if not there]
    return f"on without {' and '.join(missing)}" if missing else _on(True)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _told(value: bool | None) -> str:
    return "" if value is None else _on(value)
