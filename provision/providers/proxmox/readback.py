"""Every setting of a VM as it was asked for, beside what the running VM was started with. Pure."""

from collections.abc import Mapping

from hostcheck.model import Setting
from provision.model import Firmware, VmSpec
from provision.providers.proxmox import words
from provision.providers.proxmox.config import boot_drive, disk_gib, nic, parts, same

SOURCE = "configuration"


def settings(vm: VmSpec, live: Mapping[str, str], got: bool | None) -> tuple[Setting, ...]:
    """`live` is what the VM runs with, or will start with while it is off."""
    machine = parts(live.get("machine", ""))
    features = live.get("hotplug", "").split(",")
    efi = live.get("efidisk0", "")
    found = [
        Setting(words.CPUS, str(vm.cpus), live.get("vcpus") or _times(live), SOURCE),
        Setting(words.MEMORY, f"{vm.memory_mib} MiB", f"{live.get('memory', '512')} MiB", SOURCE),
        Setting(words.FIRMWARE, vm.firmware, Firmware.UEFI if live.get("bios") == "ovmf" else Firmware.BIOS, SOURCE),
        Setting(words.DISK, f"{vm.disk_gib} GiB", f"{disk_gib(live, boot_drive(live)):g} GiB", SOURCE),
        Setting(words.NESTED, _yes(vm.nested), "" if got is None else _yes(got), "QEMU, or how it was started"),
        Setting(words.SECURE_BOOT, _yes(vm.secure_boot), _yes("pre-enrolled-keys=1" in efi), SOURCE),
        Setting(words.TPM, _tpm(vm), parts(live.get("tpmstate0", "")).get("version", "none"), SOURCE),
        Setting(words.VTD, _yes(vm.vtd), _yes("viommu" in machine), SOURCE),
        Setting(words.CPU_HOT_ADD, _yes(vm.cpu_hot_add), _yes("cpu" in features), SOURCE),
        Setting(words.MEMORY_HOT_ADD, _yes(vm.memory_hot_add), _yes("memory" in features), SOURCE),
    ]
    for number, disk in enumerate(vm.disks, 1):
        size = disk_gib(live, f"scsi{number}")
        path = f"VirtualMachine spec.disks[{number - 1}].sizeGiB"
        found.append(Setting(path, f"{disk.size_gib} GiB", f"{size:g} GiB" if size else "none", SOURCE))
    for number, network in enumerate(vm.networks):
        asked, key = nic(network), f"net{number}"
        shown = asked if same(key, live.get(key), asked) else live.get(key, "none")
        found.append(Setting(f"VirtualMachine spec.networks[{number}].name", asked, shown, SOURCE))
    return tuple(found)


def _times(live: Mapping[str, str]) -> str:
    try:
        return str(int(live.get("cores", "1")) * int(live.get("sockets", "1")))
    except ValueError:
        return ""


def _tpm(vm: VmSpec) -> str:
    return f"v{vm.tpm_version}" if vm.tpm else "none"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
