"""vCenter's Automation API (REST): its own session over the same trust, in the dialect that the vCenter speaks.

https://developer.broadcom.com/xapis/vsphere-automation-api/latest/: `/api` since vSphere 7.0 U2, `/rest` before.
"""

import http.client
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from provision.provider import ProviderError
from provision.providers.vsphere.connection import LOST, Connection, Lost, network
from provision.providers.vsphere.trust import PATIENCE

SESSION = "vmware-api-session-id"
DEPLOYED = 3600.0
"""Seconds that the deployment of an item may take: its disks are copied meanwhile."""
LARGEST = 16 << 20
"""Bytes of an answer."""
PATHS = {
    "session": ("/api/session", "/rest/com/vmware/cis/session"),
    "library": ("/api/content/library", "/rest/com/vmware/content/library"),
    "item": ("/api/content/library/item", "/rest/com/vmware/content/library/item"),
    "ovf": ("/api/vcenter/ovf/library-item", "/rest/com/vmware/vcenter/ovf/library-item"),
    "template": ("/api/vcenter/vm-template/library-items", "/rest/vcenter/vm-template/library-items"),
}
"""Resource -> its path in the newer and in the older dialect."""


class Refused(Exception):
    """The answer is an error: its kind as the API names it (NOT_FOUND, UNAUTHORIZED, ...) and the server's words."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(f"{kind}: {said}" if said else kind)
        self.kind = kind
        self.said = said


class Automation:
    """Everything raises ProviderError for the network and the log-in, and Refused for what the API does not do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session = ""
        self._modern = True

    def get(self, resource: str, identity: str = "", **query: str) -> Any:
        """What there is."""
        return self._connection.patiently(lambda: self._asked("GET", resource, identity, None, query))

    def find(self, resource: str, **asked: str) -> list[str]:
        """The ids of what is as asked for."""
        query = {"action": "find"}
        found = self._connection.patiently(lambda: self._asked("POST", resource, "", asked, query))
        return [str(identity) for identity in found or ()]

    def deploy(self, resource: str, identity: str, body: dict[str, Any]) -> Any:
        """Make a VM of an item. Raises Lost when nobody knows whether that was carried out."""
        return self._asked("POST", resource, identity, body, {"action": "deploy"}, DEPLOYED)

    def close(self) -> None:
        """Log out; a session that has ended already is no fault."""
        if self._session:
            with suppress(Refused, Lost):
                self._send("DELETE", self._path("session"), None, PATIENCE)
            self._session = ""

    def _asked(
        self, method: str, resource: str, identity: str, body: dict[str, Any] | None, query: dict[str, str],
        patience: float = PATIENCE,
    ) -> Any:  # fmt: skip
        if not self._session:
            self._log_in()
        for again in (True, False):
            asked, sent = dict(query), body
            if not self._modern:
                if resource != "template" and "action" in asked:
                    asked["~action"] = asked.pop("action")
                if resource != "ovf" and body is not None:
                    sent = {"spec": body}
            path = self._path(resource, identity) + (f"?{urlencode(asked)}" if asked else "")
            try:
                return self._send(method, path, sent, patience)
            except Refused as e:
                if e.kind != "UNAUTHENTICATED" or not again:
                    raise
                self._log_in()
        return None

    def _path(self, resource: str, identity: str = "") -> str:
        path = PATHS[resource][0 if self._modern else 1]
        if not identity:
            return path
        return f"{path}/{'' if self._modern or resource == 'template' else 'id:'}{quote(identity, safe='')}"

    def _log_in(self) -> None:
        self._session = ""
        headers = {"Authorization": self._connection.basic_authorization()}
        for modern in (True, False):
            self._modern = modern
            try:
                self._session = str(self._send("POST", self._path("session"), None, PATIENCE, headers))
                return
            except Refused as e:
                if e.kind == "UNAUTHENTICATED":
                    where = self._connection.endpoint.shown
                    raise ProviderError(f"{where}: its Automation API refuses the user name and password") from e
                if e.kind != "NOT_FOUND" or not modern:
                    raise

    def _send(self, method: str, path: str, body: Any, patience: float, headers: dict[str, str] | None = None) -> Any:
        endpoint = self._connection.endpoint
        sender = http.client.HTTPSConnection(
            endpoint.host, endpoint.port, timeout=patience, context=self._connection.context
        )
        try:
            data = json.dumps(body).encode() if body is not None else b""
            told = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
            if self._session:
                told[SESSION] = self._session
            sender.request(method, path, body=data, headers=told)
            answer = sender.getresponse()
            text = answer.read(LARGEST)
        except LOST as e:
            raise Lost(network(e)) from e
        finally:
            sender.close()
        return self._read(answer.status, text)

    def _read(self, status: int, text: bytes) -> Any:
        try:
            found = json.loads(text) if text.strip() else None
        except (ValueError, RecursionError):
            found = None
        if status < 300:
            return found.get("value") if not self._modern and isinstance(found, dict) else found
        kind = {401: "UNAUTHENTICATED", 403: "UNAUTHORIZED", 404: "NOT_FOUND"}.get(status, f"HTTP {status}")
        told = found if isinstance(found, dict) else {}
        inside = told.get("value")  # of the older dialect
        named = told.get("error_type") or str(told.get("type") or "").rpartition(".")[2].upper()
        messages = (inside if isinstance(inside, dict) else told).get("messages")
        raise Refused(str(named or kind)[:80], words(messages))


def words(messages: Any) -> str:
    """What an error says, shortened: it comes from elsewhere."""
    given = messages if isinstance(messages, list) else []
    texts = [str(m.get("default_message") or "") for m in given if isinstance(m, dict)]
    return " ".join(" ".join(texts).split())[:300]
