"""What becomes of a report that a machine sends: whose it is, whether it may be taken, and what is kept of it.

Everything in a report is hostile input. The token binds it to one name; what is known of that VM from its provider is
kept beside it.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus

from hostcheck.clock import monotonic, now
from hostcheck.model import Asked, VmView
from hostcheck.report import MAX_BYTES, ReportError, decode
from reports.collector.tokens import Tokens
from reports.sanitize import MAX_NAME, sanitize
from reports.store import Entry, Store

PAUSE_SECONDS = 1.0
"""Between two reports of one machine: the agent sends one after a change, and each is kept."""
REMEMBERED = 100_000
"""Machines whose last time is remembered."""
UNSEEN = "no provider spoke of it"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a report is not taken: an HTTP status, and one line for whoever runs the machine."""

    status: HTTPStatus
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A report that is on disk."""

    kind: str
    name: str


class Intake:
    """Takes reports into a store. `take` may be called from several threads."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens
        self._last: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, token: str, body: bytes) -> Taken | Refusal:
        """Check one report and keep it; when Taken is returned it is on disk. Raises StoreError."""
        if not token:
            return Refusal(HTTPStatus.UNAUTHORIZED, "no bearer token was sent")
        if len(body) > MAX_BYTES:
            return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a report has at most {MAX_BYTES} bytes")
        try:
            subject = decode(body).subject
        except ReportError as e:
            return Refusal(HTTPStatus.BAD_REQUEST, sanitize(str(e))[:200])
        kind, name = ("vm", subject.vm) if subject.vm is not None else ("host", subject.hostname)
        if not name or len(name) > MAX_NAME or name != sanitize(name, MAX_NAME):
            return Refusal(HTTPStatus.BAD_REQUEST, "it does not say in plain words which machine it is of")
        if not self._tokens.fits(token, kind, name):
            return Refusal(HTTPStatus.FORBIDDEN, f"this is not the token of the {kind} {name}")
        if self._too_soon((kind, name)):
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"{name} sent another report just now")
        self._store.add(self._entry(kind, name, body))
        return Taken(kind, name)

    def _too_soon(self, key: tuple[str, str]) -> bool:
        with self._lock:
            time = monotonic()
            last = self._last.get(key)
            if last is not None and time - last < PAUSE_SECONDS:
                return True
            self._last[key] = time
            self._last.move_to_end(key)
            if len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
            return False

    def _entry(self, kind: str, name: str, body: bytes) -> Entry:
        if kind == "host":
            return Entry(name=name, kind=kind, received=now(), report=body)
        known = next((entry for entry in self._store.history(name) if entry.kind == kind and entry.view), None)
        view = known.view if known else VmView(name, UNSEEN, True, Asked.UNSTATED)
        return Entry(
            name=name,
            kind=kind,
            received=now(),
            host=known.host if known else "",
            provider=known.provider if known else "",
            report=body,
            view=view,
        )
