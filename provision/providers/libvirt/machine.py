"""The machine behind an endpoint: its size, and what its libvirt is old or new enough for."""

import libvirt
import msgspec

from provision.provider import ProviderError
from provision.providers.libvirt.endpoint import Endpoint

OLDEST = 6_000_000
"""libvirt 6.0: what is older was never tried."""
FW_CFG = 6_005_000
"""`<sysinfo type='fwcfg'>`."""
FIRMWARE_FEATURES = 7_002_000
"""`<firmware><feature name='secure-boot'>`: before, Secure Boot is asked for by `<loader secure='yes'>`
alone, and firmware without it by a machine that it is not for."""
STATELESS = 8_006_000
"""`<loader stateless='no'>`: firmware that keeps its variables."""
UNDEFINE_TPM = 8_009_000
"""VIR_DOMAIN_UNDEFINE_TPM; before, undefining always removes a TPM's state."""


class Machine(msgspec.Struct, frozen=True):
    """What is known of the machine without logging in to it."""

    version: int
    """Of libvirt there: 1 000 000 * major + 1000 * minor + release."""
    cpus: int
    memory_mib: int
    mhz: int
    """Of its CPUs; 0 when libvirt does not know."""
    cgroups: bool
    """Its libvirt keeps VMs in cgroups, without which there are no limits and shares: a system daemon does."""
    pooled: bool = False
    """Disks are volumes of a pool, which libvirt makes and nobody else."""

    @property
    def fw_cfg(self) -> bool:
        """A guest's firmware can be handed a file."""
        return self.version >= FW_CFG

    @property
    def firmware_features(self) -> bool:
        """Firmware can be chosen by its features."""
        return self.version >= FIRMWARE_FEATURES

    @property
    def stateless_firmware(self) -> bool:
        """It tells firmware that keeps variables from firmware that does not, and has to be told which."""
        return self.version >= STATELESS

    @property
    def asks_for_tpm_state(self) -> bool:
        """Undefining a domain has to be told that its TPM's state goes too."""
        return self.version >= UNDEFINE_TPM


def read_machine(connection: "libvirt.virConnect", endpoint: Endpoint) -> Machine:
    """Ask. Raises libvirtError, and ProviderError for a libvirt that is too old."""
    version = connection.getLibVersion()
    if version < OLDEST:
        raise ProviderError(
            f"{endpoint.written}: libvirt {version_text(version)} is older than {version_text(OLDEST)}",
            hint="update libvirt on that host",
        )
    _, memory_mib, cpus, mhz, *_ = connection.getInfo()
    # Memory that was added to the machine after it booted may be missing there.
    total = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS).get("total", 0)
    memory_mib = max(memory_mib, total // 1024)
    return Machine(version, cpus, memory_mib, mhz, endpoint.has_cgroups, endpoint.root is None)


def version_text(version: int) -> str:
    """`9.0.0`."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
