"""An OVA becomes a VM: fetched, described to vSphere, its disks uploaded, marked as ours from the start."""

import http.client
import tarfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec
from pyVmomi import vim, vmodl

from hostcheck import clock
from provision.budget import Budget
from provision.download import fetch
from provision.model import ImageSpec
from provision.provider import Progress, ProviderError, unchanged
from provision.providers.vsphere.connection import LOST, Connection, Lost
from provision.providers.vsphere.endpoint import Endpoint
from provision.providers.vsphere.faults import explain
from provision.providers.vsphere.inventory import Place
from provision.providers.vsphere.properties import path_of
from provision.providers.vsphere.spec import option_values
from provision.providers.vsphere.tasks import TaskLost
from provision.providers.vsphere.trust import PATIENCE, tls_context

DESCRIPTOR = 4 << 20
"""Bytes that an OVF descriptor may have."""
BLOCK = 1 << 20
EVERY = 2.0
"""Seconds between two signs of life: a lease without any ends after some minutes."""
READY = 120.0
"""Seconds for a lease to become ready."""


class Wanted(msgspec.Struct, frozen=True):
    """What the imported VM is called, and what marks it."""

    name: str
    marks: Mapping[str, str]
    """Keys of extraConfig."""
    uuid: str = ""
    """instanceUuid; empty: vSphere gives one."""


def import_ova(
    connection: Connection, image: ImageSpec, wanted: Wanted, place: Place, store: Any, progress: Progress
) -> Any:
    """Fetch the OVA and make a VM of it; its reference. Raises ProviderError, and TaskLost when an answer was lost."""
    at = f"{image.origin}: image {image.name}"
    assert image.url is not None
    with unchanged():
        try:
            path = fetch(image.url, image.checksum, progress, image.request, Budget(image.prepare))
        except (ValueError, OSError) as e:
            raise ProviderError(f"{at}: {e}") from e
    try:
        with tarfile.open(path, "r:") as archive:
            return _import(connection, archive, wanted, place, store, progress)
    except tarfile.TarError as e:
        raise ProviderError(f"{at}: it is no OVA: {' '.join(str(e).split())}", refused=True) from e
    except (vim.fault.VimFault, vmodl.MethodFault) as e:
        named = partial(path_of, connection)
        raise explain(e, f"{at}: {connection.endpoint.shown}: importing it", named) from e
    except Lost:
        raise TaskLost from None
    except (ValueError, OSError) as e:
        raise ProviderError(f"{at}: {e}") from e


def _import(
    connection: Connection, archive: tarfile.TarFile, wanted: Wanted, place: Place, store: Any, progress: Progress
) -> Any:
    descriptor = _descriptor(archive)
    parameters = vim.OvfManager.CreateImportSpecParams(entityName=wanted.name, diskProvisioning="thin")
    manager = connection.content.ovfManager
    made: Any = connection.read(lambda: manager.CreateImportSpec(descriptor, place.pool, store, parameters))
    if made.error:
        raise ValueError(f"vSphere does not take its descriptor: {made.error[0].msg or type(made.error[0]).__name__}")
    spec = made.importSpec
    spec.configSpec.extraConfig = [*(spec.configSpec.extraConfig or ()), *option_values(wanted.marks)]
    spec.configSpec.instanceUuid = wanted.uuid or spec.configSpec.instanceUuid
    lease: Any = connection.write(lambda: place.pool.ImportVApp(spec, place.folder.ref, place.host.ref))
    try:
        _wait(connection, lease)
        _upload(connection, archive, lease, made.fileItem, progress)
    except BaseException:
        connection.write(lambda: lease.HttpNfcLeaseAbort(None))
        raise
    entity = connection.read(lambda: lease.info.entity)
    connection.write(lease.HttpNfcLeaseComplete)
    return entity


def _descriptor(archive: tarfile.TarFile) -> str:
    """The OVF descriptor, which is the first file of an OVA."""
    for member in archive:
        if member.name.lower().endswith(".ovf") and member.isfile():
            if member.size > DESCRIPTOR:
                raise ValueError(f"its descriptor has {member.size} bytes")
            stream = archive.extractfile(member)
            assert stream is not None
            return stream.read().decode()
    raise ValueError("it is no OVA: there is no descriptor (.ovf) in it")


def _wait(connection: Connection, lease: Any) -> None:
    deadline = clock.monotonic() + READY
    while (state := str(connection.read(lambda: lease.state))) != "ready":
        if state == "error" or clock.monotonic() > deadline:
            fault = connection.read(lambda: lease.error)
            raise ValueError(f"vCenter cannot take it: {getattr(fault, 'msg', '') or state}")
        time.sleep(0.2)


def _upload(connection: Connection, archive: tarfile.TarFile, lease: Any, items: Any, progress: Progress) -> None:
    paths = {str(item.deviceId): str(item.path) for item in items or ()}
    total = max(1, sum(archive.getmember(path).size for path in paths.values()))
    done = 0
    for device in connection.read(lambda: lease.info.deviceUrl) or ():
        path = paths.get(str(device.importKey))
        if path is None:
            continue
        stream = archive.extractfile(archive.getmember(path))
        assert stream is not None
        size = archive.getmember(path).size
        blocks = _blocks(connection, lease, stream, done, total, Path(path).name, progress)
        _send(connection, str(device.url), str(device.sslThumbprint or ""), size, blocks)
        done += size


def _blocks(
    connection: Connection, lease: Any, stream: IO[bytes], done: int, total: int, name: str, progress: Progress
) -> Iterator[bytes]:
    told = clock.monotonic()
    while block := stream.read(BLOCK):
        yield block
        done += len(block)
        if clock.monotonic() - told > EVERY:
            told = clock.monotonic()
            percent = min(99, 100 * done // total)
            progress(f"uploading {name}: {percent} %")
            connection.read(partial(lease.HttpNfcLeaseProgress, percent))


def _send(connection: Connection, url: str, thumbprint: str, size: int, blocks: Iterator[bytes]) -> None:
    """Upload to the vCenter itself, or to the host whose certificate it vouches for."""
    parts = urlsplit(url.replace("://*", f"://{connection.endpoint.shown}"))
    host, port = parts.hostname or connection.endpoint.host, parts.port or 443
    pinned = Endpoint(host, port, "", thumbprint.replace(":", "").lower())
    same = (host, port) == (connection.endpoint.host, connection.endpoint.port)
    context = connection.context if same else tls_context(pinned, None, insecure=False)
    sender = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    try:
        headers = {"Content-Type": "application/x-vnd.vmware-streamVmdk", "Content-Length": str(size)}
        sender.request("POST", parts.path, body=blocks, headers=headers)
        answer = sender.getresponse()
        answer.read()
        if answer.status >= 300:
            raise ValueError(f"{host} refuses a disk: {answer.status} {answer.reason}")
    except LOST as e:
        raise ValueError(f"{host}: the upload broke off: {e}") from e
    finally:
        sender.close()
