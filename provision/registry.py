"""Disk images in container registries: as KubeVirt's containerDisks hold them, and as artifacts of one file.

The OCI specifications of distribution and images say how a registry is asked. What it sends is held against the digests
that its manifest states, and is not trusted beyond that.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import msgspec
import requests

from provision import container_disk, download
from provision.budget import Budget
from provision.cache import locked
from provision.http_session import mirrored
from provision.model import Checksum, HttpRequest
from provision.provider import Progress
from provision.registry_login import Login
from provision.registry_name import Reference, kept, parse
from provision.transfer import Absent, reason
from provision.urls import shown

LISTS = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
SINGLE = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
PLATFORM = ("linux", "amd64")
TITLE = "org.opencontainers.image.title"
"""The annotation by which an artifact's layer is a file of that name."""
LARGEST_MANIFEST = 4 << 20

Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""


class _Entry(msgspec.Struct, rename={"media_type": "mediaType"}):
    digest: Digest
    media_type: str = ""
    platform: _Platform = msgspec.field(default_factory=_Platform)
    annotations: dict[str, str] | None = None


class _Manifest(msgspec.Struct, rename={"media_type": "mediaType"}):
    media_type: str = ""
    manifests: list[_Entry] = []
    layers: list[_Entry] = []


def pull(
    name: str, request: HttpRequest | None, progress: Progress, budget: Budget, *, anew: bool = False
) -> Path:  # fmt: skip
    """The disk in the image of this name, pulled unless it is kept. Raises ValueError (one line) or OSError.

    `anew` asks the registry what the name stands for by now. A mirror is not shown what `request` has for the registry.
    """
    reference, path = parse(name), kept(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, lambda: progress(f"waiting for {reference}, which is being pulled already"), budget.pause):
        if anew or not path.is_file():
            _Pull(reference, request, progress, budget).into(path)
    return path


class _Pull:
    def __init__(
        self, reference: Reference, request: HttpRequest | None, progress: Progress, budget: Budget
    ) -> None:  # fmt: skip
        self._reference = reference
        self._progress = progress
        self._budget = budget
        self._url = mirrored(reference.url, os.environ)
        if self._url != reference.url:
            progress(f"{reference} comes from the mirror {shown(self._url)}")
            request = None
        self._login = Login(self._url, reference.repository, request)

    def into(self, path: Path) -> None:
        layers = self._layers()
        first = layers[0]
        if len(layers) == 1 and (TITLE in (first.annotations or {}) or not container_disk.is_layer(first.media_type)):
            self._blob(first).replace(path)
            return
        for layer in reversed(layers):  # the uppermost comes last, and counts
            if not container_disk.is_layer(layer.media_type):
                raise ValueError(f"{self._reference}: a layer is of type {layer.media_type[:80]}, not a tar archive")
            blob = self._blob(layer)
            try:
                if container_disk.extract(blob, layer.media_type, path, self._progress):
                    return
            except ValueError as e:
                raise ValueError(f"{self._reference}: {e}") from e
            finally:
                blob.unlink(missing_ok=True)
        raise ValueError(f"{self._reference}: none of its layers has a file below disk/, where containerDisks keep it")

    def _layers(self) -> list[_Entry]:
        manifest, is_list = self._manifest(self._reference.tag)
        if is_list:
            there = {(each.platform.os or "linux", each.platform.architecture): each for each in manifest.manifests}
            if PLATFORM not in there:
                names = ", ".join(sorted("/".join(each) for each in there)) or "none"
                raise ValueError(f"{self._reference}: it is not there for {'/'.join(PLATFORM)}, only for {names[:200]}")
            manifest, is_list = self._manifest(there[PLATFORM].digest)
        if is_list or not manifest.layers:
            raise ValueError(f"{self._reference}: its manifest names no layers")
        return manifest.layers

    def _manifest(self, what: str) -> tuple[_Manifest, bool]:
        """By a tag, or by a digest that it must have; and whether it is a list of others."""
        url = f"{self._url}/manifests/{what}"
        try:
            answer = self._login.get(url, ", ".join((*SINGLE, *LISTS)), LARGEST_MANIFEST, self._budget)
        except requests.RequestException as e:
            raise ValueError(f"{self._reference}: {reason(e)}") from e
        if answer.status in (404, 410):
            raise Absent(f"{self._reference}: the registry has no such image")
        if answer.status != 200:
            raise ValueError(f"{self._reference}: the registry answers {answer.status} {answer.reason}")
        if ":" in what and f"sha256:{hashlib.sha256(answer.body).hexdigest()}" != what:
            raise ValueError(f"{self._reference}: what the registry sends for {what[:19]}… does not have that digest")
        try:
            manifest = msgspec.json.decode(answer.body, type=_Manifest)
        except (msgspec.MsgspecError, RecursionError) as e:
            raise ValueError(f"{self._reference}: its manifest cannot be read: {str(e)[:200]}") from e
        return manifest, (manifest.media_type or answer.kind) in LISTS

    def _blob(self, layer: _Entry) -> Path:
        """The layer, in a file that is of this pull alone."""
        checksum = Checksum("sha256", layer.digest.removeprefix("sha256:"))
        url = f"{self._url}/blobs/{layer.digest}#{self._reference.tag}"
        return download.fetch(url, checksum, self._progress, self._login.granted, self._budget, mirrors=False)
