"""Which image a disk was made from: told without the image's file, which this machine may not have (any more)."""

import hashlib

import msgspec

from provision.images import LocalImage, packed_digest
from provision.model import ImageSpec


class Identity(msgspec.Struct, frozen=True):
    """What is recorded with a VM. What is not known is empty."""

    content: str
    """SHA-256 of the file."""
    named: str = ""
    """What the manifest says of it: its checksum, else a digest of its URL."""

    def seen_from(self, before: "Identity") -> "Identity":
        """`before`, if that is this image under the same name or with the same content."""
        alike = ((self.content, before.content), (self.named, before.named))
        return before if any(new and new == old for new, old in alike) else self


def identify(image: ImageSpec, file: LocalImage | None) -> Identity:
    """`file` is the image where it is here. Without a checksum it is one image for as long as its URL or name is."""
    checksum = image.checksum
    stated = checksum.digest if checksum and checksum.algorithm == "sha256" else ""
    named = ""
    if checksum:
        named = f"{checksum.algorithm}:{checksum.digest}"
    elif image.url:
        named = f"url:{hashlib.sha256(image.url.encode()).hexdigest()}"  # it may hold a password
    elif image.registry:
        named = f"registry:{hashlib.sha256(image.registry.encode()).hexdigest()}"
    elif packed := packed_digest(image):
        named = f"sha256:{packed}"  # known before it is unpacked
    return Identity(file.sha256 if file else stated, named)
