"""Sessions with the API: one for each thread, logged in by token or by a ticket that all threads share.

proxmoxer's own ticket login goes past its session, and so past a certificate that is pinned: here the session does it.
"""

import contextlib
import hashlib
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import requests
import websocket
from proxmoxer.backends.https import ProxmoxHTTPApiTokenAuth, ProxmoxHTTPAuthBase, ProxmoxHttpSession
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from hostcheck import clock
from provision.provider import ProviderError
from provision.providers.proxmox.credentials import Login
from provision.providers.proxmox.faults import explain

TIMEOUT = 60.0
"""Seconds for one call. Proxmox itself gives up on a node after 30."""
RENEWAL = 3600.0
"""Seconds after which a ticket is renewed; it lives for two hours."""


class Sessions:
    """Hands each thread its session."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._local = threading.local()
        self._lock = threading.Lock()
        self._ticket: _Ticket | None = None
        self._ca = _file_of(login.ca) if login.ca else None

    def ready(self, address: str) -> ProxmoxHttpSession:
        """This thread's session, logged in. Raises ProviderError and what requests raises."""
        session: ProxmoxHttpSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._new()
        if isinstance(session.auth, _TicketAuth):
            session.auth.ticket = self._ticket_of(address, session)
        return session

    def stream(self, address: str, path: str) -> websocket.WebSocket:
        """A WebSocket, trusted and logged in as everything else. Raises what ssl, socket and websocket raise."""
        session = self.ready(address)
        header = [f"{name}: {value}" for name, value in self._headers(session, path).items()]
        host, _, port = address.rpartition(":")
        raw = socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT)
        secure = self._context(session.auth.verify_ssl).wrap_socket(raw, server_hostname=host.strip("[]"))
        pinned = self._login.fingerprint
        if pinned and hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest() != pinned:
            secure.close()
            raise ProviderError(f"{address}: its certificate is not the one of PROXMOX_FINGERPRINT")
        return websocket.create_connection(
            f"wss://{address}{path}", socket=secure, header=header, subprotocols=["binary"], suppress_origin=True
        )

    def _headers(self, session: ProxmoxHttpSession, path: str) -> Mapping[str, str]:
        request = requests.Request("GET", f"https://proxmox{path}").prepare()
        signed = session.auth(request)
        wanted = {name: value for name, value in signed.headers.items() if name.lower() == "authorization"}
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.auth.get_cookies())
        return {**wanted, "Cookie": cookies} if cookies else wanted

    @staticmethod
    def _context(verify: bool | str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def forget_ticket(self) -> bool:
        """It was refused, so the next call logs in anew; False when there is none, as with a token."""
        with self._lock:
            had, self._ticket = self._ticket is not None, None
            return had

    def close(self) -> None:
        """Sessions of other threads end with their threads."""
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
        if self._ca is not None:
            with contextlib.suppress(FileNotFoundError):
                self._ca.unlink()

    def _new(self) -> ProxmoxHttpSession:
        session, login = ProxmoxHttpSession(), self._login
        verify: bool | str = not login.insecure
        if login.fingerprint:
            session.mount("https://", _Pinned(login.fingerprint))
            verify = False  # by its fingerprint, and nothing else
        elif verify and (self._ca or login.ca_file):
            verify = str(self._ca or login.ca_file)
        session.trust_env = False  # no password out of a .netrc, no other authority
        if login.token_name:
            session.auth = ProxmoxHTTPApiTokenAuth(
                login.user, login.token_name, login.secret, verify_ssl=verify, timeout=TIMEOUT
            )
        else:
            session.auth = _TicketAuth(verify)
        return session

    def _ticket_of(self, address: str, session: ProxmoxHttpSession) -> "_Ticket":
        """The ticket of this user, one for all threads, renewed before it expires."""
        with self._lock:
            if self._ticket is None or clock.monotonic() - self._ticket.since > RENEWAL:
                self._ticket = self._log_in(address, session)
            return self._ticket

    def _log_in(self, address: str, session: ProxmoxHttpSession) -> "_Ticket":
        user = self._login.user
        answer = self._ask(address, session, {"username": user, "password": self._login.secret})
        if answer.challenge:
            if not self._login.otp:
                hint = "use an API token (PROXMOX_TOKEN_ID), or PROXMOX_VE_OTP"
                raise ProviderError(f"{user} needs a second factor", hint=hint)
            otp = {"tfa-challenge": answer.ticket, "password": f"totp:{self._login.otp}"}
            answer = self._ask(address, session, {"username": user, **otp})
        return _Ticket(answer.ticket, answer.token, clock.monotonic())

    def _ask(self, address: str, session: ProxmoxHttpSession, form: Mapping[str, str]) -> "_Granted":
        url = f"https://{address}/api2/json/access/ticket"
        auth = ProxmoxHTTPAuthBase(timeout=TIMEOUT, verify_ssl=session.auth.verify_ssl)
        answer = session.request("POST", url, data=dict(form), auth=auth)
        if answer.status_code != 200:
            raise explain(
                answer.status_code, answer.reason, None, f"POST /access/ticket at {address}", self._login.name
            )
        try:
            return msgspec.json.decode(answer.content, type=_Answer).data
        except msgspec.MsgspecError as e:
            raise ProviderError(f"{address}: an answer to the login that makes no sense: {e}") from e


class _Granted(msgspec.Struct):
    ticket: str
    token: str = msgspec.field(name="CSRFPreventionToken", default="")
    challenge: int = msgspec.field(name="NeedTFA", default=0)


class _Answer(msgspec.Struct):
    data: _Granted


class _Ticket:
    def __init__(self, text: str, csrf: str, since: float) -> None:
        self.text = text
        self.csrf = csrf
        self.since = since


class _TicketAuth(ProxmoxHTTPAuthBase):  # type: ignore[misc]
    """Puts the ticket on every request, and the token against forgery on those that change something."""

    def __init__(self, verify: bool | str) -> None:
        super().__init__(timeout=TIMEOUT, verify_ssl=verify)
        self.ticket: _Ticket | None = None

    def get_cookies(self) -> RequestsCookieJar:
        jar = RequestsCookieJar()
        if self.ticket is not None:
            jar.set("PVEAuthCookie", self.ticket.text)
        return jar

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.ticket is not None and request.method != "GET":
            request.headers["CSRFPreventionToken"] = self.ticket.csrf
        return request


class _Pinned(HTTPAdapter):
    """Trusts the one certificate of a fingerprint; urllib3 compares it before anything is sent."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, assert_fingerprint=self._fingerprint, assert_hostname=False, **kwargs)


def _file_of(text: str) -> Path:
    """A file of one's own with these certificates: requests takes them from nothing else."""
    handle, name = tempfile.mkstemp(prefix="nestproof-ca-", suffix=".pem")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return Path(name)
