"""What a user asked for, resolved and typed: the wanted VM, its image, its provider, and where each value stands.

Manifests are read by `provision.manifests`; providers read only these classes. They are msgspec structs, which cost
nothing to define; those that hold secrets are `Guarded`.
"""

from provision.model.account import FieldAccount, Handling, SetField
from provision.model.image import DISK_FORMATS, Checksum, HttpRequest, ImageSpec, LibraryItem, Preparation
from provision.model.network import GuestAddress, NetworkKind, NetworkSpec
from provision.model.origin import Origin
from provision.model.problem import Problem, Severity
from provision.model.reach import Credentials, Placement, ProviderSpec
from provision.model.vm import AccelPolicy, Collector, CpuPolicy, ExtraDisk, Firmware, Gpus, Limits, VmSpec

__all__ = [
    "DISK_FORMATS",
    "AccelPolicy",
    "Checksum",
    "Collector",
    "CpuPolicy",
    "Credentials",
    "ExtraDisk",
    "FieldAccount",
    "Firmware",
    "Gpus",
    "GuestAddress",
    "Handling",
    "HttpRequest",
    "ImageSpec",
    "LibraryItem",
    "Limits",
    "NetworkKind",
    "NetworkSpec",
    "Origin",
    "Placement",
    "Preparation",
    "Problem",
    "ProviderSpec",
    "SetField",
    "Severity",
    "VmSpec",
]
