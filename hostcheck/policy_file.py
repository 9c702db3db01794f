"""Reads a policy from `nestproof.toml`, in $XDG_CONFIG_HOME/nestproof or where the user says; faults by file and line:

[thresholds]
memory-minimum-gib = 4

[[waivers]]
check = "capacity.disk"
reason = "images lie on the SAN"
owner = "storage team"
expires = 2027-01-31
"""

import datetime
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from hostcheck.checks import catalogue
from hostcheck.clock import now
from hostcheck.policy import THRESHOLDS, Policy, Thresholds, Waiver

MAX_BYTES = 256 * 1024
NAME = "nestproof.toml"


class PolicyError(ValueError):
    """The policy cannot be used; the message names file, line, and what to write."""


def default_path() -> Path:
    """`nestproof.toml` in the user's XDG configuration directory."""
    return platformdirs.user_config_path("nestproof") / NAME


def _nothing() -> Iterable[str]:
    return ()


def load(path: Path | None = None, also: Callable[[], Iterable[str]] = _nothing) -> Policy:
    """The policy in a file; without a path that of the user, or the defaults when there is none. Raises PolicyError.

    `also` gives what besides checks can be waived, and is called only for a name that is no check's.
    """
    file = path or default_path()
    today = datetime.datetime.fromtimestamp(now(), datetime.UTC).date()
    try:
        if path is None and not _there(file):
            return Policy(today=today)
        if not file.is_file():
            raise PolicyError(f"{file}: not a file" if file.exists() else f"{file}: no such file")
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as e:
        raise PolicyError(f"{file}: {e.strerror}") from e
    if len(data) > MAX_BYTES:
        raise PolicyError(f"{file}: larger than {MAX_BYTES >> 10} KiB")
    return parse(data, str(file), today, also)


def _there(file: Path) -> bool:
    """Whether the user has a policy. What lies in a home that is closed to them (su, sudo -u) is somebody else's."""
    try:
        return file.exists()
    except PermissionError:
        return False


def parse(data: bytes, name: str, today: datetime.date, also: Callable[[], Iterable[str]] = _nothing) -> Policy:
    """The policy in the bytes of a file called `name`. Raises PolicyError."""
    import tomllib  # late: few users have a policy, and every command looks for one

    try:
        text = data.decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as e:
        raise PolicyError(f"{name}: not UTF-8 text: {e.reason}") from e
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        place = re.search(r"\(at line (\d+), column \d+\)", str(e))
        what = str(e).removesuffix(place[0]).strip() if place else str(e)
        raise PolicyError(f"{name}:{place[1] if place else 1}: not TOML: {what}") from e
    return _Reader(text, name, also).policy(document, today)


class _Reader:
    """Turns a parsed document into a policy, and finds the line of what is wrong in it."""

    def __init__(self, text: str, name: str, also: Callable[[], Iterable[str]]) -> None:
        self.lines = text.splitlines()
        self.name = name
        self.also = also

    def policy(self, document: dict[str, Any], today: datetime.date) -> Policy:
        self._known(document, ("thresholds", "waivers"), 0)
        thresholds, waivers = document.get("thresholds", {}), document.get("waivers", [])
        if not isinstance(thresholds, dict):
            raise self._fault("thresholds", 0, "thresholds is a table: write [thresholds] above its entries")
        if not isinstance(waivers, list) or not all(isinstance(each, dict) for each in waivers):
            raise self._fault("waivers", 0, "waivers is a list of tables: write [[waivers]] above each")
        start = self._header("[thresholds]", 0)
        self._known(thresholds, THRESHOLDS, start)
        for key, value in thresholds.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
                raise self._fault(key, start, f"{key} is a number from 0 on, not {value!r}")
        read, at = [], 0
        for waiver in waivers:
            at = self._header("[[waivers]]", at)
            read.append(self._waiver(waiver, at))
        return Policy(msgspec.convert(thresholds, Thresholds), tuple(read), today, self.name)

    def _waiver(self, waiver: dict[str, Any], at: int) -> Waiver:
        self._known(waiver, Waiver.__struct_fields__, at)
        for key in Waiver.__struct_fields__:
            if key not in waiver:
                example = "2027-01-31" if key == "expires" else '"..."'
                raise self._fault("", at, f"a waiver needs {key}: write {key} = {example}")
        for key in ("check", "reason", "owner"):
            if not isinstance(waiver[key], str) or not waiver[key].strip():
                raise self._fault(key, at, f'{key} is a text: write {key} = "..."')
        if type(waiver["expires"]) is not datetime.date:
            raise self._fault("expires", at, "expires is a date without quotes: write expires = 2027-01-31")
        known = [check.id for check in catalogue()]
        if waiver["check"] not in known and waiver["check"] not in (others := list(self.also())):
            hint = _near(waiver["check"], [*known, *others]) or "`nestproof explain` lists them all"
            raise self._fault("check", at, f"there is no check or rule {waiver['check']!r}; {hint}")
        return Waiver(**waiver)

    def _known(self, table: dict[str, Any], keys: Iterable[str], at: int) -> None:
        for key in table:
            if key not in keys:
                hint = _near(key, keys) or f"there are {', '.join(keys)}"
                raise self._fault(key, at, f"unknown key {key!r}; {hint}")

    def _header(self, header: str, at: int) -> int:
        """The number of lines up to and with the next such header; `at` when it is written in another way."""
        for number in range(at, len(self.lines)):
            if self.lines[number].partition("#")[0].replace(" ", "").strip() == header:
                return number + 1
        return at

    def _fault(self, key: str, at: int, what: str) -> PolicyError:
        word = re.compile(rf"""(?<![\w-])["']?{re.escape(key)}["']?(?![\w-])""")
        found = (n for n in range(at, len(self.lines)) if key and word.search(self.lines[n]))
        return PolicyError(f"{self.name}:{next(found, max(at - 1, 0)) + 1}: {what}")


def _near(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else ""
