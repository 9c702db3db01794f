"""A wanted VM for tests: small, without cloud-init of its own, whatever is asked for set by keyword."""

from pathlib import Path
from typing import Any

from provision.model import (
    AccelPolicy,
    Checksum,
    Firmware,
    ImageSpec,
    NetworkKind,
    NetworkSpec,
    Origin,
    ProviderSpec,
    VmSpec,
)

NESTED = "VMClass spec.performanceProfile.nestedVirtualization"
SIZE = "VMClass spec.diskDefaults.size"
IMAGE = Origin("vm.yaml", 20, 3)
ORIGINS = {"vm": Origin("vm.yaml", 1, 1), NESTED: Origin("vm.yaml", 14, 5), SIZE: Origin("vm.yaml", 16, 5)}

# A boot sector (16-bit, at 0x7c00) that prints what follows it on the first serial port and halts:
# mov $0x3f8,%dx; mov $0x7c12,%si; 1: cs lodsb; test %al,%al; jz 2f; out %al,%dx; jmp 1b; 2: hlt; jmp 2b
PRINT_AND_HALT = bytes.fromhex("baf803be127c2eac84c07403eeebf7f4ebfd")


PRINT_FOR_EVER = PRINT_AND_HALT[:-2] + bytes.fromhex("ebee")
"""The same, but at every interrupt of the timer, 18 times a second, it begins again."""


def tiny_image(directory: Path, said: str = "tiny guest is up", *, for_ever: bool = False) -> Path:
    """A raw disk image that boots by BIOS within the blink of an eye, needs no kernel, and prints `said`."""
    sector = (PRINT_FOR_EVER if for_ever else PRINT_AND_HALT) + said.encode() + b"\r\n\0"
    path = directory / "tiny.img"
    path.write_bytes(sector.ljust(510, b"\0") + b"\x55\xaa")
    return path


def image(path: Path, *, form: str = "raw", checksum: Checksum | None = None) -> ImageSpec:
    return ImageSpec("tiny", path, None, form, checksum, IMAGE)


def net(source: str, kind: NetworkKind = NetworkKind.NETWORK, **changes: Any) -> NetworkSpec:
    """One NIC; `changes` are fields of NetworkSpec."""
    values: dict[str, Any] = {"name": source, "source": source, "kind": kind, "origin": IMAGE}
    return NetworkSpec(**values | changes)


def wanted(source: ImageSpec, endpoint: str = "qemu:///embed", **changes: Any) -> VmSpec:
    """One VM; `changes` are fields of VmSpec."""
    values: dict[str, Any] = {
        "namespace": "default",
        "name": "tiny",
        "provider": ProviderSpec("local", "libvirt", endpoint, None),
        "image": source,
        "cpus": 1,
        "memory_mib": 64,
        "disk_gib": 1,
        "firmware": Firmware.BIOS,
        "nested": True,
        "secure_boot": False,
        "power_on": True,
        "accel": AccelPolicy.TCG,
        "user_data": None,
        "meta_data": None,
        "networks": (),
        "origins": ORIGINS,
    }
    return VmSpec(**values | changes)
