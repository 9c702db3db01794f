"""Image downloads: into a cache, resumed, verified while they stream; a partial or wrong file is never used."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import requests

from hostcheck import clock
from hostcheck.paths import cache_dir
from provision.budget import Budget, TimeUp
from provision.cache import EVERY, LARGEST, locked
from provision.http_session import mirrored, session
from provision.model import Checksum, HttpRequest
from provision.provider import Progress
from provision.urls import shown

BLOCK = 1 << 16
"""Bytes; what has come of a block that is not whole is lost when a connection breaks."""
TIMEOUT = (15.0, 60.0)
"""Seconds to connect, and between two blocks."""
ASKING = (5.0, 10.0)
"""The same, to be told how large a file is."""
BROKEN_OFF = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Interrupted(Exception):
    """The transfer broke off; what has come so far is kept and continued."""


def cached(url: str, checksum: Checksum | None) -> Path | None:
    """The file of an earlier download of the same URL and checksum, else None."""
    path = _place(url, checksum)
    return path if path.is_file() else None


class Absent(ValueError):
    """The server has no such file (yet)."""


def fetch(
    url: str, checksum: Checksum | None, progress: Progress, request: HttpRequest | None = None,
    budget: Budget | None = None, *, anew: bool = False, mirrors: bool = True,
) -> Path:  # fmt: skip
    """Download `url` unless it is cached. Raises ValueError (one line) or OSError.

    Without a checksum a cached file is used as it is; `anew`, none is: it is replaced once the new one is whole.
    Proxies and `mirrors` are those of the environment; a mirror is not shown what `request` says to the server itself.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{shown(url)}: only http and https can be downloaded")
    path = _place(url, checksum)
    path.parent.mkdir(parents=True, exist_ok=True)
    budget = budget or Budget()
    with locked(path, budget.pause):
        if path.is_file() and not anew:
            return path
        part = path.with_name(path.name + ".part")
        if checksum is None:  # nothing would tell that the server has another file by now
            part.unlink(missing_ok=True)
        source = mirrored(url, os.environ) if mirrors else url
        if source != url:
            progress(f"{_name(url)} comes from the mirror {shown(source)}")
        with session(request if source == url else None) as http:
            _transfer(http, source, part, progress, budget)
        if checksum:
            progress(f"verifying {_name(url)}")
            found = _digest(part, checksum)
            if found != checksum.digest:
                part.unlink()
                raise ValueError(
                    f"{shown(url)}: wrong checksum: {checksum.algorithm} is {found}, expected {checksum.digest}"
                )
        part.replace(path)
    return path


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


def _transfer(http: requests.Session, url: str, part: Path, progress: Progress, budget: Budget) -> None:
    for attempt in range(1, budget.retries + 2):
        try:
            return _attempt(http, url, part, progress, budget)
        except TimeUp as e:
            came = part.stat().st_size if part.exists() else 0
            raise TimeUp(f"{shown(url)}: {e}; {came >> 20} MiB of it have come") from e
        except (Interrupted, *BROKEN_OFF) as e:
            budget.check()
            never_reached = not isinstance(e, Interrupted) and not part.exists()
            if attempt > budget.retries or never_reached:
                raise ValueError(f"{shown(url)}: {reason(e)}") from e
            progress(f"{_name(url)}: interrupted, going on ({attempt} of {budget.retries})")
            budget.pause(2.0 ** (attempt - 1))
        except requests.RequestException as e:
            raise ValueError(f"{shown(url)}: {reason(e)}") from e
    return None


def _attempt(http: requests.Session, url: str, part: Path, progress: Progress, budget: Budget) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with http.get(url, headers=headers, stream=True, timeout=budget.timeout(TIMEOUT)) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable and have:
            # Complete already, or another file by now: the size tells, and the checksum has the last word.
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise Interrupted("the server has another file by now")
        if answer.status_code in (404, 410):
            raise Absent(f"{shown(url)}: the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise ValueError(f"{shown(url)}: the server answers {answer.status_code} {answer.reason}")
        resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status_code == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise Interrupted("the server sent another range than the one asked for")
        done = have if resumed else 0
        length = answer.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        with part.open("ab" if resumed else "wb") as file:
            told = clock.monotonic()
            for block in _blocks(answer):
                file.write(block)
                done += len(block)
                if done > LARGEST:
                    part.unlink()
                    raise ValueError(f"{shown(url)}: larger than {LARGEST >> 30} GiB")
                budget.check()
                if clock.monotonic() - told >= EVERY:
                    told = clock.monotonic()
                    progress(f"downloading {_name(url)}: {done >> 20}{f' of {total >> 20}' if total else ''} MiB")
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done < total:
            raise Interrupted(f"connection closed after {done} of {total} bytes")


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(BLOCK)
    except BROKEN_OFF as e:
        raise Interrupted(reason(e)) from e


def _digest(part: Path, checksum: Checksum) -> str:
    with part.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(checksum.algorithm, usedforsecurity=False)).hexdigest()


def _name(url: str) -> str:
    return urlsplit(url).path.rsplit("/", 1)[-1] or url


def reason(error: Exception) -> str:
    """The innermost cause in words: requests wraps urllib3 wraps the operating system's own."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return " ".join(str(cause or error).split())[:200] or type(error).__name__
