"""The collector's few addresses, as an ASGI application.

POST /report takes a report. GET / is the page of everything known, /matrix.json and /metrics the same for programs,
/health answers as long as the store does. Reading asks for a password unless the collector is open to this machine
alone.
"""

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hostcheck.clock import monotonic
from hostcheck.report import MAX_BYTES
from reports.collector.intake import Intake, Refusal, Taken
from reports.store import StoreError

BODY_SECONDS = 20.0
"""A report is some kilobytes: who needs longer keeps a place that others want."""
FRESH_SECONDS = 2.0
"""A page is made at most this often, however many people look."""
VIEWS = {
    "/": ("html", "text/html"),
    "/matrix.json": ("json", "application/json"),
    "/metrics": ("prometheus", "text/plain"),
}

Render = Callable[[str], str]
"""Everything known, in a format of reports.formats."""
Say = Callable[[str], None]
Endpoint = Callable[[Request], Awaitable[Response]]


def application(intake: Intake, render: Render, say: Say, password: str | None = None) -> Starlette:
    """The application. `say` hears one line per report; `password` is asked of readers, None asks nothing."""
    routes = [Route("/report", _receive(intake, say), methods=["POST"])]
    for path, (form, media_type) in VIEWS.items():
        routes.append(Route(path, _show(_Page(render, form), media_type, password), methods=["GET"]))
    routes.append(Route("/health", _health, methods=["GET"]))
    return Starlette(routes=routes)


def _receive(intake: Intake, say: Say) -> Endpoint:
    async def receive(request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return _line(HTTPStatus.REQUEST_TIMEOUT, "the report did not come within its time")
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            outcome = await run_in_threadpool(intake.take, token.strip() if kind.lower() == "bearer" else "", body)
        except StoreError as e:
            say(f"a report was NOT kept: {e}")
            return _line(HTTPStatus.SERVICE_UNAVAILABLE, "it could not be kept; send it again later")
        match outcome:
            case Taken(kind, name):
                say(f"{kind} {name}: report taken")
                return Response(status_code=HTTPStatus.NO_CONTENT)
            case Refusal(status, why):
                say(f"{request.client.host if request.client else 'somebody'}: report refused: {why}")
                return _line(status, why)

    return receive


async def _body(request: Request) -> bytes:
    """At most one byte more than a report may have; the rest is not even read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk[: MAX_BYTES + 1 - len(body)]
        if len(body) > MAX_BYTES:
            break
    return bytes(body)


class _Page:
    """One rendering, made anew when it is asked for and no longer fresh; never twice at a time."""

    def __init__(self, render: Render, form: str) -> None:
        self._render = render
        self._form = form
        self._text = ""
        self._made: float | None = None
        self._lock = asyncio.Lock()

    async def text(self) -> str:
        async with self._lock:
            if self._made is None or monotonic() - self._made > FRESH_SECONDS:
                self._text = await run_in_threadpool(self._render, self._form)
                self._made = monotonic()
            return self._text


def _show(page: _Page, media_type: str, password: str | None) -> Endpoint:
    async def show(request: Request) -> Response:
        if password is not None and not _may_read(request, password):
            answer = _line(HTTPStatus.UNAUTHORIZED, "the password of this collector is needed, with any user name")
            answer.headers["WWW-Authenticate"] = 'Basic realm="nestproof", charset="UTF-8"'
            return answer
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        if media_type == "text/html":
            headers |= {"X-Frame-Options": "DENY"}
        try:
            return Response(await page.text(), media_type=media_type, headers=headers)
        except StoreError as e:
            return _line(HTTPStatus.SERVICE_UNAVAILABLE, str(e))

    return show


def _may_read(request: Request, password: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        _, _, word = b64decode(given, validate=True).partition(b":")
    except ValueError:
        return False
    return hmac.compare_digest(word, password.encode())


async def _health(_request: Request) -> Response:
    return _line(HTTPStatus.OK, "ok")


def _line(status: HTTPStatus, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status)
