"""What a VM is called and where its parts are, on the host that runs it. Pure."""

import uuid
from pathlib import PurePosixPath

import msgspec


class Places(msgspec.Struct, frozen=True):
    """Where a VM's parts are on the host that runs it."""

    disk: PurePosixPath
    seed: PurePosixPath
    extras: str
    """The path of an extra disk, with `{}` for its name, without its ending."""
    console: PurePosixPath | None = None
    """A file for what the serial console says; None: a pty, to be listened to while it speaks."""
    port: PurePosixPath | None = None
    """The host's end of the report port; None: where libvirt puts it."""
    agent: PurePosixPath | None = None
    """The host's end of the QEMU guest agent's port; None: where libvirt puts it."""
    raw: frozenset[str] = frozenset()
    """The extra disks that are raw; the others are qcow2."""

    def extra_disk(self, name: str) -> PurePosixPath:
        """Where the extra disk of this name is."""
        ending = ".raw" if name in self.raw else ".qcow2"
        return PurePosixPath(self.extras.replace("{}", name) + ending)


def domain_name(namespace: str, name: str) -> str:
    """The domain's name; a namespace has no dot, so that two VMs never share one."""
    return f"{namespace}.{name}"


def domain_uuid(namespace: str, name: str) -> str:
    """Always the same for one VM: by it everything that belongs to the VM is found again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://nestproof.org/vm/{namespace}/{name}"))
