"""The meaning of networks: addresses that are set and not used, or that cannot work where they are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from provision.manifests import rulebook
from provision.manifests.documents import Document
from provision.manifests.rulebook import Rule
from provision.manifests.schemas import VMNetworkAttachment
from provision.manifests.text import listed, shown
from provision.manifests.tree import Loc
from provision.model import GuestAddress, Problem, VmSpec

_ALLOCATION: Loc = ("spec", "ipAllocation")
_STATIC: Loc = (*_ALLOCATION, "staticConfig")


def check(document: Document[VMNetworkAttachment]) -> Iterator[Problem]:
    """Every broken rule of one attachment."""
    allocation = document.model.spec.ip_allocation if document.model else None
    if allocation is None:
        return

    def broken(rule: Rule, loc: Loc, what: str) -> Problem:
        return rule.broken(document.places.place(loc), document.path(*loc), what)

    for number, server in enumerate(allocation.dns_config.servers if allocation.dns_config else ()):
        if not is_address(server):
            loc: Loc = (*_ALLOCATION, "dnsConfig", "servers", number)
            yield broken(rulebook.DNS_ADDRESS, loc, f'"{shown(server)}" is no IP address')
    static = allocation.static_config
    if allocation.type == "Static" and static is None:
        yield broken(rulebook.STATIC_CONFIG, (*_ALLOCATION, "type"), "type is Static, staticConfig is not set")
    elif allocation.type != "Static" and static is not None:
        yield broken(rulebook.STATIC_CONFIG, _STATIC, f"staticConfig is set, type is {allocation.type}")
    elif static is not None and is_outside(GuestAddress(static.address, static.gateway)):
        what = f"{static.gateway} is not in the network of {static.address}"
        yield broken(rulebook.GATEWAY_OUTSIDE, (*_STATIC, "gateway"), what)


def is_outside(address: GuestAddress) -> bool:
    """The gateway is in another network than the address."""
    from ipaddress import IPv4Address, IPv4Interface  # late: few manifests have addresses

    return address.gateway is not None and IPv4Address(address.gateway) not in IPv4Interface(address.address).network


def is_address(text: str) -> bool:
    """Of either version."""
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def check_neighbours(vms: Sequence[VmSpec]) -> Iterator[Problem]:
    """Addresses that several NICs of one provider have."""
    nics: defaultdict[tuple[str, ...], list[tuple[VmSpec, int]]] = defaultdict(list)
    for vm in vms:
        for number, nic in enumerate(vm.networks):
            if nic.address is not None:
                nics[vm.provider.endpoint, nic.source, nic.address.address.partition("/")[0]].append((vm, number))
            if nic.mac is not None:
                nics[vm.provider.endpoint, nic.mac].append((vm, number))
    for key, found in nics.items():
        for vm, number in found[1:]:
            others = listed(dict.fromkeys(other.key for other, n in found if (other, n) != (vm, number)), "and")
            path = f"VirtualMachine spec.networks[{number}]"
            yield rulebook.ADDRESS_TWICE.broken(vm.networks[number].origin, path, f"{key[-1]} is that of {others} too")
