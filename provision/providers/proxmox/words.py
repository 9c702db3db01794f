"""Manifest fields that decisions here speak of, and where they stand in the user's files. Pure."""

from provision.model import VmSpec
from provision.provider import ProviderError

NESTED = "VMClass spec.performanceProfile.nestedVirtualization"
ACCEL = "VirtualMachine metadata.annotations.nestproof.org/accel"
CPUS = "VMClass spec.cpu"
MEMORY = "VMClass spec.memory"
FIRMWARE = "VMClass spec.firmware"
SECURE_BOOT = "VMClass spec.securityProfile.secureBoot"
TPM = "VMClass spec.securityProfile.tpmEnabled"
VTD = "VMClass spec.securityProfile.vtdEnabled"
CPU_HOT_ADD = "VMClass spec.performanceProfile.cpuHotAddEnabled"
MEMORY_HOT_ADD = "VMClass spec.performanceProfile.memoryHotAddEnabled"
DISK = "VMClass spec.diskDefaults.size"
EXTRA = "VMClass spec.extraConfig"
CPU_MODEL = f"{EXTRA}.proxmox.cpu"
USER_DATA = "VirtualMachine spec.userData.cloudInit.inline"
IGNITION = "VirtualMachine spec.userData.ignition.inline"
HOST = "VirtualMachine spec.placement.host"
DATASTORE = "VirtualMachine spec.placement.datastore"


def where(vm: VmSpec, path: str) -> str:
    """The place of a setting in the user's files, else of the VM's own document."""
    return str(vm.origins.get(path) or vm.origins["vm"])


def refusal(vm: VmSpec, path: str, why: str, hint: str = "") -> ProviderError:
    """What was asked for cannot work there."""
    return ProviderError(f"{where(vm, path)}: {why}", hint=hint, refused=True)
