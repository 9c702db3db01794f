"""What a guest sets itself up by: a NoCloud seed on a disk of its own, or an Ignition config by QEMU's fw_cfg. Pure."""

import hashlib

from provision.agent_part import agent_part
from provision.ignition import ignition_config
from provision.model import FieldAccount, Handling, VmSpec
from provision.network_config import network_config
from provision.provider import ProviderError
from provision.providers.libvirt.choose import where
from provision.providers.libvirt.machine import FW_CFG, Machine, version_text
from provision.seed import meta_data, seed_iso, user_data_multipart

CONSOLE = "console:/dev/ttyS0"
"""Where the agent also writes its report, for when the port does not carry it."""
USER_DATA = "VirtualMachine spec.userData.cloudInit.inline"
IGNITION = "VirtualMachine spec.userData.ignition.inline"
SECTOR = 512
"""Bytes: a volume of a pool is made of whole ones."""
CLOUD_INIT_ONLY = (
    "VirtualMachine spec.metaData.",
    "VirtualMachine spec.networks[].ipAddress",
    "VirtualMachine spec.networks[].prefix",
    "VirtualMachine spec.networks[].gateway",
    "VirtualMachine spec.networks[].dns",
    "VMNetworkAttachment spec.ipAllocation.",
)


def guest_data(vm: VmSpec) -> bytes:
    """The seed's image, or the Ignition config. Raises ValueError for what the guest would ignore or refuse."""
    part = agent_part(vm, (CONSOLE,))
    if vm.ignition is not None:
        config = ignition_config(vm.ignition, part)
        return config + b"\n" * (-len(config) % SECTOR)
    user_data = user_data_multipart(vm.user_data, part)
    meta = meta_data(vm.namespace, vm.name, user_data, vm.meta_data)
    return seed_iso(user_data, meta, network_config(vm.networks))


def guest_digest(vm: VmSpec) -> str:
    """Over the user's own part only: a newer agent is no reason to throw a disk away."""
    network = network_config(vm.networks)  # cloud-init takes addresses up once, like all of its data
    said = f"{vm.user_data or ''}\0{vm.meta_data or ''}".encode() + (b"\0" + network if network else b"")
    if vm.ignition is not None:
        said = b"ignition\0" + vm.ignition.encode()
    return hashlib.sha256(said).hexdigest()


def check_guest_data(vm: VmSpec, machine: Machine) -> None:
    """Raises ProviderError when it would not reach the guest, or be ignored there."""
    path = USER_DATA if vm.ignition is None else IGNITION
    if vm.ignition is not None and not machine.fw_cfg:
        raise ProviderError(
            f"{where(vm, path)}: Ignition needs libvirt {version_text(FW_CFG)}, that host has "
            f"{version_text(machine.version)}",
            hint="update libvirt on that host, or use cloud-init",
            refused=True,
        )
    try:
        guest_data(vm)
    except ValueError as e:
        raise ProviderError(f"{where(vm, path)}: {e}", refused=True) from e


def without_seed(vm: VmSpec, accounts: tuple[FieldAccount, ...]) -> tuple[FieldAccount, ...]:
    """The accounts of a VM that Ignition sets up, which reads nothing of a seed."""
    if vm.ignition is None:
        return accounts
    lost = {f.path for f in vm.fields if f.schema.startswith(CLOUD_INIT_ONLY)}
    how = "cloud-init's, and this VM is set up by Ignition: write it there"
    return tuple(
        FieldAccount(a.path, a.value, Handling.UNSUPPORTED, how, a.origin) if a.path in lost else a for a in accounts
    )
