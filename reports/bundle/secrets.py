"""Secrets: taken out of every text that goes into a bundle, and looked for once more in what came out.

The search looks deeper than the removal (escaped, encoded and packed text), and it does not mend: what it finds stops
the command, since a bundle that was sent cannot be called back.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

REMOVED = "[removed]"
_WORD = (
    r"(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|rootpw|credentials?|ticket)"
)
_OPEN = r"(?!\[removed\]|%5Bremoved|None\b|null\b|x:|\*|!)"
"""Not what was removed already, nor what stands for no secret at all."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of secret; what matches `secret` in the expression goes."""

    what: str
    expression: re.Pattern[str]


def _pattern(what: str, expression: str, flags: int = 0) -> Pattern:
    return Pattern(what, re.compile(expression, flags))


PATTERNS = (
    _pattern(
        "a private key",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?!\[removed\])[^-]{0,20000})",
    ),
    _pattern("a password in a URL", rf"://[^/\s:@'\"<>]{{0,80}}:(?P<secret>{_OPEN}[^@/\s'\"<>]{{1,200}})@"),
    _pattern(
        "a password or token",
        rf"(?<![A-Za-z]){_WORD}[A-Za-z0-9_]{{0,20}}[\"']?\s{{0,3}}[=:]\s{{0,3}}[\"']?"
        rf"(?P<secret>{_OPEN}[^\s\"'<>&,;]{{3,4000}})",
        re.IGNORECASE,
    ),
    _pattern("a password", rf"<(?:\w+:)?{_WORD}>\s*(?P<secret>{_OPEN}[^<\s]{{1,4000}})", re.IGNORECASE),
    _pattern("an authorization", rf"\b(?:Bearer|Basic)\s{{1,3}}(?P<secret>{_OPEN}[A-Za-z0-9._~+/=-]{{8,4000}})"),
    _pattern("an AWS key", r"\b(?P<secret>(?:AKIA|ASIA)[0-9A-Z]{16})\b"),
    _pattern(
        "a token of a code host", r"\b(?P<secret>(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{16,255})"
    ),
    _pattern(
        "a JSON web token",
        r"\b(?P<secret>eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{5,4000}\.[A-Za-z0-9_-]{5,2000})",
    ),
    _pattern("a password hash", r"(?P<secret>\$(?:1|2[abxy]|5|6|7|y|gy|argon2id?|scrypt)\$[./A-Za-z0-9$=,+-]{16,500})"),
    _pattern(
        "a Proxmox token or ticket",
        rf"PVE(?:APIToken=[^\s=]{{1,99}}=|AuthCookie=|:[^\s:]{{1,99}}:)(?P<secret>{_OPEN}[^\s;\"']{{8,4000}})",
    ),
)
SECRET_NAME = re.compile(rf"(?:^|[._-]){_WORD}(?:$|[._-])", re.IGNORECASE)
"""Of a key in JSON, or of an environment variable, whose value is a secret."""
PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
MAX_DECODED = 64 << 10
"""Characters of one encoded piece that are looked into."""


@dataclass(frozen=True, slots=True)
class Found:
    """A secret that is left, without the secret."""

    file: str
    what: str
    how: str = ""
    """How it was hidden; empty where it stood there."""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}{f' ({self.how})' if self.how else ''}"


def literals(environ: Mapping[str, str]) -> frozenset[str]:
    """The secrets that this process was given by its environment."""
    return frozenset(value for name, value in environ.items() if SECRET_NAME.search(name) and len(value) >= 6)


def removed(text: str, known: Iterable[str] = ()) -> str:
    """The text without its secrets."""
    for secret in known:
        text = text.replace(secret, REMOVED)
    for pattern in PATTERNS:
        text = pattern.expression.sub(_without, text)
    return text


def removed_json(value: Any, known: Iterable[str] = ()) -> Any:
    """JSON without the secrets in its texts, and without texts whose key calls them a secret."""
    if isinstance(value, str):
        return removed(value, known)
    if isinstance(value, list):
        return [removed_json(each, known) for each in value]
    if isinstance(value, dict):
        return {
            key: REMOVED if SECRET_NAME.search(key) and isinstance(each, str) and each else removed_json(each, known)
            for key, each in value.items()
        }
    return value


def search(name: str, data: bytes, known: Iterable[str] = ()) -> Iterator[Found]:
    """Every secret that is left in a file, also where it is escaped or encoded."""
    for magic, kind in PACKED.items():
        if data.startswith(magic):
            yield Found(name, f"a {kind} file, which cannot be looked into")
            return
    for how, text in _readings(name, data):
        for secret in known:
            if secret in text:
                yield Found(name, "a secret of this environment", how)
        for pattern in PATTERNS:
            if pattern.expression.search(text):
                yield Found(name, pattern.what, how)


def _without(match: re.Match[str]) -> str:
    start, end = (place - match.start() for place in match.span("secret"))
    return match[0][:start] + REMOVED + match[0][end:]


def _readings(name: str, data: bytes) -> Iterator[tuple[str, str]]:
    """The text of a file in every way that somebody might read it, with how."""
    text = data.decode("utf-8", "replace")
    yield "", text
    if b"\0" in data:
        for encoding in ("utf-16-le", "utf-16-be"):
            yield "UTF-16", data.decode(encoding, "replace")
        yield "between zero bytes", text.replace("\0", "")
    if "%" in text and (plain := unquote(text)) != text:
        yield "percent-encoded", plain
    if "&" in text and (plain := html.unescape(text)) != text:
        yield "HTML-escaped", plain
    if name.endswith(".json") and "\\" in text:
        yield "JSON-escaped", "\n".join(_strings(text))
    yield from (("base64", plain) for piece in ENCODED.findall(text) if (plain := _decoded(piece)))


def _strings(text: str) -> Iterator[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            todo += part
        elif isinstance(part, dict):
            todo += [*part.keys(), *part.values(), *(f"{k}={v}" for k, v in part.items() if isinstance(v, str))]


def _decoded(piece: str) -> str:
    """Base64 that holds text; "" for everything else that looks like it."""
    piece = piece[:MAX_DECODED].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        text = base64.b64decode(piece[: len(piece) // 4 * 4]).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if sum(char.isprintable() or char.isspace() for char in text) > 0.95 * len(text) else ""
