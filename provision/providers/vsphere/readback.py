"""Every field of a manifest that can be read back from a VM's configuration, asked for and found. Pure."""

from hostcheck.model import Setting
from provision.model import VmSpec
from provision.providers.vsphere.settings import Settings

SOURCE = "VirtualMachine.config"
PROFILE, SECURITY, LIMITS = (
    "VMClass spec.performanceProfile.",
    "VMClass spec.securityProfile.",
    "VMClass spec.resourceLimits.",
)
PATHS = {
    "cpus": ("VMClass spec.cpu", ""),
    "memory_mib": ("VMClass spec.memory", "MiB"),
    "disk_gib": ("VMClass spec.diskDefaults.size", "GiB"),
    "firmware": ("VMClass spec.firmware", ""),
    "nested": (f"{PROFILE}nestedVirtualization", ""),
    "vbs": (f"{PROFILE}virtualizationBasedSecurity", ""),
    "latency": (f"{PROFILE}latencySensitivity", ""),
    "threads": (f"{PROFILE}hyperThreadingPolicy", ""),
    "counters": ("VMClass spec.extraConfig.vpmc.enable", ""),
    "cpu_hot_add": (f"{PROFILE}cpuHotAddEnabled", ""),
    "memory_hot_add": (f"{PROFILE}memoryHotAddEnabled", ""),
    "secure_boot": (f"{SECURITY}secureBoot", ""),
    "vtd": (f"{SECURITY}vtdEnabled", ""),
    "tpm": (f"{SECURITY}tpmEnabled", ""),
    "cpu_reservation": (f"{LIMITS}cpuReservation", "MHz"),
    "cpu_limit": (f"{LIMITS}cpuLimit", "MHz"),
    "cpu_shares": (f"{LIMITS}cpuShares", ""),
    "memory_reservation": (f"{LIMITS}memoryReservation", "MiB"),
    "memory_limit": (f"{LIMITS}memoryLimit", "MiB"),
    "extra_config": ("VMClass spec.extraConfig", ""),
    "networks": ("VirtualMachine spec.networks", ""),
    "disks": ("VirtualMachine spec.disks", ""),
}
"""Setting -> the field that asks for it, and its unit."""


def settings_of(vm: VmSpec, wanted: Settings, found: Settings) -> tuple[Setting, ...]:
    """Asked and found, field by field; limits only where the manifest has some."""
    limits = {
        "cpu_reservation": vm.limits.cpu_reservation, "cpu_limit": vm.limits.cpu_limit,
        "memory_reservation": vm.limits.memory_reservation_mib, "memory_limit": vm.limits.memory_limit_mib,
    }  # fmt: skip
    told = []
    for name, (path, unit) in PATHS.items():
        asked = getattr(wanted, name)
        if not asked or (name in limits and limits[name] is None and asked in ("0", "-1")):
            continue
        told.append(Setting(path, _with(asked, unit), _with(getattr(found, name) or "none", unit), SOURCE))
    return tuple(told)


def _with(value: str, unit: str) -> str:
    return f"{value} {unit}" if unit and value not in ("", "none") else value
