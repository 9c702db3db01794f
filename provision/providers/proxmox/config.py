"""A VM's configuration in Proxmox's own keys. Pure.

A clone keeps what its template brings of machine type, controller and firmware where the manifest does not ask for
another; all the other keys of MANAGED follow the manifest alone.
"""

import re
from collections.abc import Mapping

from provision.model import Firmware, NetworkSpec, VmSpec
from provision.providers.proxmox import cloudinit
from provision.providers.proxmox.cpu import Cpu
from provision.providers.proxmox.facts import Node

NORMAL_SHARES, NORMAL_UNITS, MOST_UNITS = 1000, 100, 10_000
"""cpuShares of a CPU that nobody prefers (vSphere's normal), Proxmox's default weight, and its highest."""
DEFAULT_BRIDGE = "vmbr0"
MANAGED = (
    "agent", "balloon", "bios", "cicustom", "cores", "cpu", "cpulimit", "cpuunits", "hotplug", "kvm", "machine",
    "memory", "name", "numa", "serial0", "sockets", "tags", "vcpus",
)  # fmt: skip
"""Keys that a VM keeps in step with its manifest; all but these are made once or left alone."""
NUMBERS = ("balloon", "cores", "cpulimit", "cpuunits", "kvm", "memory", "numa", "sockets", "vcpus")
DEFAULTS = {"kvm": "1", "numa": "0", "sockets": "1", "bios": "seabios", "cpu": "kvm64", "cpulimit": "0"}
"""What a key that is not there means."""


def settings(
    vm: VmSpec, cpu: Cpu, node: Node, tags: str, name: str, template: Mapping[str, str] | None
) -> dict[str, str]:
    """The keys of MANAGED that this VM has. `template` is the configuration that it was cloned from."""
    wanted = {
        "name": name,
        "tags": tags,
        "memory": str(vm.memory_mib),
        "sockets": "1",
        "cores": str(vm.cpus),
        "cpu": cpu.value,
        "agent": "enabled=1",
        "serial0": "socket",
    }
    if not cpu.kvm:
        wanted["kvm"] = "0"
    return wanted | cloudinit.settings(vm) | _machine(vm, template) | _hot_plug(vm, node) | _limits(vm, node)


def _machine(vm: VmSpec, template: Mapping[str, str] | None) -> dict[str, str]:
    wanted = {}
    if vm.firmware is Firmware.UEFI:
        wanted["bios"] = "ovmf"
    elif template is not None and "bios" in template:
        wanted["bios"] = template["bios"]
    if vm.vtd:
        wanted["machine"] = "q35,viommu=intel"
    elif template is None or vm.secure_boot:
        wanted["machine"] = "q35"
    elif "machine" in template:
        wanted["machine"] = template["machine"].partition(",viommu=")[0]
    return wanted


def _hot_plug(vm: VmSpec, node: Node) -> dict[str, str]:
    if not (vm.cpu_hot_add or vm.memory_hot_add):
        return {}
    features = ["network", "disk", "usb"]
    wanted = {}
    if vm.cpu_hot_add:
        features.append("cpu")
        wanted = {"cores": str(hot_plug_room(vm, node)), "vcpus": str(vm.cpus)}
    if vm.memory_hot_add:
        features.append("memory")
        wanted["numa"] = "1"
    return {**wanted, "hotplug": ",".join(features)}


def hot_plug_room(vm: VmSpec, node: Node) -> int:
    """CPUs that a VM with CPU hot-plug can grow to: twice its own, within what its node has."""
    return max(vm.cpus, min(2 * vm.cpus, node.cpus or 2 * vm.cpus))


def _limits(vm: VmSpec, node: Node) -> dict[str, str]:
    limits, wanted = vm.limits, {}
    if limits.cpu_limit is not None and node.mhz:
        wanted["cpulimit"] = f"{max(0.01, limits.cpu_limit / node.mhz):.2f}".rstrip("0").rstrip(".")
    if limits.cpu_shares is not None:
        units = round(limits.cpu_shares * NORMAL_UNITS / NORMAL_SHARES)
        wanted["cpuunits"] = str(min(MOST_UNITS, max(1, units)))
    reserved = limits.memory_reservation_mib
    if reserved is not None and reserved < vm.memory_mib:
        wanted["balloon"] = str(reserved)
    elif reserved is not None or vm.nested:
        wanted["balloon"] = "0"
    return wanted


def nic(network: NetworkSpec) -> str:
    """One `netN`."""
    model = network.model or "virtio"
    parts = [f"{model}={network.mac.upper()}" if network.mac else model, f"bridge={network.source}"]
    parts += [f"tag={network.vlan}"] if network.vlan is not None else []
    parts += ["firewall=1"] if network.firewall else []
    parts += [f"mtu={network.mtu}"] if network.mtu is not None and model == "virtio" else []
    parts += [f"rate={network.rate_limit_mbs}"] if network.rate_limit_mbs is not None else []
    return ",".join(parts)


def macs(config: Mapping[str, str]) -> tuple[str, ...]:
    """The MACs of net0, net1, ...; empty texts where one is not known."""
    found = []
    for number in range(32):
        if f"net{number}" not in config:
            break
        values = parts(config[f"net{number}"]).values()
        found.append(
            next((value for value in values if re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", value)), "")
        )
    return tuple(found)


def nics(vm: VmSpec, bridges: frozenset[str], template: Mapping[str, str] | None) -> dict[str, str]:
    """Every `netN`; none for a clone that keeps those of its template."""
    if vm.networks:
        return {f"net{number}": nic(network) for number, network in enumerate(vm.networks)}
    if template is not None:
        return {}
    bridge = DEFAULT_BRIDGE if DEFAULT_BRIDGE in bridges or not bridges else min(bridges)
    return {"net0": f"virtio,bridge={bridge}"}


def drive_options(kind: str, iops: int | None = None) -> str:
    """What follows the volume of a disk. `kind` is the manifest's disk type."""
    options = ["iothread=1"]
    if kind in ("thin", "ssd", "nvme"):
        options.append("discard=on")
    if kind in ("ssd", "nvme"):
        options.append("ssd=1")
    if iops is not None:
        options.append(f"iops={iops}")
    return "".join(f",{option}" for option in options)


def limited(value: str, iops: int | None, *, keep: bool) -> str:
    """A disk with the limit that is wanted; without one it has none, unless what it brought is to be kept."""
    if (iops is None and keep) or parts(value).get("iops") == (None if iops is None else str(iops)):
        return value
    others = [part for part in value.split(",") if not part.startswith("iops=")]
    return ",".join(others + [f"iops={iops}"] * (iops is not None))


def new_disks(vm: VmSpec, storage: str, existing: Mapping[str, str]) -> dict[str, str]:
    """The empty disks, the EFI disk and the TPM that are not there yet."""
    wanted = {f"scsi{number}": f"{storage}:{disk.size_gib}{drive_options(disk.type)}"
              for number, disk in enumerate(vm.disks, 1)}  # fmt: skip
    if vm.firmware is Firmware.UEFI:
        wanted["efidisk0"] = f"{storage}:1,efitype=4m,pre-enrolled-keys={int(vm.secure_boot)}"
    if vm.tpm:
        wanted["tpmstate0"] = f"{storage}:1,version=v{vm.tpm_version}"  # Proxmox's default is 1.2
    return {key: value for key, value in wanted.items() if key not in existing}


def image_disk(vm: VmSpec, storage: str, source: str) -> dict[str, str]:
    """A disk copied from an image that was uploaded, and what it hangs on."""
    options = drive_options(vm.disk_type, vm.disk_iops)
    return {
        "scsi0": f"{storage}:0,import-from={source}{options}",
        "scsihw": "virtio-scsi-single",
        "boot": "order=scsi0",
        "ostype": "l26",
    }


def parts(value: str) -> dict[str, str]:
    """A comma-separated value; what stands without a key is under the empty one."""
    split = (part.partition("=") for part in value.split(","))
    return {key if equals else "": rest if equals else key for key, equals, rest in split}


def same(key: str, present: str | None, wanted: str | None) -> bool:
    """Two values of a key mean the same."""
    old, new = (DEFAULTS.get(key) if value is None else value for value in (present, wanted))
    if old is None or new is None:
        return old == new
    if key in NUMBERS:
        return float(old) == float(new)
    if key == "tags":
        return set(old.split(";")) == set(new.split(";"))
    if key == "agent":
        return _agent(old) == _agent(new)
    if key.startswith("net"):
        return _same_nic(old, new)
    return old == new


def _agent(value: str) -> str:
    found = parts(value)
    return found.get("enabled", found.get("", "0"))


def _same_nic(present: str, wanted: str) -> bool:
    """A NIC for which no MAC is wanted may have any."""
    old, new = parts(present), parts(wanted)
    for model in ("virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"):
        if new.get("") == model and model in old:
            old[""] = model
            del old[model]
    return old == new


def disk_gib(config: Mapping[str, str], drive: str) -> float:
    """The size of a disk in GiB; 0 when it does not say."""
    size = parts(config.get(drive, "")).get("size", "")
    unit = {"K": 1 / (1 << 20), "M": 1 / 1024, "G": 1.0, "T": 1024.0}.get(size[-1:], 0.0)
    try:
        return float(size[:-1] or 0) * unit
    except ValueError:
        return 0.0


def boot_drive(config: Mapping[str, str]) -> str:
    """The drive that a VM starts from: the first of its boot order, else its first disk; empty when it has none."""
    order = parts(config.get("boot", "")).get("order", "").split(";")
    disks = [key for key in order if key in config and "media=cdrom" not in config[key] and not key.startswith("net")]
    if disks:
        return disks[0]
    kinds = ("scsi", "virtio", "sata", "ide")
    return next(
        (key for kind in kinds for key in sorted(config)
         if key.startswith(kind) and key[len(kind):].isdecimal() and "media=cdrom" not in config[key]),
        "",
    )  # fmt: skip
