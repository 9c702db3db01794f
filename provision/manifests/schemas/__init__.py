"""The kinds of manifest that nestproof reads, with all their fields and constraints."""

from provision.manifests.schemas.base import Resource
from provision.manifests.schemas.network import VMNetworkAttachment
from provision.manifests.schemas.provider import Provider
from provision.manifests.schemas.secret import Secret
from provision.manifests.schemas.virtualmachine import VirtualMachine
from provision.manifests.schemas.vmclass import VMClass
from provision.manifests.schemas.vmimage import VMImage

VIRTRIGAUD = "infra.virtrigaud.io/v1beta1"

KINDS: dict[str, tuple[str, type[Resource]]] = {
    "VMClass": (VIRTRIGAUD, VMClass),
    "VMImage": (VIRTRIGAUD, VMImage),
    "VirtualMachine": (VIRTRIGAUD, VirtualMachine),
    "Provider": (VIRTRIGAUD, Provider),
    "VMNetworkAttachment": (VIRTRIGAUD, VMNetworkAttachment),
    "Secret": ("v1", Secret),
}
"""Kind -> its apiVersion and schema."""

PASSED_OVER = frozenset({"VMSet", "VMClone", "VMMigration", "VMSnapshot", "VMPlacementPolicy", "Namespace"})
"""Kinds that may lie beside ours and ask nothing of nestproof."""

__all__ = [
    "KINDS",
    "PASSED_OVER",
    "VIRTRIGAUD",
    "Provider",
    "Resource",
    "Secret",
    "VMClass",
    "VMImage",
    "VMNetworkAttachment",
    "VirtualMachine",
]
