"""The image that a VM's disk starts from, and what it takes to fetch it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from provision.model.origin import Origin


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


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The image that a VM's disk starts from: exactly one of path, url, template, template_id and library_item."""

    name: str
    path: Path | None
    url: str | None = field(repr=False)
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
    request: "HttpRequest | None" = field(default=None, repr=False)
    """What a download needs besides its URL."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Headers and credentials of a download; all of it may be secret."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    """Bearer token."""
    certificate: str | None = field(default=None, repr=False)
    """PEM of a client certificate."""
    private_key: str | None = field(default=None, repr=False)
