"""What spec.prepare of a VMImage asks of whoever fetches the image and makes a disk from it."""

import re

from provision.manifests.documents import Document
from provision.manifests.schemas import VMImage
from provision.manifests.schemas.vmimage import Prepare
from provision.manifests.tree import Loc
from provision.model import Preparation

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIMEOUTS: tuple[Loc, ...] = (("spec", "prepare", "timeout"), ("spec", "source", "http", "timeout"))


def preparation(document: Document[VMImage], *, by_http: bool) -> Preparation:
    """`by_http`: it comes from source.http, which has a timeout of its own. A timeout that is not written is none."""
    assert document.model is not None
    spec = document.model.spec
    prepare = spec.prepare or Prepare()
    http = spec.source.http
    given = (prepare.timeout, http.timeout if http is not None and by_http else None)
    timeouts = [seconds(text) for text, loc in zip(given, _TIMEOUTS, strict=True) if text and document.has(*loc)]
    libvirt = prepare.storage.libvirt if prepare.storage else None
    return Preparation(
        on_missing=prepare.on_missing,
        timeout=min(timeouts, default=None),
        retries=prepare.retries,
        force=prepare.force,
        preallocation=libvirt.preallocation if libvirt else None,
        eager=libvirt is not None and libvirt.allocation_policy == "eager",
    )


def seconds(text: str) -> float:
    """Of a duration as Kubernetes writes it: 90s, 1h30m, 1.5h."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(ns|us|µs|ms|s|m|h)", text))
