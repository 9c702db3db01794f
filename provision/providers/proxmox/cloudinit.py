"""Proxmox's own cloud-init drive, for who prefers it to our seed: snippets, a user, keys, addresses. Pure.

Its data are keys of the VM's configuration. It runs nothing in the guest, so without our agent in a snippet or in the
image there is no report. A clone gets one such drive at most: cloud-init takes the first disk that is labelled for it.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from provision.model import NetworkSpec, VmSpec
from provision.providers.proxmox.words import EXTRA, USER_DATA, refusal

CUSTOM = "proxmox.cicustom"
"""The key of a VMClass's extraConfig that names snippets, which no API can upload."""
USER = "proxmox.ciuser"
KEYS = "proxmox.sshkeys"
"""One public key a line, as in `authorized_keys`."""
PASSWORD = "proxmox.cipassword"  # noqa: S105 - the name of a key
NATIVE = (CUSTOM, USER, KEYS)
"""Each of them asks for the native drive."""
SEED_DRIVE = "ide2"
DRIVE = re.compile(r"(ide|sata|scsi|virtio)\d+")


def native(vm: VmSpec) -> bool:
    """The VM has Proxmox's drive, and no seed of ours."""
    return any(key in vm.extra_config for key in NATIVE)


def check(vm: VmSpec) -> None:
    """Raises ProviderError, refused, for what the native drive cannot carry."""
    if PASSWORD in vm.extra_config:
        why = f"{PASSWORD}: a password in a class is read by everyone who may read the class"
        raise refusal(vm, f"{EXTRA}.{PASSWORD}", why, f"{KEYS}, or userData from a Secret")
    if native(vm) and (vm.user_data or vm.meta_data):
        why = f"there is user-data, and the class asks for Proxmox's own cloud-init drive ({_named(vm)[0]}): take one"
        raise refusal(vm, USER_DATA, why)


def notes(vm: VmSpec, template: str, config: Mapping[str, str]) -> tuple[str, ...]:
    """What is said aloud. `template` and its `config` are empty for a VM of an image."""
    found: tuple[str, ...] = ()
    if native(vm):
        part = "the part that `nestproof agent cloud-init` prints"
        found += (f"its cloud-init is yours ({', '.join(_named(vm))}): without {part} there will be no report",)
    if brought := other_drives(config):
        found += (
            f"{template} has a cloud-init drive on {', '.join(brought)}: the clone's is removed for {SEED_DRIVE}",
        )
    return found


def _named(vm: VmSpec) -> list[str]:
    return [key for key in NATIVE if key in vm.extra_config]


def settings(vm: VmSpec) -> dict[str, str]:
    """The keys of the native drive; none for a VM with a seed."""
    if not native(vm):
        return {}
    wanted = {key.partition(".")[2]: vm.extra_config[key] for key in (CUSTOM, USER) if key in vm.extra_config}
    if KEYS in vm.extra_config:
        wanted["sshkeys"] = quote(vm.extra_config[KEYS].strip(), safe="")
    return wanted | _addresses(vm.networks)


def _addresses(networks: Sequence[NetworkSpec]) -> dict[str, str]:
    """`ipconfigN` of every NIC, once one has an address of its own; names are the VM's, not a NIC's."""
    if not any(network.address for network in networks):
        return {}
    wanted = {}
    for number, network in enumerate(networks):
        found = network.address
        gateway = f",gw={found.gateway}" if found and found.gateway else ""
        wanted[f"ipconfig{number}"] = f"ip={found.address}{gateway}" if found else "ip=dhcp"
    for key, said in (
        ("nameserver", [name for network in networks if network.address for name in network.address.dns]),
        ("searchdomain", [name for network in networks if network.address for name in network.address.search]),
    ):
        if said:
            wanted[key] = " ".join(dict.fromkeys(said))
    return wanted


def other_drives(config: Mapping[str, str]) -> tuple[str, ...]:
    """Drives with cloud-init's data that a template brought along, on another place than ours."""
    volumes = {key: value.partition(",")[0] for key, value in config.items() if DRIVE.fullmatch(key)}
    return tuple(sorted(key for key, volume in volumes.items() if "cloudinit" in volume and key != SEED_DRIVE))
