"""Logging in at a container registry as it asks for it: by a token from the server that it names, or by password.

Credentials go to their registry and to its server of tokens alone, by https or on this very machine; a redirection to
another host takes none along.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
import requests

from provision.budget import Budget
from provision.http_session import session
from provision.model import HttpRequest
from provision.registry_name import is_loopback
from provision.transfer import TIMEOUT

LARGEST_TOKEN = 1 << 20


class Answer(msgspec.Struct, frozen=True):
    """What was said, whole."""

    status: int
    reason: str
    kind: str
    """Its Content-Type."""
    body: bytes
    challenge: str = ""
    """How to log in; that of another host, to which a redirection led, is not heard."""


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


class Login:
    """For pulling from one repository, whose API begins at `url`."""

    def __init__(self, url: str, repository: str, given: HttpRequest | None) -> None:
        self._host = urlsplit(url).netloc
        self._scope = f"repository:{repository}:pull"
        self._given = given
        self.granted: HttpRequest | None = None
        """What goes with every request by now."""

    def get(self, url: str, accept: str, most: int, budget: Budget) -> Answer:
        """Ask, and log in where that is wanted. Raises requests' exceptions and ValueError."""
        answer = _get(url, {"Accept": accept}, self.granted, most, budget)
        if answer.status == 401 and answer.challenge:
            self.granted = self._grant(answer.challenge, budget)
            answer = _get(url, {"Accept": accept}, self.granted, most, budget)
        if answer.status in (401, 403):
            who = "with these credentials" if self._given else "without credentials: name a Secret by pullSecretRef"
            raise ValueError(f"{self._host} refuses the pull {who} ({answer.status} {answer.reason})")
        return answer

    def _grant(self, challenge: str, budget: Budget) -> HttpRequest | None:
        scheme, _, rest = challenge.strip().partition(" ")
        if scheme.lower() == "basic":
            return self._given
        values = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = values.get("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise ValueError(f"{self._host} wants a login of a kind that is not known: {scheme[:40]}")
        if self._given is not None and self._given.token is not None:
            return self._given
        parts = urlsplit(realm)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError(f"{self._host} names {realm[:100]} as its server of tokens, which is not https")
        query = {"service": values.get("service", ""), "scope": self._scope}
        asked = requests.Request("GET", realm, params=query).prepare().url or realm
        answer = _get(asked, {}, self._given, LARGEST_TOKEN, budget)
        if answer.status != 200:
            raise ValueError(f"{parts.hostname} gives no token for {self._host}: {answer.status} {answer.reason}")
        try:
            found = msgspec.json.decode(answer.body, type=_Token)
        except msgspec.MsgspecError:
            found = _Token()
        if not (found.token or found.access_token):
            raise ValueError(f"{parts.hostname} gives no token for {self._host}: its answer has none")
        return HttpRequest(token=found.token or found.access_token)


def _get(url: str, headers: Mapping[str, str], request: HttpRequest | None, most: int, budget: Budget) -> Answer:
    with (
        session(request) as http,
        http.get(url, headers=headers, stream=True, timeout=budget.timeout(TIMEOUT)) as got,
    ):
        body = bytearray()
        for block in got.iter_content(1 << 16):
            body += block
            budget.check()
            if len(body) > most:
                raise ValueError(f"{urlsplit(url).hostname} sends more than {most >> 20} MiB where a page is expected")
        same = urlsplit(got.url).netloc == urlsplit(url).netloc
        challenge = got.headers.get("WWW-Authenticate", "") if same else ""
        return Answer(got.status_code, got.reason or "", got.headers.get("Content-Type", ""), bytes(body), challenge)
