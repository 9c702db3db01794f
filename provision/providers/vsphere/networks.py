"""What a portgroup lets through: VMs bridged out of a nested VM have MAC addresses that vSphere does not know."""

from typing import Any

import msgspec
from pyVmomi import vim

from provision.model import NetworkSpec, VmSpec
from provision.provider import ProviderError
from provision.providers.vsphere.connection import Connection
from provision.providers.vsphere.inventory import Inventory
from provision.providers.vsphere.properties import Read

SWITCHES, GROUPS = "config.network.vswitch", "config.network.portgroup"
STANDARD = ("name", SWITCHES, GROUPS)
"""Of a host: its standard switches, and the portgroups on them."""
NAT = "VMs behind NAT inside the VM need nothing of this"


class Policy(msgspec.Struct, frozen=True):
    """What decides about frames of unknown MAC addresses; None: not shown."""

    promiscuous: bool | None
    forged: bool | None
    learning: bool | None

    @property
    def passes(self) -> bool | None:
        """Frames from and to a VM inside a VM pass; None when that is not shown."""
        if self.forged is None:
            return None
        return bool(self.forged and (self.learning or self.promiscuous))


def portgroup(inventory: Inventory, nic: NetworkSpec) -> Read:
    """The portgroup or network of a NIC. Raises ProviderError, with the place of the NIC."""
    try:
        if nic.switch:
            switch = inventory.find(vim.DistributedVirtualSwitch, nic.switch, "distributed switch")
            groups = inventory.of(vim.dvs.DistributedVirtualPortgroup)
            found = [g for g in groups if g.name == nic.source
                     and g.get("config.distributedVirtualSwitch") == switch.ref]  # fmt: skip
            if len(found) == 1:
                return found[0]
        return inventory.find(vim.Network, nic.source, "network")
    except ProviderError as e:
        raise ProviderError(f"{nic.origin}: {e}", hint=e.hint) from e


def backings(inventory: Inventory, vm: VmSpec) -> dict[str, Any]:
    """What the NICs of a VM are to hang on, by the name of the network. Raises ProviderError."""
    return {nic.source: _backing(inventory, portgroup(inventory, nic)) for nic in vm.networks}


def names(inventory: Inventory) -> dict[str, str]:
    """Names of distributed portgroups by their keys."""
    return {str(g.get("config.key")): g.name for g in inventory.of(vim.dvs.DistributedVirtualPortgroup)}


def _backing(inventory: Inventory, group: Read) -> Any:
    if isinstance(group.ref, vim.dvs.DistributedVirtualPortgroup):
        switch = inventory.by_ref(group.get("config.distributedVirtualSwitch"))
        port = vim.dvs.PortConnection(
            portgroupKey=group.get("config.key"), switchUuid=switch.get("uuid") if switch else None
        )
        return vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    return vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=group.name, network=group.ref)


def policy(group: Read) -> Policy:
    """The policy of a distributed portgroup."""
    setting = group.get("config.defaultPortConfig")
    if setting is None:
        return Policy(None, None, None)
    newer, older = getattr(setting, "macManagementPolicy", None), getattr(setting, "securityPolicy", None)
    if newer is not None and newer.forgedTransmits is not None:
        learning = newer.macLearningPolicy
        return Policy(bool(newer.allowPromiscuous), bool(newer.forgedTransmits), bool(learning and learning.enabled))
    if older is None:
        return Policy(None, None, None)
    return Policy(_value(older.allowPromiscuous), _value(older.forgedTransmits), None)


def standard(host: Read | None) -> dict[str, Policy]:
    """The policies of a host's standard portgroups by name: a portgroup's own settings, else those of its switch."""
    found: dict[str, Policy] = {}
    switches = {str(s.name): s.spec.policy for s in (host.get(SWITCHES) if host is not None else None) or ()}
    for group in (host.get(GROUPS) if host is not None else None) or ():
        levels = (group.computedPolicy, group.spec.policy, switches.get(str(group.spec.vswitchName)))
        securities = [level.security for level in levels if level is not None and level.security is not None]
        promiscuous = _first(securities, "allowPromiscuous")
        found[str(group.spec.name)] = Policy(promiscuous, _first(securities, "forgedTransmits"), None)
    return found


def _first(levels: list[Any], name: str) -> bool | None:
    return next((bool(value) for level in levels if (value := getattr(level, name)) is not None), None)


def notes(inventory: Inventory, vm: VmSpec, host: Read | None) -> tuple[str, ...]:
    """What a nested VM's networks do with frames of the VMs inside it, where that is not all well.

    `host` has STANDARD of the host that the VM is or will be on; None when it cannot be seen.
    """
    found, there = [], standard(host)
    for nic in vm.networks if vm.nested else ():
        group = portgroup(inventory, nic)
        distributed = isinstance(group.ref, vim.dvs.DistributedVirtualPortgroup)
        state = policy(group) if distributed else there.get(group.name, Policy(None, None, None))
        if distributed and state.passes is False and not nic.promiscuous:
            lacking = "forged transmits" if not state.forged else "MAC learning"
            found.append(
                f"portgroup {nic.source} drops frames of VMs that are bridged out of this VM: it lacks {lacking}; "
                f"security.allowPromiscuous: true in the VMNetworkAttachment has it changed; {NAT}"
            )
        elif not distributed and state.passes is None:
            found.append(
                f"network {nic.source} is on standard switches: VMs bridged out of this VM need promiscuous mode and "
                f"forged transmits on each host's switch, which this account cannot see; {NAT}"
            )
        elif not distributed and not state.passes and host is not None:
            lacks = (("promiscuous mode", state.promiscuous), ("forged transmits", state.forged))
            quoted = "'" + group.name.replace("'", "'\\''") + "'"
            found.append(
                f"portgroup {nic.source} of host {host.name} drops frames of VMs that are bridged out of this VM: "
                f"it lacks {' and '.join(name for name, on in lacks if not on)}; on every host that the VM may run on: "
                f"esxcli network vswitch standard portgroup policy security set -p {quoted} -o true -f true; {NAT}"
            )
    return tuple(found)


def to_open(inventory: Inventory, vm: VmSpec) -> tuple[Read, ...]:
    """The distributed portgroups that the user wants opened and that are not open yet."""
    groups = {g.id: g for nic in vm.networks if nic.promiscuous for g in (portgroup(inventory, nic),)}
    return tuple(g for g in groups.values()
                 if isinstance(g.ref, vim.dvs.DistributedVirtualPortgroup) and policy(g).passes is False)  # fmt: skip


def opening_spec(connection: Connection, version: str) -> Any:
    """The change that opens a portgroup: MAC learning where the API has it, promiscuous mode where it has not."""
    setting: Any = vim.dvs.VmwareDistributedVirtualSwitch.VmwarePortConfigPolicy
    if connection.knows(setting, "macManagementPolicy"):
        learning = vim.dvs.VmwareDistributedVirtualSwitch.MacLearningPolicy(
            enabled=True, allowUnicastFlooding=True, limit=4096, limitPolicy="DROP"
        )
        change = setting(macManagementPolicy=vim.dvs.VmwareDistributedVirtualSwitch.MacManagementPolicy(
            allowPromiscuous=False, macChanges=True, forgedTransmits=True, macLearningPolicy=learning))  # fmt: skip
    else:
        on = vim.BoolPolicy(inherited=False, value=True)
        change = setting(securityPolicy=vim.dvs.VmwareDistributedVirtualSwitch.SecurityPolicy(
            inherited=False, allowPromiscuous=on, macChanges=on, forgedTransmits=on))  # fmt: skip
    return vim.dvs.DistributedVirtualPortgroup.ConfigSpec(configVersion=version, defaultPortConfig=change)


def _value(policy: Any) -> bool:
    return bool(policy is not None and policy.value)
