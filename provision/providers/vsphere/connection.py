"""One session with a vCenter: renewed when it has ended, taken up again when the network was away.

Calls from several threads take turns: pyvmomi's stub keeps its connection and its cookie to itself.
"""

import base64
import http.client
import os
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pyVim.connect import SmartStubAdapter
from pyVmomi import VmomiSupport, vim, vmodl

from hostcheck import clock
from provision.model import Credentials, ProviderSpec
from provision.provider import ProviderError
from provision.providers.vsphere.endpoint import FORMS, Endpoint, govc_url, parse_endpoint
from provision.providers.vsphere.faults import explain
from provision.providers.vsphere.trust import PATIENCE, tls_context

T = TypeVar("T")
AWAY = 60.0
"""Seconds that a vCenter which answered before may be away, as when it restarts."""
LOST = (ConnectionError, TimeoutError, http.client.HTTPException, OSError)


ENTITIES = (
    vim.Datacenter, vim.Folder, vim.ComputeResource, vim.ResourcePool, vim.HostSystem, vim.Datastore, vim.Network,
    vim.DistributedVirtualSwitch, vim.VirtualMachine,
)  # fmt: skip
_VERSIONS: Any = VmomiSupport


class Lost(Exception):
    """The connection broke during a call; whether it was carried out is not known."""


def connect(spec: ProviderSpec) -> "Connection":
    """Log in. Raises ProviderError."""
    at = f"{spec.origin}: " if spec.origin else ""
    known = os.environ.get("GOVC_TLS_KNOWN_HOSTS", "")
    try:
        text = Path(known).expanduser().read_text(encoding="utf-8") if known else ""
    except (OSError, UnicodeDecodeError) as e:
        raise ProviderError(f"GOVC_TLS_KNOWN_HOSTS: {known}: {getattr(e, 'strerror', None) or 'not text'}") from e
    written, credentials = spec.endpoint, spec.credentials
    if written.rstrip("/") == "vsphere:":
        url = os.environ.get("GOVC_URL")
        if not url:
            fault = "is not set" if url is None else "is empty"
            raise ProviderError(f"{at}vsphere:// names no host, and GOVC_URL {fault}", hint=FORMS)
        written, user, password = govc_url(url)
        if credentials is None and user:
            credentials = Credentials("environment (GOVC_URL)", username=user, password=password)
    endpoint = parse_endpoint(written, text)
    if credentials is None or not (credentials.username and credentials.password):
        raise ProviderError(
            f"{at}{endpoint.shown}: no user name and password are given",
            hint="set GOVC_USERNAME and GOVC_PASSWORD, or credentialSecretRef in the Provider",
        )
    return Connection(endpoint, credentials, spec.ca, insecure=spec.insecure)


class Connection:
    """An open session."""

    def __init__(self, endpoint: Endpoint, credentials: Credentials, ca: str | None, *, insecure: bool) -> None:
        self.endpoint = endpoint
        self._credentials = credentials
        self._lock = threading.RLock()
        self._view: Any = None
        self._stub: Any = None
        self.session = 0
        """Counts the sessions: what is kept by the server for one is gone in the next."""
        try:
            self.context = tls_context(endpoint, ca, insecure=insecure)
            self._stub = SmartStubAdapter(
                host=endpoint.host, port=endpoint.port, path=endpoint.path,
                sslContext=self.context, httpConnectionTimeout=PATIENCE,
            )  # fmt: skip
            self._instance: Any = vim.ServiceInstance("ServiceInstance", self._stub)
            self.content: Any = self._instance.RetrieveContent()
            self._log_in()
        except BaseException as e:
            self._drop()
            raise _fault(e, endpoint, credentials) from e

    @property
    def api(self) -> str:
        """The negotiated version of the API, for people: 8.0.2.0."""
        return str(_VERSIONS.versionIdMap.get(self._version, "")).rpartition("/")[2] or str(
            self.content.about.apiVersion
        )

    @property
    def _version(self) -> str:
        return str(self._stub.version)

    def knows(self, kind: Any, name: str) -> bool:
        """The negotiated API has this property: pyvmomi would drop it without a word."""
        for found in kind._GetPropertyList():
            if found.name == name:
                return bool(_VERSIONS.IsChildVersion(self._version, found.version))
        return False

    def knows_type(self, kind: Any) -> bool:
        """The negotiated API has this type: pyvmomi would send an older one in its place."""
        return bool(_VERSIONS.IsChildVersion(self._version, kind._version))

    def knows_method(self, of: Any, name: str) -> bool:
        """The negotiated API has this method of an object's type."""
        found = next((method for method in of._GetMethodList() if method.name == name), None)
        return found is not None and bool(_VERSIONS.IsChildVersion(self._version, found.version))

    def object(self, kind: Any, identity: str) -> Any:
        """The object of a type with this id, whether there is one or not."""
        return kind(identity, self._stub)

    def time(self) -> Any:
        """Of the server, which stamps its events by its own clock."""
        return self._instance.CurrentTime()

    def basic_authorization(self) -> str:
        """The header by which the Automation API lets this account in. It is a secret."""
        pair = f"{self._credentials.username}:{self._credentials.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def view(self) -> Any:
        """A view of all objects of the inventory, kept for the session."""
        with self._lock:
            if self._view is None:
                manager, root = self.content.viewManager, self.content.rootFolder
                self._view = self.read(lambda: manager.CreateContainerView(root, list(ENTITIES), recursive=True))
            return self._view

    def forget_view(self) -> None:
        """The view went with its session."""
        self._view = None

    def read(self, what: Callable[[], T]) -> T:
        """Make a call that changes nothing, again and again while the vCenter is away. Raises ProviderError."""
        return self.patiently(lambda: self._call(what))

    def patiently(self, call: Callable[[], T]) -> T:
        """Again and again while it is Lost and the vCenter may only be away. Raises ProviderError."""
        deadline = clock.monotonic() + AWAY
        while True:
            try:
                return call()
            except Lost as e:
                if clock.monotonic() > deadline:
                    raise ProviderError(f"{self.endpoint.shown}: {e}", hint="check whether vCenter is up") from e
                time.sleep(0.5)

    def write(self, what: Callable[[], T]) -> T:
        """Make a call that changes something, once. Raises Lost when nobody knows whether it was carried out."""
        return self._call(what)

    def _call(self, what: Callable[[], T]) -> T:
        with self._lock:
            try:
                try:
                    return what()
                except vim.fault.NotAuthenticated:
                    self._log_in()
                    return what()
            except LOST as e:
                raise Lost(network(e)) from e

    def _log_in(self) -> None:
        self._stub.cookie = ""
        self._view = None
        self.session += 1
        self.content.sessionManager.Login(self._credentials.username, self._credentials.password)

    def close(self) -> None:
        """Log out; a session that has ended already is no fault."""
        with self._lock:
            try:
                self.content.sessionManager.Logout()
            except (vmodl.MethodFault, *LOST):
                pass
            self._drop()

    def _drop(self) -> None:
        if self._stub is not None:
            self._stub.DropConnections()


TRUST = "trust it by GOVC_TLS_CA_CERTS or ca.crt in the Secret, pin it by ?thumbprint=, or skip this by GOVC_INSECURE=1"


def _fault(error: BaseException, endpoint: Endpoint, credentials: Credentials) -> BaseException:
    """What a user is told when logging in fails; anything that is not the server's or the network's stays as it is."""
    if isinstance(error, vim.fault.InvalidLogin):
        hint = f"they come from {credentials.source}"
        return ProviderError(f"{endpoint.shown}: wrong user name or password", hint=hint)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProviderError(f"{endpoint.shown}: its certificate is not trusted: {error.verify_message}", hint=TRUST)
    if isinstance(error, vim.fault.VimFault | vmodl.MethodFault):
        return explain(error, endpoint.shown)
    if isinstance(error, LOST):
        return ProviderError(f"{endpoint.shown}: {network(error)}", hint="check name, port and network")
    if type(error) is Exception:  # pyvmomi's for a server that speaks no VIM
        return ProviderError(f"{endpoint.shown}: no vSphere answers there", hint="check name and port")
    return error


def network(error: BaseException) -> str:
    """Why nothing came back, for people."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
