"""One file by HTTP: gone on with where it broke off, and never put together from two."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import requests

from hostcheck import clock
from provision.budget import Budget, TimeUp
from provision.cache import EVERY, LARGEST, CacheFull
from provision.provider import Progress
from provision.room import size
from provision.urls import shown

BLOCK = 1 << 16
"""Bytes; what has come of a block that is not whole is lost when a connection breaks."""
TIMEOUT = (15.0, 60.0)
"""Seconds to connect, and between two blocks."""
BROKEN_OFF = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
BUSY = (429, 500, 502, 503, 504)
"""What servers say that may be able to a moment later."""
FULL = (errno.ENOSPC, errno.EDQUOT)


class Interrupted(Exception):
    """The transfer broke off; what has come so far is kept and continued."""


class Absent(ValueError):
    """The server has no such file (yet)."""


class Transfer:
    """The file at `url`, into `part`."""

    def __init__(self, http: requests.Session, url: str, part: Path, progress: Progress, budget: Budget) -> None:
        self._http = http
        self._url = url
        self._part = part
        self._progress = progress
        self._budget = budget
        self._mark = ""
        """By which the server tells the file that `part` is of from others; empty where it does not say."""
        self._total: int | None = None
        """Bytes of the file that `part` is of; None where it is not known."""

    def run(self) -> None:
        """Raises ValueError (one line) and OSError; what has come is kept then, unless it filled the disk."""
        for attempt in range(1, self._budget.retries + 2):
            try:
                return self._attempt()
            except TimeUp as e:
                came = self._part.stat().st_size if self._part.exists() else 0
                raise TimeUp(f"{shown(self._url)}: {e}; {came >> 20} MiB of it have come") from e
            except (Interrupted, *BROKEN_OFF) as e:
                self._budget.check()
                never_reached = not isinstance(e, Interrupted) and not self._part.exists()
                if attempt > self._budget.retries or never_reached:
                    raise ValueError(f"{shown(self._url)}: {reason(e)}") from e
                self._progress(f"{name_of(self._url)}: interrupted, going on ({attempt} of {self._budget.retries})")
                self._budget.pause(2.0 ** (attempt - 1))
            except requests.RequestException as e:
                raise ValueError(f"{shown(self._url)}: {reason(e)}") from e
        return None

    def _attempt(self) -> None:
        have = self._part.stat().st_size if self._part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        if have and self._mark:
            headers["If-Range"] = self._mark
        timeout = self._budget.timeout(TIMEOUT)
        with self._http.get(self._url, headers=headers, stream=True, timeout=timeout) as answer:
            if self._is_whole(answer, have):
                return
            resumed = self._goes_on(answer, have)
            done = have if resumed else 0
            length = answer.headers.get("Content-Length", "")
            total = done + int(length) if length.isdecimal() else None
            if resumed and self._is_another(answer, total):
                raise self._begun_anew()
            self._mark, self._total = _mark(answer), total
            if total is not None:
                self._check_size(total, total - done)
            try:
                done = self._take(answer, done, total, "ab" if resumed else "wb")
            except OSError as e:
                if e.errno not in FULL:
                    raise
                self._part.unlink()
                raise CacheFull(f"{self._part.parent}: {e.strerror}") from e
        if total is not None and done < total:
            raise Interrupted(f"connection closed after {done} of {total} bytes")

    def _is_whole(self, answer: requests.Response, have: int) -> bool:
        """All of it is here. Raises what an answer without a file comes to."""
        if answer.status_code == requests.codes.requested_range_not_satisfiable and have:
            # Complete already, or another file by now: the size tells, and the checksum has the last word.
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return True
            raise self._begun_anew()
        said = f"the server answers {answer.status_code} {answer.reason}"
        if answer.status_code in (404, 410):
            raise Absent(f"{shown(self._url)}: {said}")
        if answer.status_code in BUSY:
            raise Interrupted(said)
        if answer.status_code not in (200, 206):
            raise ValueError(f"{shown(self._url)}: {said}")
        return False

    def _goes_on(self, answer: requests.Response, have: int) -> bool:
        """It is sent from where it broke off, and not from its start."""
        if answer.status_code != 206:
            return False
        if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            self._part.unlink(missing_ok=True)
            raise Interrupted("the server sent another range than the one asked for")
        return True

    def _is_another(self, answer: requests.Response, total: int | None) -> bool:
        marks, totals = (self._mark, _mark(answer)), (self._total, total)
        return (all(marks) and len(set(marks)) > 1) or (None not in totals and len(set(totals)) > 1)

    def _begun_anew(self) -> Interrupted:
        self._part.unlink()
        self._mark, self._total = "", None
        return Interrupted("the server has another file by now")

    def _check_size(self, total: int, coming: int) -> None:
        if total > LARGEST:
            raise ValueError(f"{shown(self._url)}: larger than {LARGEST >> 30} GiB")
        place = self._part.parent
        free = shutil.disk_usage(place).free
        if coming > free:
            raise CacheFull(f"{place} has {size(free)} left, {size(coming)} are needed for {shown(self._url)}")

    def _take(self, answer: requests.Response, done: int, total: int | None, mode: str) -> int:
        """Bytes that are there then."""
        with self._part.open(mode) as file:
            told = clock.monotonic()
            for block in _blocks(answer):
                file.write(block)
                done += len(block)
                if done > LARGEST:
                    self._part.unlink()
                    raise ValueError(f"{shown(self._url)}: larger than {LARGEST >> 30} GiB")
                self._budget.check()
                if clock.monotonic() - told >= EVERY:
                    told = clock.monotonic()
                    of = f" of {total >> 20}" if total else ""
                    self._progress(f"downloading {name_of(self._url)}: {done >> 20}{of} MiB")
            file.flush()
            os.fsync(file.fileno())
        return done


def _mark(answer: requests.Response) -> str:
    """What `If-Range` takes (RFC 9110, 13.1.5)."""
    tag = answer.headers.get("ETag", "")
    return answer.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(BLOCK)
    except BROKEN_OFF as e:
        raise Interrupted(reason(e)) from e


def name_of(url: str) -> str:
    """For people: the last part of its path."""
    return urlsplit(url).path.rsplit("/", 1)[-1] or shown(url)


def reason(error: Exception) -> str:
    """The innermost cause in words: requests wraps urllib3 wraps the operating system's own."""
    if isinstance(error, requests.exceptions.InvalidURL):
        return "no valid URL"  # its own words repeat it, with its password
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return " ".join(str(cause or error).split())[:200] or type(error).__name__
