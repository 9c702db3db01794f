"""The meaning of a VMImage: its checksum, where it comes from, and which provider it serves."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from provision.manifests import checksum, rulebook
from provision.manifests.documents import Document
from provision.manifests.leaves import hide_password
from provision.manifests.schemas import VMImage
from provision.manifests.schemas.vmimage import HttpSource, ImageSource, ProxmoxSource
from provision.manifests.text import listed, shown
from provision.manifests.tree import Loc
from provision.model import DISK_FORMATS, Checksum, ImageSpec, LibraryItem, Problem

NEEDED = {
    "libvirt": "libvirt.path, libvirt.url, http.url or registry.image",
    "vsphere": "vsphere.templateName, vsphere.contentLibrary, vsphere.ovaURL or the http.url of an OVA",
    "proxmox": "proxmox.templateID, proxmox.templateName, http.url or registry.image",
}
"""What a provider can start from."""

_TWO_WAYS = {
    "vsphere": ("templateName", "contentLibrary", "ovaURL"),
    "proxmox": ("templateID", "templateName"),
}
"""Fields of a part of spec.source that each name the image, the one that counts first."""

_ROLLING = re.compile(r"/(release|current|latest|daily)/|[-_./]latest\b|/latest[-_.]")


class Download(msgspec.Struct, frozen=True):
    """A part of spec.source that names a file and its checksum."""

    loc: Loc
    url: str | None
    checksum: str | None
    checksum_type: str


def _downloads(document: Document[VMImage]) -> Iterator[Download]:
    if document.model is None:
        return
    source = document.model.spec.source
    if source.libvirt:
        part = source.libvirt
        yield Download(("spec", "source", "libvirt"), part.url, part.checksum, part.checksum_type)
    if source.vsphere:
        vsphere = source.vsphere
        yield Download(("spec", "source", "vsphere"), vsphere.ova_url, vsphere.checksum, vsphere.checksum_type)
    if source.http:
        http = source.http
        yield Download(("spec", "source", "http"), http.url, http.checksum, http.checksum_type)


def check(document: Document[VMImage]) -> Iterator[Problem]:
    """Every broken rule of one image."""
    for download in _downloads(document):
        yield from _check_checksum(document, download)
        if download.url is not None:
            yield from _check_url(document, download, download.url)
    if document.model is None:
        return
    architecture = document.model.spec.metadata.architecture
    if architecture not in ("amd64", "x86_64"):
        loc: Loc = ("spec", "metadata", "architecture")
        what = f"the image is for {architecture}"
        yield rulebook.IMAGE_ARCHITECTURE.broken(document.at(*loc), document.path(*loc), what)
    source = document.model.spec.source
    if is_empty(source):
        loc = ("spec", "source")
        yield rulebook.IMAGE_EMPTY.broken(document.places.place(loc), document.path(*loc), "spec.source names no image")
    for part, keys in _TWO_WAYS.items():
        given = [key for key in keys if document.has("spec", "source", part, key)]
        for key in given[1:]:
            loc = ("spec", "source", part, key)
            what = f"{given[0]} and {key} are both set, and {given[0]} counts"
            yield rulebook.IMAGE_TWO_WAYS.broken(document.places.place(loc), document.path(*loc), what)
    if source.http:
        yield from _check_logins(document, source.http)
    if source.libvirt and source.libvirt.path is not None and source.libvirt.url is not None:
        loc = ("spec", "source", "libvirt", "url")
        yield rulebook.IMAGE_AMBIGUOUS.broken(document.at(*loc), document.path(*loc), "path and url are both set")


def _check_logins(document: Document[VMImage], http: HttpSource) -> Iterator[Problem]:
    part: Loc = ("spec", "source", "http")
    for name in http.headers:
        if name.lower() in ("authorization", "cookie", "private-token", "x-jfrog-art-api"):
            loc = (*part, "headers", name)
            what = f"{shown(name)} stands there in plain text"
            yield rulebook.LOGIN_IN_HEADERS.broken(document.places.place(loc), document.path(*loc), what)
    if http.authentication and http.authentication.basic_auth and http.authentication.bearer:
        loc = (*part, "authentication", "basicAuth")
        what = "basicAuth and bearer are both set, and bearer counts"
        yield rulebook.LOGIN_TWICE.broken(document.places.place(loc), document.path(*loc), what)


def is_empty(source: ImageSource) -> bool:
    """There is no image in any part of it."""
    libvirt, vsphere, proxmox = source.libvirt, source.vsphere, source.proxmox
    return not (
        source.http
        or source.registry
        or source.data_volume
        or (libvirt and (libvirt.path or libvirt.url))
        or (vsphere and (vsphere.template_name or vsphere.content_library or vsphere.ova_url))
        or (proxmox and (proxmox.template_id or proxmox.template_name))
    )


def check_format(document: Document[VMImage], image: ImageSpec) -> Problem | None:
    """A disk that a provider is to make from the image, and cannot."""
    if image.format in ("", *DISK_FORMATS):
        return None
    part = "proxmox" if image.url and document.has("spec", "source", "proxmox", "format") else None
    part = part or ("registry" if image.registry else "libvirt")
    loc = ("spec", "source", part, "format")
    return rulebook.IMAGE_FORMAT.broken(document.at(*loc), document.path(*loc), f"the format is {image.format}")


def _check_checksum(document: Document[VMImage], download: Download) -> Iterator[Problem]:
    if download.checksum is None:
        return
    loc = (*download.loc, "checksum")
    try:
        _checksum(document, download)
    except ValueError as error:
        yield rulebook.CHECKSUM.broken(document.at(*loc), document.path(*loc), f"the checksum {error}")
        return
    if not checksum.is_bare(download.checksum):
        what = f'"{shown(download.checksum, 24)}" is more than the digest'
        yield rulebook.CHECKSUM_SHAPE.broken(document.at(*loc), document.path(*loc), what)


def _check_url(document: Document[VMImage], download: Download, url: str) -> Iterator[Problem]:
    loc = next((*download.loc, key) for key in ("url", "ovaURL") if document.has(*download.loc, key))
    origin, path = document.at(*loc), document.path(*loc)
    if hide_password(url) != url:
        yield rulebook.URL_PASSWORD.broken(origin, path, "the URL carries a password")
    if download.checksum is None:
        yield rulebook.UNVERIFIED_IMAGE.broken(origin, path, "the image is downloaded and not verified")
    elif _ROLLING.search(url):
        yield rulebook.ROLLING_IMAGE.broken(origin, path, "the URL names whatever is current, the checksum one file")


def _checksum(document: Document[VMImage], download: Download) -> Checksum | None:
    """Raises ValueError when the checksum cannot be one."""
    if download.checksum is None:
        return None
    said = document.has(*download.loc, "checksumType")
    return checksum.parse(download.checksum, download.checksum_type if said else None)


def _path(document: Document[VMImage], given: str) -> Path:
    """A relative path starts where the manifest is; an absolute one may be of another host and stays as it is."""
    path = Path(given)
    return path if path.is_absolute() else (document.directory / path).resolve()


def usable(document: Document[VMImage], provider_type: str) -> ImageSpec | Problem:
    """The image as a provider of this type starts from it; the Problem when it has no part for it.

    The checksum must have passed `check`. Raises ValueError when it did not.
    """
    assert document.model is not None
    source = document.model.spec.source
    downloads = {download.loc[-1]: download for download in _downloads(document)}
    name, origin = document.name, document.origin
    prepare = document.model.spec.prepare
    prepared = prepare.storage if prepare else None
    pool = prepared.libvirt.storage_pool if prepared and prepared.libvirt else None
    if source.libvirt and source.libvirt.storage_pool:
        pool = source.libvirt.storage_pool
    if provider_type == "libvirt" and source.libvirt and (source.libvirt.path or source.libvirt.url):
        part = source.libvirt
        path = _path(document, part.path) if part.path else None
        verified = _checksum(document, downloads["libvirt"])
        return ImageSpec(name, path, part.url, part.format, verified, origin, storage=pool)
    if provider_type == "libvirt" and source.http:
        http = source.http
        return ImageSpec(name, None, http.url, "qcow2", _checksum(document, downloads["http"]), origin, storage=pool)
    if provider_type == "libvirt" and (registry := source.registry):
        return ImageSpec(name, None, None, registry.format, None, origin, storage=pool, registry=registry.image)
    storage = prepared.vsphere.datastore if prepared and prepared.vsphere else None
    if provider_type == "vsphere" and source.vsphere and (vsphere := source.vsphere):
        if vsphere.template_name:
            return ImageSpec(name, None, None, "", None, origin, template=vsphere.template_name, storage=storage)
        if library := vsphere.content_library:
            item = LibraryItem(library.library, library.item, library.version)
            return ImageSpec(name, None, None, "", None, origin, library_item=item, storage=storage)
        if vsphere.ova_url:
            verified = _checksum(document, downloads["vsphere"])
            return ImageSpec(name, None, vsphere.ova_url, "", verified, origin, storage=storage)
    if provider_type == "vsphere" and source.http and re.search(r"\.(ova|ovf)$", urlsplit(source.http.url).path):
        verified = _checksum(document, downloads["http"])
        return ImageSpec(name, None, source.http.url, "", verified, origin, storage=storage)
    if provider_type == "proxmox" and (source.proxmox or source.http or source.registry):
        return _proxmox(document, downloads) or _unusable(document, provider_type)
    return _unusable(document, provider_type)


def _proxmox(document: Document[VMImage], downloads: Mapping[str | int, Download]) -> ImageSpec | None:
    """A template, or the disk behind source.http or source.registry imported into the storage of source.proxmox."""
    assert document.model is not None
    source, name, origin = document.model.spec.source, document.name, document.origin
    part = source.proxmox or ProxmoxSource()
    image = ImageSpec(
        name, None, None, "", None, origin, template=part.template_name, template_id=part.template_id,
        storage=part.storage, node=part.node, full_clone=part.full_clone,
    )  # fmt: skip
    if part.template_id or part.template_name:
        return image
    if source.http is None and source.registry is not None:
        return msgspec.structs.replace(image, registry=source.registry.image, format=source.registry.format)
    if source.http is None:
        return None
    return msgspec.structs.replace(
        image, url=source.http.url, format=part.format, checksum=_checksum(document, downloads["http"])
    )


def _unusable(document: Document[VMImage], provider_type: str) -> Problem:
    given = listed(sorted(document.places.value["spec"]["source"]) or ["nothing"], "and")
    wanted = NEEDED[provider_type]
    loc = ("spec", "source")
    what = f"spec.source has {given}, a {provider_type} provider needs {wanted}"
    return rulebook.IMAGE_SOURCE.broken(document.places.place(loc), document.path(*loc), what)
