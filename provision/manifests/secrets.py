"""Where a secretRef leads: to a Secret among the documents, to mounted files, or to the environment.

    Secret documents            of any file of the same run
    $NESTPROOF_SECRETS/NAME/KEY one file a key, as Kubernetes mounts a Secret
    NESTPROOF_SECRET_NAME_KEY   in capitals, with _ for what is neither letter nor digit

The first place that has the Secret counts as a whole. No value is ever shown.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from provision.guarded import Guarded
from provision.manifests import rulebook
from provision.manifests.documents import Document, Documents
from provision.manifests.references import follow
from provision.manifests.schemas import Resource, Secret
from provision.manifests.schemas.base import LocalRef, Ref
from provision.manifests.text import listed, shown
from provision.manifests.tree import Loc
from provision.model import Problem

DIRECTORY = "NESTPROOF_SECRETS"
PREFIX = "NESTPROOF_SECRET_"
GZIP = b"\x1f\x8b"
SIZE_LIMIT = 1 << 20
"""Bytes of one value, as Kubernetes has it for a whole Secret."""


class Text(Guarded, frozen=True):
    """A text and the place in the documents that it came from, or that asked for it."""

    kept_back = frozenset({"text"})

    text: str
    document: Document[Any]
    loc: Loc


class Entries(msgspec.Struct, frozen=True):
    """The values of one Secret."""

    source: str
    """For people: where they came from."""
    values: Mapping[str, Text | Problem]
    document: Document[Secret] | None = None
    variables: bool = False
    """The keys of `values` are spelt as names of variables."""

    def first(self, *keys: str) -> Text | Problem | None:
        """The value of the first of these keys that there is."""
        spelt = [_variable(key) for key in keys] if self.variables else keys
        return next((self.values[key] for key in spelt if key in self.values), None)


def entries(
    documents: Documents, source: Document[Resource], loc: Loc, ref: Ref | LocalRef, environment: Mapping[str, str]
) -> Entries | Problem:
    """The Secret that `ref`, at `loc` of `source`, names; a Problem when it is nowhere."""
    found = follow(documents, source, loc, ref, Secret)
    if not isinstance(found, Problem):
        values = {} if found.model is None else _of_document(found, found.model)
        return Entries(f"Secret {found.key}", values, found)
    outside = _mounted(source, loc, ref.name, environment) or _from_environment(source, loc, ref.name, environment)
    return outside or found


def missing(source: Document[Any], loc: Loc, found: Entries, keys: tuple[str, ...]) -> Problem:
    """None of the keys is in the Secret."""
    what = f"{found.source} has none of the keys {listed(keys)}"
    return rulebook.SECRET_KEY.broken(source.at(*loc), source.path(*loc), what)


def _of_document(document: Document[Secret], secret: Secret) -> dict[str, Text | Problem]:
    # As the API server does: stringData wins.
    values: dict[str, Text | Problem] = {k: _decoded(document, k, v.reveal()) for k, v in secret.data.items()}
    strings = secret.string_data.items()
    return values | {k: Text(v.reveal(), document, ("stringData", k)) for k, v in strings}


def _decoded(secret: Document[Secret], key: str, value: str) -> Text | Problem:
    loc: Loc = ("data", key)
    try:
        content = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return rulebook.SECRET_VALUE.broken(secret.at(*loc), secret.path(*loc), "the value is not base64")
    try:
        return Text(_unpacked(content).decode(), secret, loc)
    except ValueError as e:
        what = "is not UTF-8 text" if isinstance(e, UnicodeError) else str(e)
        return rulebook.SECRET_VALUE.broken(secret.at(*loc), secret.path(*loc), f"the value {what}")


def _unpacked(content: bytes) -> bytes:
    """User-data may be packed by gzip, which cloud-init unpacks itself; ours goes beside it. Raises ValueError."""
    if not content.startswith(GZIP):
        return content
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found = unpacker.decompress(content, SIZE_LIMIT)
    except zlib.error as e:
        raise ValueError("is damaged gzip") from e
    if unpacker.unconsumed_tail:
        raise ValueError(f"unpacks to more than {SIZE_LIMIT >> 20} MiB")
    if not unpacker.eof:
        raise ValueError("is gzip that was cut off")
    return found


def _mounted(source: Document[Any], loc: Loc, name: str, environment: Mapping[str, str]) -> Entries | None:
    root = environment.get(DIRECTORY)
    directory = Path(root) / name if root else None
    if directory is None or not directory.is_dir():
        return None
    values: dict[str, Text | Problem] = {}
    for file in sorted(p for p in directory.iterdir() if p.is_file() and not p.name.startswith("..")):
        try:
            with file.open("rb") as stream:
                content = stream.read(SIZE_LIMIT + 1)
            if len(content) > SIZE_LIMIT:
                raise ValueError(f"is larger than {SIZE_LIMIT >> 20} MiB")
            values[file.name] = Text(_unpacked(content).decode(), source, loc)
        except (OSError, ValueError) as e:
            why = e.strerror if isinstance(e, OSError) else "is not UTF-8" if isinstance(e, UnicodeError) else str(e)
            what = f"{shown(str(file), 200)} cannot be read: {why}"
            values[file.name] = rulebook.SECRET_VALUE.broken(source.at(*loc), source.path(*loc), what)
    return Entries(f"the directory {shown(str(directory), 200)}", values)


def _from_environment(source: Document[Any], loc: Loc, name: str, environment: Mapping[str, str]) -> Entries | None:
    prefix = f"{PREFIX}{_variable(name)}_"
    values: dict[str, Text | Problem] = {
        key.removeprefix(prefix): Text(value, source, loc)
        for key, value in environment.items()
        if key.startswith(prefix)
    }
    return Entries(f"the environment ({prefix}…)", values, variables=True) if values else None


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
