"""What a real Proxmox VE refuses and the fake one takes: CPU, machine and privilege rules by version. Pure.

Sources: qemu-server (CPUConfig.pm, CPUFlags.pm, API2/Qemu.pm, QemuServer/Machine.pm) and libpve-access-control
(AccessControl.pm), by reading; nothing is copied from them.
"""

import re

Version = tuple[int, ...]

FLAGS = "nested-virt md-clear pcid spec-ctrl ssbd ibpb virt-ssbd amd-ssbd amd-no-ssb pdpe1gb hv-tlbflush hv-evmcs aes"
OPTIONS = ("cputype", "flags", "hidden", "hv-vendor-id", "phys-bits", "guest-phys-bits", "level", "reported-model")
MODELS = {
    "host": "default", "max": "default", "kvm64": "default", "qemu64": "default", "x86-64-v2-AES": "default",
    "x86-64-v3": "default", "EPYC": "AuthenticAMD", "EPYC-Rome": "AuthenticAMD", "EPYC-Milan": "AuthenticAMD",
    "Skylake-Server": "GenuineIntel", "Cascadelake-Server": "GenuineIntel", "Icelake-Server": "GenuineIntel",
}  # fmt: skip
PRIVILEGES_OF_ALL = """
    Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Group.Allocate
    Permissions.Modify Pool.Allocate Pool.Audit Realm.Allocate SDN.Allocate SDN.Audit Sys.Audit Sys.Console
    Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog User.Modify VM.Allocate VM.Audit VM.Backup VM.Clone
    VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory
    VM.Config.Network VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback
"""
NEW_IN_8 = "Mapping.Audit Mapping.Modify Mapping.Use SDN.Use"
NEW_IN_9 = "VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt VM.GuestAgent.FileWrite "
NEW_IN_9 += "VM.GuestAgent.Unrestricted VM.Replicate"
LOST_IN_9 = "VM.Monitor"

NESTED_FLAG: Version = (9, 1)
FLAG_LIST: Version = (9, 0, 12)
SUPPORTED_ON: Version = (9, 1, 15)
VIOMMU: Version = (8, 2)
IMPORT_CONTENT: Version = (8, 4)
IMPORT_FROM: Version = (7, 2)
GUEST_AGENT_PRIVILEGES: Version = (9,)
BRIDGE_PRIVILEGE: Version = (8,)


def version_of(text: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def privileges(version: Version) -> set[str]:
    """Every privilege that this version knows; a role with another cannot be made."""
    known = set(PRIVILEGES_OF_ALL.split())
    if version >= (8,):
        known |= set(NEW_IN_8.split())
    return known | set(NEW_IN_9.split() if version >= (9,) else LOST_IN_9.split())


def flags(version: Version) -> list[str]:
    """The flags that a single VM may switch."""
    return [flag for flag in FLAGS.split() if flag != "nested-virt" or version >= NESTED_FLAG]


def models(version: Version) -> dict[str, str]:
    return {name: vendor for name, vendor in MODELS.items() if version >= (8,) or not name.startswith("x86-64-v")}


def parse_cpu(text: str) -> dict[str, str]:
    """A `cpu` value as its parts; the type without a key is `cputype`."""
    parts = [part.partition("=") for part in text.split(",")]
    return {key if equals else "cputype": value if equals else key for key, equals, value in parts}


def cpu_fault(text: str, version: Version, custom: set[str]) -> str:
    """Why this version refuses a VM's `cpu`; empty when it does not."""
    parts = parse_cpu(text)
    for key in parts:
        if key not in OPTIONS:
            return f"invalid format - invalid key in comma-separated list property: {key}\n"
    kind = parts.get("cputype", "kvm64")
    if kind.startswith("custom-"):
        if kind.removeprefix("custom-") not in custom:
            return f"invalid format - Custom cputype '{kind.removeprefix('custom-')}' not found\n"
    elif kind not in models(version):
        return f"invalid format - Built-in cputype '{kind}' is not defined (missing 'custom-' prefix?)\n"
    for flag in filter(None, parts.get("flags", "").split(";")):
        if flag[0] not in "+-" or flag[1:] not in flags(version):
            return f"invalid format - VM-specific CPU flags must be a subset of: {', '.join(sorted(flags(version)))}\n"
    return ""


def machine_fault(text: str, version: Version) -> str:
    """Why this version refuses a VM's `machine`; empty when it does not."""
    parts = dict(part.partition("=")[::2] for part in text.split(",")[1:])
    if parts and version < VIOMMU:
        return "invalid format - invalid key in comma-separated list property: viommu\n"
    if parts.get("viommu") == "intel" and "q35" not in text.split(",")[0]:
        return "to use Intel vIOMMU please set the machine type to q35\n"
    return ""


def start_fault(config: dict[str, object]) -> str:
    """Why QEMU's command line cannot be built from a configuration; empty when it can."""
    features = str(config.get("hotplug", "network,disk,usb")).split(",")
    if "memory" in features:
        if str(config.get("numa", "0")) != "1":
            return "NUMA needs to be enabled for memory hotplug"
        if int(str(config.get("memory", "512"))) < 1024:
            return "static memory could only be used with 1024 MB and more memory hotplug"
    if config.get("bios") == "ovmf" and "tpmstate0" in config and "efidisk0" not in config:
        return "no efidisk configured"
    return ""


GENERAL = "agent autostart bios description keyboard localtime migrate_downtime migrate_speed name onboot ostype"
GENERAL += " protection reboot startdate startup tdf template tags"
CPU = "affinity cores cpu cpulimit cpuunits numa smp sockets vcpus"
HARDWARE = "acpi hotplug kvm machine scsihw smbios1 tablet vga watchdog audio0 rng0 vmgenid hugepages"
CLOUDINIT = "cicustom cipassword citype ciuser ciupgrade nameserver searchdomain sshkeys"
ROOT_ONLY = "args hookscript lock"


def privilege_of(key: str) -> str:
    """The privilege that changing one configuration key takes; `root` for what only root@pam may."""
    if key in ROOT_ONLY.split():
        return "root"
    for words, privilege in (
        (GENERAL, "VM.Config.Options"),
        (CPU, "VM.Config.CPU"),
        (HARDWARE, "VM.Config.HWType"),
        (CLOUDINIT, "VM.Config.Cloudinit"),
        ("memory balloon shares", "VM.Config.Memory"),
    ):
        if key in words.split():
            return privilege
    if re.fullmatch(r"numa\d+", key):
        return "VM.Config.CPU"
    if re.fullmatch(r"(net|ipconfig)\d+", key):
        return "VM.Config.Network"
    if re.fullmatch(r"(ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+|boot|bootdisk", key):
        return "VM.Config.Disk"
    return "VM.Config.HWType"
