"""Reading many properties of many objects in one request, page by page where the vCenter insists."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec
from pyVmomi import vim, vmodl

from provision.provider import ProviderError
from provision.providers.vsphere.connection import Connection
from provision.providers.vsphere.faults import explain, identity

PAGE = 1000
"""Objects in one answer; vCenter may choose fewer."""
DEPTH = 12
"""Objects in a path that is shown."""
VIEWS = 3
"""Sessions in which one query is tried."""
collector = vmodl.query.PropertyCollector


class Read(msgspec.Struct, frozen=True):
    """One object and what was read of it; a property that it does not have, or that may not be seen, is missing."""

    ref: Any
    values: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.ref._moId)

    @property
    def name(self) -> str:
        return str(self.values.get("name", ""))

    def get(self, path: str) -> Any:
        return self.values.get(path)


def read_all(connection: Connection, wanted: Mapping[Any, Iterable[str]]) -> list[Read]:
    """Every object of these types below the root folder with these properties. Raises ProviderError.

    One view of the whole inventory serves a session; it goes with the session, and is made again in the next.
    """
    for _ in range(VIEWS):
        try:
            walk = collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
            start = collector.ObjectSpec(obj=connection.view(), skip=True, selectSet=[walk])
            return _retrieve(connection, [start], wanted)
        except vmodl.fault.ManagedObjectNotFound:
            connection.forget_view()
    raise ProviderError(f"{connection.endpoint.shown}: its sessions end faster than they can be used")


def read_some(connection: Connection, refs: Iterable[Any], paths: Iterable[str]) -> list[Read]:
    """These properties of these objects, all of one type. Raises ProviderError and vmodl's ManagedObjectNotFound."""
    refs = list(refs)
    if not refs:
        return []
    return _retrieve(connection, [collector.ObjectSpec(obj=ref, skip=False) for ref in refs], {type(refs[0]): paths})


def explained(connection: Connection, fault: BaseException, doing: str = "") -> ProviderError:
    """A fault in one line, with the objects it speaks of by their paths."""
    where = f"{connection.endpoint.shown}: {doing}" if doing else connection.endpoint.shown
    return explain(fault, where, partial(path_of, connection))


def path_of(connection: Connection, ref: Any) -> str:
    """The path of an object for people: as far as this account may see it, else its id."""
    names: list[str] = []
    at = ref
    try:
        while at is not None and len(names) < DEPTH:
            found = next(iter(read_some(connection, [at], ("name", "parent"))), None)
            if found is None or not found.name:
                break
            names.append(unquote(found.name))
            at = found.get("parent")
    except (ProviderError, vim.fault.VimFault, vmodl.MethodFault):
        pass
    names = names[:-1] if at is None and len(names) > 1 else names  # the root folder, which paths leave out
    return f"/{'/'.join(reversed(names))}" if names else identity(ref)


def _retrieve(connection: Connection, starts: list[Any], wanted: Mapping[Any, Iterable[str]]) -> list[Read]:
    """Anew when the session changed between two pages: the rest of an answer goes with its session."""
    for _ in range(VIEWS):
        session = connection.session
        try:
            return _pages(connection, starts, wanted)
        except vmodl.fault.InvalidArgument:
            if connection.session == session:
                raise
    raise ProviderError(f"{connection.endpoint.shown}: its sessions end faster than they can be used")


def _pages(connection: Connection, starts: list[Any], wanted: Mapping[Any, Iterable[str]]) -> list[Read]:
    sets = [collector.PropertySpec(type=kind, pathSet=list(paths), all=False) for kind, paths in wanted.items()]
    spec = collector.FilterSpec(objectSet=starts, propSet=sets)
    pages = connection.content.propertyCollector
    options = collector.RetrieveOptions(maxObjects=PAGE)
    page = connection.read(lambda: pages.RetrievePropertiesEx([spec], options))
    found: list[Read] = []
    while page is not None:
        found += [Read(o.obj, {p.name: p.val for p in o.propSet or ()}) for o in page.objects or ()]
        token = page.token
        if not token:
            break
        page = connection.read(partial(pages.ContinueRetrievePropertiesEx, token))
    return found
