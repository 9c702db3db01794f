"""What the guest is told and what it tells by guestinfo variables: cloud-init's DataSourceVMware, our report. Pure.

https://docs.cloud-init.io/en/latest/reference/datasources/vmware.html
"""

import base64
import gzip
import json
import zlib
from collections.abc import Mapping

from agent.channels.guestinfo import KEY as REPORT
from provision.agent_part import agent_part
from provision.model import VmSpec
from provision.seed import meta_data, user_data_multipart

LIMIT = 65536
"""Bytes of one variable: VMware's limit for a message between guest and VMX."""
LARGEST = 16 << 20
"""Bytes that a report may unpack to."""
AGAIN = 300
"""Seconds after which the agent looks whether something has changed, and reports it."""


def variables(vm: VmSpec) -> dict[str, str]:
    """The variables for a VM's first boot; the report of an earlier boot is removed. Raises ValueError."""
    found = {REPORT: "", f"{REPORT}.encoding": ""}
    if vm.ignition is not None:
        return found | _packed("ignition.config.data", vm.ignition.encode(), "gzip+base64")
    user_data = user_data_multipart(vm.user_data, agent_part(vm, ("guestinfo",), AGAIN))
    meta = json.loads(meta_data(vm.namespace, vm.name, user_data, vm.meta_data))
    if network := _network(vm):
        meta["network"] = base64.b64encode(json.dumps(network, sort_keys=True).encode()).decode()
        meta["network.encoding"] = "base64"
    found |= _packed("metadata", json.dumps(meta, sort_keys=True).encode(), "gzip+base64")
    return found | _packed("userdata", user_data, "gzip+base64")


def _packed(name: str, data: bytes, encoding: str) -> dict[str, str]:
    value = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
    if len(value) > LIMIT:
        raise ValueError(
            f"{name} has {len(data)} bytes, {len(value)} when packed; a guestinfo variable takes {LIMIT}: "
            f"{len(value) - LIMIT} too many"
        )
    return {f"guestinfo.{name}": value, f"guestinfo.{name}.encoding": encoding}


def _network(vm: VmSpec) -> dict[str, object]:
    """Network configuration, version 2, of the NICs with a static address."""
    nics: dict[str, object] = {}
    for index, nic in enumerate(vm.networks):
        if nic.address is None or nic.mac is None:
            continue
        settings: dict[str, object] = {"match": {"macaddress": nic.mac}, "addresses": [nic.address.address]}
        if nic.address.gateway:
            settings["gateway4"] = nic.address.gateway
        if nic.address.dns or nic.address.search:
            settings["nameservers"] = {"addresses": list(nic.address.dns), "search": list(nic.address.search)}
        nics[f"nic{index}"] = settings
    return {"version": 2, "ethernets": nics} if nics else {}


def report(options: Mapping[str, str]) -> bytes | None:
    """The report among a VM's extraConfig; None when it has sent none. Raises ValueError for a damaged one."""
    value = options.get(REPORT, "")
    if not value:
        return None
    if len(value) > LIMIT:
        raise ValueError(f"it has {len(value)} characters, more than VMware takes")
    if options.get(f"{REPORT}.encoding", "") != "gzip+base64":
        raise ValueError("its encoding is not gzip+base64")
    try:
        unpacker = zlib.decompressobj(31)
        data = unpacker.decompress(base64.b64decode(value, validate=True), LARGEST)
    except (ValueError, zlib.error) as e:
        raise ValueError(f"it is damaged: {str(e)[:100]}") from e
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("it is too large, or cut off")
    return data
