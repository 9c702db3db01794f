"""An item of a content library becomes a template, once: found by name, deployed by vCenter, marked as ours."""

from typing import Any

import msgspec
from pyVmomi import vim

from provision.model import ImageSpec
from provision.provider import Progress, ProviderError
from provision.providers.vsphere.automation import Automation, Refused, words
from provision.providers.vsphere.calls import Calls
from provision.providers.vsphere.connection import Lost
from provision.providers.vsphere.inventory import Place
from provision.providers.vsphere.settings import DEPLOYED, IMPORTED, source_of
from provision.providers.vsphere.spec import option_values
from provision.providers.vsphere.tasks import TaskLost

KINDS = {"ovf": "ovf", "vm-template": "template"}
"""Type of an item -> the resource of the API that deploys it."""
NAMED = 10
"""Names in a hint."""


class Item(msgspec.Struct, frozen=True):
    """An item of a content library that a VM can be made of."""

    id: str
    kind: str
    """ovf or vm-template."""


class Libraries:
    """The content libraries of a vCenter. Everything raises ProviderError, with the place of the image."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._api = Automation(calls.connection)

    def item(self, image: ImageSpec) -> Item:
        """The item that an image means."""
        wanted = image.library_item
        assert wanted is not None
        try:
            library = self._one("library", wanted.library, "content library", image)
            identity = self._one("item", wanted.item, f"item of library {wanted.library!r}", image, library_id=library)
            found = self._api.get("item", identity)
        except Refused as e:
            raise self._explained(e, image, "looking for it") from e
        kind = str(found.get("type") or "")
        has = {str(found.get(name)) for name in ("content_version", "version") if found.get(name)}
        if wanted.version and wanted.version not in has:
            told = f"has version {' or '.join(sorted(has))}" if has else "tells no version"
            raise ProviderError(
                f"{image.origin}: item {wanted.item!r} of library {wanted.library!r} {told}, not {wanted.version}",
                hint="a content library keeps the newest version only: leave out version, or give this one",
                refused=True,
            )
        if kind not in KINDS:
            raise ProviderError(
                f"{image.origin}: item {wanted.item!r} of library {wanted.library!r} is of type {kind or 'unknown'}: "
                "VMs are made of OVFs and VM templates",
                hint="import an OVA into the library: govc library.import",
                refused=True,
            )
        return Item(identity, kind)

    def import_template(self, image: ImageSpec, place: Place, progress: Progress) -> None:
        """Deploy the item and make it a template of ours. Raises TaskLost when its answer was lost."""
        item, wanted = self.item(image), image.library_item
        assert wanted is not None
        what = f"deploying {wanted.item} of library {wanted.library}"
        progress(what)
        try:
            made = self._api.deploy(KINDS[item.kind], item.id, _deployment(item.kind, source_of(image), place))
        except Refused as e:
            if _is_taken(e.kind, e.said):
                raise TaskLost from None
            raise self._explained(e, image, what) from e
        except Lost:
            raise TaskLost from None
        connection = self._calls.connection
        vm: Any = connection.object(vim.VirtualMachine, _made(made, f"{image.origin}: {self._calls.shown}: {what}"))
        marks: Any = vim.vm.ConfigSpec(extraConfig=option_values({IMPORTED: "yes"}))
        self._calls.run(vm, "marking it", lambda: vm.ReconfigVM_Task(marks), progress)
        self._calls.changed(vm.MarkAsTemplate, what)

    def close(self) -> None:
        """Log out."""
        self._api.close()

    def _one(self, resource: str, name: str, what: str, image: ImageSpec, **within: str) -> str:
        found = self._api.find(resource, name=name, **within)
        if len(found) == 1:
            return found[0]
        if found:
            raise ProviderError(f"{image.origin}: there are {len(found)} of {what} {name!r}", hint="rename all but one")
        there = (self._api.get(resource, identity).get("name") for identity in self._ids(resource, within)[:NAMED])
        names = ", ".join(sorted(str(n) for n in there)) or "none that this account may see"
        raise ProviderError(f"{image.origin}: there is no {what} {name!r}", hint=f"there are: {names}")

    def _ids(self, resource: str, within: dict[str, str]) -> list[str]:
        return [str(identity) for identity in self._api.get(resource, **within) or ()]

    def _explained(self, error: Refused, image: ImageSpec, what: str) -> ProviderError:
        where = f"{image.origin}: {self._calls.shown}: {what}"
        if error.kind == "UNAUTHORIZED":
            return ProviderError(
                f"{where}: this account lacks a privilege for it",
                hint="docs/vsphere.md lists what a content library as the image needs",
            )
        return ProviderError(f"{where}: {error}")


def _deployment(kind: str, name: str, place: Place) -> dict[str, Any]:
    """The note tells what a killed run left from somebody else's VM of the same name."""
    store = {"datastore": str(place.datastore._moId)} if place.datastore is not None else None
    folder, pool, host = (str(ref._moId) for ref in (place.folder.ref, place.pool, place.host.ref))
    if kind == "ovf":
        spec: dict[str, Any] = {"name": name, "annotation": DEPLOYED, "accept_all_EULA": True}
        if store:
            spec["default_datastore_id"] = store["datastore"]
        return {"target": {"resource_pool_id": pool, "host_id": host, "folder_id": folder}, "deployment_spec": spec}
    where = {"folder": folder, "resource_pool": pool, "host": host}
    body = {"name": name, "description": DEPLOYED, "placement": where, "powered_on": False}
    return body | ({"vm_home_storage": store, "disk_storage": store} if store else {})


def _made(answer: Any, where: str) -> str:
    """The id of the VM that was deployed. Raises TaskLost too."""
    if isinstance(answer, str):
        return answer
    found = answer if isinstance(answer, dict) else {}
    if found.get("succeeded"):
        return str((found.get("resource_id") or {}).get("id"))
    errors = (found.get("error") or {}).get("errors") or ()
    said = (
        "; ".join(text for e in errors if (text := words((e.get("error") or {}).get("messages")))) or "no reason given"
    )
    if _is_taken("", said):
        raise TaskLost
    raise ProviderError(f"{where}: {said}", refused=True)


def _is_taken(kind: str, said: str) -> bool:
    """The name was free when it was asked for: what a killed run began has come to its end meanwhile."""
    return kind == "ALREADY_EXISTS" or "already exists" in said
