"""What there is of one VM for whoever has to help: its configuration, state and tasks, its node and its cluster."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from provision.provider import Artefact, ProviderError
from provision.providers.proxmox import guests, tasks
from provision.providers.proxmox.api import Api
from provision.providers.proxmox.faults import harmless
from provision.providers.proxmox.tasks import Listed

MOST = 30
"""Tasks, the newest, each with the end of its log."""
SECRET, KEYS = "cipassword", "sshkeys"
HIDDEN = "(set)"


def artefacts(api: Api, namespace: str, name: str) -> tuple[Artefact, ...]:
    """Everything that can be had; what may not be read says so in its place."""
    return tuple(Artefact(called, f"{text}\n".encode()) for called, text in _all(api, namespace, name))


def _all(api: Api, namespace: str, name: str) -> Iterator[tuple[str, str]]:
    yield _json("cluster.json", lambda: api.get("cluster/status", list[dict[str, Any]]))
    try:
        guest = guests.find(api, namespace, name)
    except ProviderError as e:  # somebody else's, or on a node that is offline
        yield "vm.txt", f"could not look: {e}"
        return
    if guest is None:
        return
    node = f"nodes/{guest.node}"
    yield _json("node.json", lambda: api.get(f"{node}/status", dict[str, Any]))
    yield _json("config.json", lambda: api.get(f"{guest.path}/config", dict[str, Any]))
    yield _json("pending.json", lambda: api.get(f"{guest.path}/pending", list[dict[str, Any]]))
    yield _json("status.json", lambda: api.get(f"{guest.path}/status/current", dict[str, Any]))
    yield "tasks.txt", "\n".join(_tasks(api, guest.node, guest.vmid))


def _json(called: str, ask: Callable[[], object]) -> tuple[str, str]:
    try:
        said = _without_secrets(ask())
    except ProviderError as e:
        said = f"could not look: {e}"
    return called, msgspec.json.format(msgspec.json.encode(said, order="sorted"), indent=2).decode()


def _without_secrets(said: Any) -> Any:
    """A configuration as a mapping, or as the list of options that tells what is pending."""
    if isinstance(said, list):
        return [_without_secrets(each) for each in said]
    if not isinstance(said, dict):
        return said
    option = said.get("key")
    return {
        key: _shown(option if key in ("value", "pending") and option else key, value) for key, value in said.items()
    }


def _shown(key: object, value: Any) -> Any:
    if key == SECRET:
        return HIDDEN
    if key == KEYS:
        return unquote(str(value))  # as keys look elsewhere, so that they are known for what they are
    return _without_secrets(value)


def _tasks(api: Api, node: str, vmid: int) -> Iterator[str]:
    try:
        found = api.get(f"nodes/{node}/tasks", list[Listed], vmid=vmid, limit=MOST)
    except ProviderError as e:
        yield f"could not look: {e}"
        return
    for task in sorted(found, key=lambda each: each.starttime):
        begun = datetime.fromtimestamp(task.starttime, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        yield f"{begun} {harmless(task.type)} {harmless(task.status or 'running')} {harmless(task.upid)}"
        yield from (f"    {line}" for line in tasks.log(api, f"nodes/{node}/tasks/{task.upid}"))
