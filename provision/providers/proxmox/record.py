"""What lives with a VM: in its description whose it is and what it was made from, and tags to find it by."""

import hashlib
import re

import msgspec

from provision.identity import Identity
from provision.model import VmSpec
from provision.provider import ProviderError

TAG = "nestproof"
SAFE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Kubernetes names (DNS labels, dots in between): what may become part of a file's name."""
RECORD = re.compile(r"<!-- nestproof/1 (\{.*\}) -->")
GONE = "removed"
"""In place of the seed's volume once the guest has read it."""
NATIVE = "native"
"""In place of the seed's volume where Proxmox's own cloud-init drive has it all."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Whose VM this is and what it was made from; digests for what is long or secret."""

    namespace: str
    name: str
    vmid: int
    """The VM that it was written for: a copy that somebody makes of that VM takes the record along and is not ours."""
    version: str
    """Of the nestproof that wrote it."""
    image: str
    """SHA-256 of the image file, or `template NUMBER`."""
    cloud_init: str
    """SHA-256 over the user's own user-data and meta-data."""
    seed: str = ""
    """Volume of the seed; empty until it is uploaded, GONE after the guest has read it."""
    named: str = ""
    """What the manifest said of the image: see `provision.identity`."""
    source: str = ""
    """Volume of an uploaded image that the disk was copied from; shared by VMs, and removed with the last."""

    @property
    def identity(self) -> Identity:
        """Of the image."""
        return Identity(self.image, self.named)

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def guest_name(namespace: str, name: str) -> str:
    """What a VM is called at Proxmox. Raises ProviderError for what cannot name one."""
    for part, longest in ((namespace, 63), (name, 120)):
        if not SAFE.fullmatch(part) or len(part) > longest:
            raise ProviderError(
                f"{part[:130]!r} cannot name a VM: lower-case letters, digits, '-' and '.', at most {longest}"
            )
    return f"{namespace}.{name}"


def identity_tag(namespace: str, name: str) -> str:
    """The tag of one VM: cluster-wide, and told by the one request that lists all VMs."""
    return f"{TAG}-{hashlib.sha256(f'{namespace}/{name}'.encode()).hexdigest()[:16]}"


def source_tag(sha256: str) -> str:
    """The tag of all VMs whose disk was copied from one uploaded image."""
    return f"{TAG}-image-{sha256[:16]}"


def tags(vm: VmSpec, source: str) -> str:
    """All tags, as Proxmox writes them. `source` is the digest of an uploaded image, or empty."""
    own = {TAG, identity_tag(vm.namespace, vm.name)} | ({source_tag(source)} if source else set())
    theirs = {re.sub(r"[^a-z0-9_.+-]", "-", tag.lower()).lstrip("-+.") for tag in vm.tags}
    return ";".join(sorted(own | {tag for tag in theirs if tag}))


def description(record: Record) -> str:
    """For people, and the record for the next run in a comment that Proxmox's notes do not show."""
    told = f"Made by nestproof for {record.key}: `nestproof destroy` removes it."
    return f"{told}\n\n<!-- nestproof/1 {msgspec.json.encode(record).decode()} -->\n"


def read_record(text: str) -> Record | None:
    """The record in a description; None when there is none that can be read."""
    found = RECORD.search(text)
    if not found:
        return None
    try:
        return msgspec.json.decode(found[1], type=Record)
    except msgspec.MsgspecError:
        return None
