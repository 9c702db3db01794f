"""How an image's server is asked: by a mirror where the environment names one, with the headers and credentials of the
manifest for the server that they are meant for and for no other.
"""

import base64
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests

from provision.model import HttpRequest

MIRRORS = "NESTPROOF_IMAGE_MIRRORS"
"""`FROM=TO` for each mirror, separated by blanks: a URL that begins with FROM is fetched from TO instead."""


def mirrored(url: str, environment: Mapping[str, str]) -> str:
    """The URL to fetch, by the longest FROM that it begins with. Raises ValueError for a setting of another form."""
    found, best = url, ""
    for word in environment.get(MIRRORS, "").split():
        start, equals, instead = word.partition("=")
        if not equals or not all(urlsplit(each).scheme in ("http", "https") for each in (start, instead)):
            raise ValueError(f"{MIRRORS} is FROM=TO with two http or https URLs, separated by blanks")
        if url.startswith(start) and len(start) > len(best):
            found, best = instead + url[len(start) :], start
    return found


@contextmanager
def session(request: HttpRequest | None) -> Iterator[requests.Session]:
    """Connections for one download; what of a client certificate had to be written to a file is removed again."""
    with tempfile.TemporaryDirectory(prefix="nestproof-") as directory, _Session() as made:
        if request is None:
            yield made
            return
        if not all(f"{name}{value}".isprintable() for name, value in request.headers.items()):
            raise ValueError("a header of the download has a line break or control character in it")
        made.ours = tuple(request.headers)
        made.headers.update(request.headers)
        if request.token is not None:
            made.auth = _Authorization(f"Bearer {request.token.strip()}")
        elif request.username is not None:
            login = base64.b64encode(f"{request.username}:{request.password or ''}".encode()).decode()
            made.auth = _Authorization(f"Basic {login}")
        if request.certificate is not None:
            pem = Path(directory, "client.pem")  # requests takes a file only; the directory is ours alone
            pem.write_text("\n".join(filter(None, (request.certificate, request.private_key))) + "\n")
            made.cert = str(pem)
        yield made


class _Session(requests.Session):
    """A redirection to another server takes none of the manifest's headers along: one of them may be a secret."""

    ours: tuple[str, ...] = ()

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]
        old, new = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            for name in self.ours:
                prepared_request.headers.pop(name, None)


class _Authorization(requests.auth.AuthBase):
    def __init__(self, header: str) -> None:
        if not header.isprintable():  # requests would show it in its error
            raise ValueError("the credentials of the download have a line break or control character in them")
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request
