"""The image that a VM's disk starts from, and what it takes to fetch it."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from provision.guarded import Guarded
from provision.model.origin import Origin

DISK_FORMATS = ("qcow2", "raw")
"""Of images that disks are made from."""


class Checksum(msgspec.Struct, frozen=True):
    """A digest to hold a downloaded or local image against."""

    algorithm: str
    """md5, sha1, sha256 or sha512."""
    digest: str
    """Lower-case hexadecimal."""


class LibraryItem(msgspec.Struct, frozen=True):
    """An item of a vSphere content library; without a version the newest."""

    library: str
    item: str
    version: str | None = None


class Preparation(msgspec.Struct, frozen=True):
    """How an image is fetched and how a disk is made from it (spec.prepare of a VMImage)."""

    on_missing: str = "Import"
    """Import, Fail or Wait."""
    timeout: float | None = None
    """Seconds for all of it; None: as long as it takes."""
    retries: int = 3
    """Of a download that breaks off."""
    force: bool = False
    """Fetch it again, also where it is here."""
    preallocation: str | None = None
    """libvirt: of the disk that is made from it: off, metadata, falloc or full; None: as the class has it."""
    eager: bool = False
    """libvirt: the disk takes its space at once, where `preallocation` does not say."""


class ImageSpec(Guarded, frozen=True):
    """What a VM's disk starts from: exactly one of path, url, registry, template, template_id and library_item."""

    kept_back = frozenset({"url", "request"})

    name: str
    path: Path | None
    url: str | None
    """A disk to download; for vSphere an OVA or OVF. May carry a password."""
    format: str
    """Of the disk behind path or url; empty for a template and for an OVA."""
    checksum: Checksum | None
    origin: Origin
    template: str | None = None
    """The name of a vSphere or Proxmox template."""
    template_id: int | None = None
    """The number of a Proxmox template."""
    library_item: LibraryItem | None = None
    """vSphere."""
    storage: str | None = None
    """Where the image is kept at the provider: a libvirt storage pool, a vSphere datastore, a Proxmox storage."""
    node: str | None = None
    """The Proxmox node that has the template or is to import the image."""
    full_clone: bool = True
    """Proxmox: a copy of the template, not a clone linked to it."""
    registry: str | None = None
    """The name of an image in a container registry that has the disk in it."""
    request: "HttpRequest | None" = None
    """What a download needs besides its URL, a pull besides its name."""
    prepare: Preparation = Preparation()


class HttpRequest(Guarded, frozen=True):
    """Headers and credentials of a download; all of it may be secret."""

    kept_back = frozenset({"headers", "username", "password", "token", "certificate", "private_key"})

    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    username: str | None = None
    password: str | None = None
    token: str | None = None
    """Bearer token."""
    certificate: str | None = None
    """PEM of a client certificate."""
    private_key: str | None = None
