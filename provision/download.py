"""Image downloads: into a cache, verified; a partial or wrong file is never used."""

import hashlib
import os
from pathlib import Path

import requests

from hostcheck.paths import cache_dir
from provision.budget import Budget
from provision.cache import locked
from provision.http_session import mirrored, session
from provision.model import Checksum, HttpRequest
from provision.provider import Progress
from provision.transfer import Transfer, name_of
from provision.urls import shown, unfetchable

ASKING = (5.0, 10.0)
"""Seconds to connect and to be told how large a file is."""


def cached(url: str, checksum: Checksum | None) -> Path | None:
    """The file of an earlier download of the same URL and checksum, else None."""
    path = _place(url, checksum)
    return path if path.is_file() else None


def fetch(
    url: str, checksum: Checksum | None, progress: Progress, request: HttpRequest | None = None,
    budget: Budget | None = None, *, anew: bool = False, mirrors: bool = True,
) -> Path:  # fmt: skip
    """Download `url` unless it is cached. Raises ValueError (one line) or OSError.

    Without a checksum a cached file is used as it is; `anew`, none is: it is replaced once the new one is whole.
    Proxies and `mirrors` are those of the environment; a mirror is not shown what `request` says to the server itself.
    """
    if fault := unfetchable(url):
        raise ValueError(fault)
    path = _place(url, checksum)
    path.parent.mkdir(parents=True, exist_ok=True)
    budget, name = budget or Budget(), name_of(url)
    with locked(path, lambda: progress(f"waiting for {name}, which is being fetched already"), budget.pause):
        if path.is_file() and not anew and matches(path, checksum):
            return path
        part = path.with_name(path.name + ".part")
        if checksum is None:  # nothing would tell that the server has another file by now
            part.unlink(missing_ok=True)
        source = mirrored(url, os.environ) if mirrors else url
        if source != url:
            progress(f"{name} comes from the mirror {shown(source)}")
        with session(request if source == url else None) as http:
            older = part.exists()
            Transfer(http, source, part, progress, budget).run()
            if older and not matches(part, checksum):
                progress(f"{name}: what an earlier run had of it is of another file, beginning anew")
                part.unlink()
                Transfer(http, source, part, progress, budget).run()
        if checksum:
            progress(f"verifying {name}")
            found = _digest(part, checksum)
            if found != checksum.digest:
                part.unlink()
                raise ValueError(
                    f"{shown(url)}: wrong checksum: {checksum.algorithm} is {found}, expected {checksum.digest}"
                )
        part.replace(path)
    return path


def matches(path: Path, checksum: Checksum | None) -> bool:
    """The file at `path` is what the checksum says, if there is one. Raises OSError."""
    return checksum is None or _digest(path, checksum) == checksum.digest


def length(url: str, request: HttpRequest | None) -> int | None:
    """Bytes that `fetch` would have to download, as the server or mirror tells; None where it does not."""
    try:
        source = mirrored(url, os.environ)
        with (
            session(request if source == url else None) as http,
            http.head(source, headers={"Accept-Encoding": "identity"}, timeout=ASKING, allow_redirects=True) as answer,
        ):
            said = answer.headers.get("Content-Length", "")
            return int(said) if answer.status_code == requests.codes.ok and said.isdecimal() else None
    except (requests.RequestException, ValueError, OSError):  # said by whoever downloads it
        return None


def _place(url: str, checksum: Checksum | None) -> Path:
    key = f"{url}\n{checksum.algorithm}:{checksum.digest}" if checksum else url
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    return cache_dir() / "images" / name


def _digest(path: Path, checksum: Checksum) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(checksum.algorithm, usedforsecurity=False)).hexdigest()
