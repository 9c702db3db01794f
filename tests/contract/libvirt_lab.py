"""One endpoint that the contract is tried on, and what is left of VMs on this machine."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vm_factory import image, wanted

from provision.model import VmSpec
from provision.provider import Provider


def processes(marker: str) -> list[str]:
    """Command lines of living processes that contain a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if marker in command and "qemu-system" in command:
                found.append(command.replace("\0", " "))
    return found


KVM_GET_API_VERSION = 0xAE00


def kvm_runs() -> bool:
    """KVM is there and answers, which is what decides; flags and modules do not."""
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return fcntl.ioctl(kvm, KVM_GET_API_VERSION) == 12
    except OSError:
        return False
    finally:
        os.close(kvm)


TINY = "guest=default.tiny,"


@dataclass
class Lab:
    """One endpoint to try the contract on."""

    endpoint: str
    provider: Provider
    remains: Callable[[], set[str]]
    """Files that belong to VMs at this moment."""
    image: Path
    disks: Path
    """The directory that the disks of this endpoint's VMs are below."""
    root: Path = Path("/")
    """Where its libvirt and QEMU are installed."""

    @property
    def has_swtpm(self) -> bool:
        return (self.root / "usr/bin/swtpm_setup").exists()

    def running(self) -> list[str]:
        """Command lines of the VMs `default/tiny` of this endpoint: others on this machine may have one too."""
        return [command for command in processes(TINY) if str(self.disks) in command]

    def vm(self, **changes: object) -> VmSpec:
        return wanted(image(self.image), self.endpoint, **changes)
