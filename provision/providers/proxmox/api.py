"""Calling the API: any node that answers, from any thread, with every error in the words of `faults`.

A call is made again on another node only where that cannot do it twice: always when it only reads, else when the
connection was refused.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlencode

import msgspec
import requests
import websocket
from proxmoxer.backends.https import JsonSerializer, ProxmoxHttpSession
from proxmoxer.core import ProxmoxResource, ResourceException

from hostcheck import clock
from provision.provider import ProviderError
from provision.providers.proxmox.credentials import Login
from provision.providers.proxmox.endpoint import Endpoint
from provision.providers.proxmox.faults import explain, harmless
from provision.providers.proxmox.session import TIMEOUT, Sessions

T = TypeVar("T")

UPLOAD_TIMEOUT = 3600.0
PATIENCE = 20.0
"""Seconds that a call is tried again while no node answers: an API that restarts is back by then."""
PAUSE = 0.5


class Api:
    """One cluster, as one user. `close` it when done."""

    def __init__(self, endpoint: Endpoint, login: Login) -> None:
        self.endpoint = endpoint
        self._who = login.name
        self._sessions = Sessions(login)
        self._addresses = list(endpoint.addresses)
        self._lock = threading.Lock()
        self._answered = False

    def get(self, path: str, kind: type[T], **parameters: object) -> T:
        """Read `path`, without its leading slash, as `kind`. Raises ProviderError."""
        answer = self._call("GET", path, parameters)
        try:
            return msgspec.convert(answer, kind, strict=False)
        except msgspec.ValidationError as e:
            raise ProviderError(f"{self.endpoint.written}: GET /{path}: an answer that makes no sense: {e}") from e

    def post(self, path: str, **parameters: object) -> Any:
        """Change something. A parameter that is None is left out; `__` in a name stands for a dash."""
        return self._call("POST", path, parameters)

    def put(self, path: str, **parameters: object) -> Any:
        """See `post`."""
        return self._call("PUT", path, parameters)

    def delete(self, path: str, **parameters: object) -> Any:
        """See `post`."""
        return self._call("DELETE", path, parameters)

    def upload(self, path: str, file: BinaryIO, **parameters: object) -> Any:
        """Send a file; its `name` is what it will be called there."""
        return self._call("POST", path, {**parameters, "filename": file}, timeout=UPLOAD_TIMEOUT)

    def stream(self, path: str, **parameters: object) -> websocket.WebSocket:
        """A WebSocket with the node that answered last. Raises ProviderError and what websocket raises."""
        query = urlencode({name: str(value) for name, value in parameters.items()})
        return self._sessions.stream(self._addresses[0], f"/api2/json/{path}?{query}")

    def close(self) -> None:
        """Hang up."""
        self._sessions.close()

    def _call(self, method: str, path: str, parameters: Mapping[str, object], timeout: float = TIMEOUT) -> Any:
        values = {name.replace("__", "-"): value for name, value in parameters.items() if value is not None}
        deadline = clock.monotonic() + (PATIENCE if self._answered else 0.0)
        while True:
            fault = self._try_each(method, path, values, timeout)
            if not isinstance(fault, _Unreached):
                return fault
            if not (method == "GET" or fault.unsent) or clock.monotonic() > deadline:
                raise fault.fault
            time.sleep(PAUSE)

    def _try_each(self, method: str, path: str, values: Mapping[str, object], timeout: float) -> Any:
        """The first answer of a node, or the _Unreached of the last one."""
        last: _Unreached | None = None
        for address in list(self._addresses):
            try:
                answer = self._ask(address, method, path, values, timeout)
            except _Unreached as e:
                last = e
                if method != "GET" and not e.unsent:
                    break
                continue
            self._prefer(address)
            return answer
        return last

    def _ask(self, address: str, method: str, path: str, values: Mapping[str, object], timeout: float) -> Any:
        what = f"{method} /{path} at {self.endpoint.written}"
        try:
            session = _Timed(self._sessions.ready(address), timeout)
            resource = ProxmoxResource(
                base_url=f"https://{address}/api2/json", session=session, serializer=JsonSerializer()
            )
            call: Callable[..., Any] = getattr(resource(path.split("/")), method.lower())
            return call(**values)
        except ResourceException as e:
            if e.status_code == 401 and self._sessions.forget_ticket():
                return self._ask(address, method, path, values, timeout)
            raise explain(e.status_code, str(e.content), e.errors, what, self._who) from e
        except requests.exceptions.SSLError as e:
            raise _untrusted(address, e) from e
        except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as e:
            raise _unreached(address, e, what, timeout) from e
        except requests.exceptions.RequestException as e:
            raise ProviderError(f"{address}: {harmless(e)} ({what})") from e

    def _prefer(self, address: str) -> None:
        """Ask the node that answered first from now on."""
        with self._lock:
            self._answered = True
            if self._addresses[0] != address:
                self._addresses.remove(address)
                self._addresses.insert(0, address)


class _Timed:
    """A session whose requests have a time limit of their own."""

    def __init__(self, session: ProxmoxHttpSession, timeout: float) -> None:
        self._session = session
        self._timeout = timeout

    def request(self, method: str, url: str, **arguments: Any) -> requests.Response:
        answer: requests.Response = self._session.request(method, url, timeout=self._timeout, **arguments)
        return answer


class _Unreached(Exception):
    """A node gave no answer."""

    def __init__(self, fault: ProviderError, unsent: bool) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.unsent = unsent
        """Nothing of the call can have arrived."""


def _unreached(address: str, error: Exception, what: str, timeout: float) -> _Unreached:
    text = repr(error)
    if isinstance(error, requests.exceptions.ReadTimeout):
        return _Unreached(ProviderError(f"{address}: no answer within {timeout:g} s ({what})"), False)
    if "NameResolution" in text or "gaierror" in text:
        return _Unreached(ProviderError(f"{address}: there is no host of that name", hint="check the endpoint"), True)
    if "Connection refused" in text:
        hint = "is pveproxy running there? Its port is 8006"
        return _Unreached(ProviderError(f"{address}: connection refused", hint=hint), True)
    unsent = "NewConnectionError" in text or "ConnectTimeout" in text
    why = f"{address}: cannot be reached: {harmless(_innermost(error))} ({what})"
    return _Unreached(ProviderError(why, hint="check the endpoint and the network"), unsent)


def _untrusted(address: str, error: Exception) -> ProviderError:
    text = harmless(_innermost(error))
    if "fingerprint" in text.lower():
        return ProviderError(
            f"{address}: its certificate is not the one of PROXMOX_FINGERPRINT",
            hint="on a node: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem",
        )
    return ProviderError(
        f"{address}: its certificate is not trusted: {text}",
        hint="set PROXMOX_CA_FILE to a copy of /etc/pve/pve-root-ca.pem, or PROXMOX_FINGERPRINT",
    )


def _innermost(error: BaseException) -> str:
    """The first reason of a chain of wrapped ones."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next((a for a in reason.args if isinstance(a, Exception)), None)
        if not isinstance(inner, Exception):
            return str(reason)
        reason = inner
