"""The calls of the provider: what vCenter says of its faults is said to users, and what is gone is None."""

from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from provision.provider import Progress, ProviderError
from provision.providers.vsphere import settings
from provision.providers.vsphere.connection import Connection, Lost
from provision.providers.vsphere.properties import Read, explained, read_some
from provision.providers.vsphere.settings import OWNER
from provision.providers.vsphere.tasks import TaskLost, run


class Calls:
    """Everything raises ProviderError."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def shown(self) -> str:
        """The endpoint, for people."""
        return self.connection.endpoint.shown

    def find(self, namespace: str, name: str) -> Any:
        """The reference of a VM of ours; None. Raises ProviderError for one that is not ours but has its identity."""
        index = self.connection.content.searchIndex
        uuid = settings.instance_uuid(namespace, name)
        ref = self.explained(lambda: index.FindByUuid(None, uuid, True, True))  # vmSearch, instanceUuid
        if ref is None:
            return None
        found = self.read(ref, ("name", "config.extraConfig"))
        if found is None:
            return None
        if settings.options(found.get("config.extraConfig")).get(OWNER) != f"{namespace}/{name}":
            raise ProviderError(f"VM {found.name} has the identity of {namespace}/{name} but was not made by nestproof")
        return ref

    def run(self, entity: Any, what: str, start: Callable[[], Any], progress: Progress) -> Any:
        """A task from its start to its end; its result. Raises TaskLost too."""
        return run(self.connection, entity, what, start, progress)

    def read(self, ref: Any, paths: tuple[str, ...]) -> Read | None:
        """Properties of one object; None when it is gone."""
        if ref is None:
            return None
        try:
            return next(iter(read_some(self.connection, [ref], paths)), None)
        except vmodl.fault.ManagedObjectNotFound:
            return None
        except (vim.fault.VimFault, vmodl.MethodFault) as e:
            raise explained(self.connection, e) from e

    def changed(self, what: Callable[[], Any], doing: str) -> Any:
        """The result of a call that changes something and is no task. Raises TaskLost when its answer was lost."""
        try:
            return self.connection.write(what)
        except Lost:
            raise TaskLost from None
        except (vim.fault.VimFault, vmodl.MethodFault) as e:
            raise explained(self.connection, e, doing) from e

    def explained(self, what: Callable[[], Any]) -> Any:
        """The result of a call that changes nothing."""
        try:
            return self.connection.read(what)
        except (vim.fault.VimFault, vmodl.MethodFault) as e:
            raise explained(self.connection, e) from e
