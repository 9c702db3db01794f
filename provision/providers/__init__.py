"""Which module speaks to which kind of hypervisor; each is imported, with its library, when it is first asked for."""

import contextlib
import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from provision.model import ProviderSpec
from provision.provider import Estate, Provider, ProviderError

if TYPE_CHECKING:
    from provision.providers.libvirt.endpoint import Endpoint

MODULES = {
    "libvirt": "provision.providers.libvirt.provider",
    "proxmox": "provision.providers.proxmox.provider",
    "vsphere": "provision.providers.vsphere.provider",
}
LIBRARIES = {
    "libvirt": ("libvirt", "pip install 'nestproof[libvirt]' (needs libvirt-dev and pkg-config to build)"),
    "proxmox": ("proxmoxer", "pip install 'nestproof[proxmox]'"),
    "vsphere": ("pyVmomi", "pip install 'nestproof[vsphere]'"),
}
ESTATES = ("vsphere", "proxmox")
"""Those whose module also has `open_estate`."""


def open_provider(spec: ProviderSpec) -> Provider:
    """Connect to the endpoint of `spec`. Raises ProviderError; call `close` on what it returns."""
    provider: Provider = _module(spec).open_endpoint(spec)
    return provider


def open_estate(spec: ProviderSpec) -> Estate:
    """Connect to look at hosts and VMs; `spec.type` is one of ESTATES. Raises ProviderError; call `close` after it."""
    estate: Estate = _module(spec).open_estate(spec)
    return estate


def _module(spec: ProviderSpec) -> Any:
    at = f"{spec.origin}: " if spec.origin else ""
    module = MODULES.get(spec.type)
    if module is None:
        fault = f"{at}provider {spec.name}: type {spec.type!r} is unknown"
        raise ProviderError(fault, hint=f"supported: {', '.join(sorted(MODULES))}")
    library, install = LIBRARIES[spec.type]
    try:
        return importlib.import_module(module)
    except ImportError as e:
        if (e.name or "").split(".")[0] not in (library, f"{library}mod"):
            raise
        if isinstance(e, ModuleNotFoundError):
            raise ProviderError(f"{spec.type} support is not installed: {install}") from e
        raise ProviderError(f"{spec.type} support cannot be loaded: {e}", hint=install) from e


def preload(endpoint: str | None) -> None:
    """Import the module that will most likely be asked for: for this endpoint, or for none that is known yet.

    Whatever is wrong with it is said when it is asked for.
    """
    scheme, is_uri, _ = (endpoint or "qemu:").partition(":")
    scheme = scheme.partition("+")[0]
    module = MODULES.get("libvirt" if scheme == "qemu" or not is_uri else scheme)
    if module is not None:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def is_local(spec: ProviderSpec) -> bool:
    """The VMs of this endpoint run on this machine."""
    return spec.type == "libvirt" and leads_here(spec.endpoint)


def leads_here(endpoint: str) -> bool:
    """The endpoint is a libvirt of this machine."""
    found = _libvirt(endpoint)
    return found is not None and found.local


def prepare_process(specs: Iterable[ProviderSpec]) -> None:
    """Make this process fit for these providers. Call once, before any thread starts and before `open_provider`.

    An embedded libvirt needs a parent that reaps (see `provision.providers.libvirt.reaping`).
    """
    if any(spec.type == "libvirt" and (found := _libvirt(spec.endpoint)) and found.root for spec in specs):
        from provision.providers.libvirt.reaping import supervise

        supervise()


def _libvirt(endpoint: str) -> "Endpoint | None":
    """Where it leads; None for what is no endpoint of libvirt, which is said by who opens it."""
    from provision.providers.libvirt.endpoint import parse_endpoint

    with contextlib.suppress(ProviderError):
        return parse_endpoint(endpoint)
    return None
