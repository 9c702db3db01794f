"""cloud-init's network configuration for static addresses: each NIC is known by its MAC. Pure.

https://docs.cloud-init.io/en/latest/reference/network-config-format-v2.html
"""

import json
from collections.abc import Sequence

from provision.model import NetworkSpec


def network_config(networks: Sequence[NetworkSpec], macs: Sequence[str] = ()) -> bytes | None:
    """Version 2; None when no NIC has an address of its own, so that cloud-init does what it always does.

    `macs` are those of the NICs that the hypervisor chose, in the order of `networks`, empty where it is not known. A
    NIC without an address gets one by DHCP.
    """
    if not any(network.address for network in networks):
        return None
    nics = {}
    for number, network in enumerate(networks):
        mac = network.mac or (macs[number] if number < len(macs) else "")
        if mac:
            nics[f"nic{number}"] = {"match": {"macaddress": mac.lower()}, **_addresses(network)}
    return (json.dumps({"version": 2, "ethernets": nics}, sort_keys=True) + "\n").encode()


def _addresses(network: NetworkSpec) -> dict[str, object]:
    found = network.address
    if found is None:
        return {"dhcp4": True}
    keys: dict[str, object] = {"addresses": [found.address]}
    if found.gateway:
        keys["routes"] = [{"to": "0.0.0.0/0", "via": found.gateway}]
    names = {"addresses": list(found.dns), "search": list(found.search)}
    if given := {key: value for key, value in names.items() if value}:
        keys["nameservers"] = given
    return keys
