"""Where a VM goes: which node, and from which template. Pure."""

from collections.abc import Sequence

from provision.model import VmSpec
from provision.provider import ProviderError
from provision.providers.proxmox import gates
from provision.providers.proxmox.cpu import choose
from provision.providers.proxmox.facts import Node
from provision.providers.proxmox.guests import Resource
from provision.providers.proxmox.words import HOST, refusal


def template_of(vm: VmSpec, resources: Sequence[Resource]) -> Resource | None:
    """The template that the image names; None when it names none. Raises ProviderError when there is none such."""
    image = vm.image
    if image.template is None and image.template_id is None:
        return None
    by_number = image.template_id
    found = [
        each for each in resources
        if (each.vmid == by_number if by_number is not None else each.name == image.template)
        and (image.node is None or each.node == image.node)
    ]  # fmt: skip
    wanted = f"template {by_number if by_number is not None else image.template!r}"
    at = f"{image.origin}: image {image.name}"
    if not found:
        hint = "VMImage spec.source.proxmox: templateID or templateName, node; the role needs VM.Audit on it"
        raise ProviderError(f"{at}: there is no {wanted}, or you may not see it", hint=hint, refused=True)
    templates = [each for each in found if each.template]
    if not templates:
        numbers = ", ".join(str(each.vmid) for each in found)
        hint = f"make it one: qm template {found[0].vmid}"
        raise ProviderError(f"{at}: VM {numbers} is no template", hint=hint, refused=True)
    if len(templates) > 1:
        numbers = ", ".join(str(each.vmid) for each in templates)
        raise ProviderError(f"{at}: {wanted} is there more than once ({numbers})", hint="name it by templateID")
    return templates[0]


def node_for(vm: VmSpec, nodes: Sequence[Node], pinned: str | None) -> Node:
    """The node that can run the VM: `pinned` or the one that is named, else the able one with most free memory.

    Raises ProviderError: that node's own reason, or every node's when none can.
    """
    named = pinned or vm.placement.host or vm.image.node
    if named:
        node = next((node for node in nodes if node.name == named), None)
        if node is None:
            known = ", ".join(node.name for node in nodes)
            raise refusal(vm, HOST, f"the cluster has no node {named}", f"it has: {known}")
        if node.fault:
            raise ProviderError(f"node {named}: {node.fault}", hint="bring it back, or name another node")
        _able(vm, node)
        return node
    faults: list[ProviderError] = []
    able = []
    for node in nodes:
        if node.fault:
            faults.append(ProviderError(f"{node.name}: {node.fault}"))
            continue
        try:
            _able(vm, node)
        except ProviderError as e:
            faults.append(e)
        else:
            able.append(node)
    if able:
        return max(able, key=lambda node: (node.offers is not False, node.free_mib, node.name))
    if len(faults) == 1:
        raise faults[0]
    said = "; ".join(dict.fromkeys(str(fault) for fault in faults))
    hint = next((fault.hint for fault in faults if fault.hint), "")
    raise ProviderError(f"no node of the cluster can run it: {said}", hint=hint, refused=True)


def _able(vm: VmSpec, node: Node) -> None:
    gates.check(vm, node)
    choose(vm, node)
