"""Which other name each name gets, the same one in every file and, by a map that is kept, in every bundle.

The map never goes into a bundle: it is a file of its own, for the user alone, and turns aliases back into names.
"""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from reports.bundle.model import BundleError
from reports.packing import PackError, packed, unpacked

SCHEMA: Literal["nestproof.redaction/1"] = "nestproof.redaction/1"
MAX_MAP = 64 << 20


class Kind(StrEnum):
    """What sort of name it is."""

    HOST = "host"
    DOMAIN = "domain"
    VM = "vm"
    USER = "user"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    MAC = "mac"
    UUID = "uuid"
    ID = "id"
    """32 hexadecimal digits, such as a machine-id."""
    SERIAL = "serial"
    KEY = "key"
    MAIL = "mail"


def _mac(number: int) -> str:
    """Locally administered, as no card on earth."""
    digits = f"{number:010x}"[-10:]
    return "02:" + ":".join(digits[at : at + 2] for at in range(0, 10, 2))


FORM: Mapping[Kind, Callable[[int], str]] = {
    Kind.HOST: lambda n: f"host-{n:04}",
    Kind.DOMAIN: lambda n: f"domain-{n:04}.invalid",
    Kind.VM: lambda n: f"vm-{n:04}",
    Kind.USER: lambda n: f"user-{n:04}",
    Kind.IPV4: lambda n: f"198.{18 + (n >> 16) % 2}.{n >> 8 & 255}.{n & 255}",  # RFC 2544: of no real network
    Kind.IPV6: lambda n: f"2001:db8::{n:x}",  # RFC 3849
    Kind.MAC: _mac,
    Kind.UUID: lambda n: f"00000000-0000-4000-8000-{n:012x}",
    Kind.ID: lambda n: f"{n:032x}",
    Kind.SERIAL: lambda n: f"SERIAL-{n:04}",
    Kind.KEY: lambda n: f"KEY-{n:04}",
    Kind.MAIL: lambda n: f"mail-{n:04}@domain.invalid",
}


class _File(msgspec.Struct, frozen=True):
    schema: Literal["nestproof.redaction/1"]
    aliases: dict[Kind, dict[str, str]]


class Aliases:
    """Names and their aliases. Names differ by more than case."""

    def __init__(self, known: Mapping[Kind, Mapping[str, str]] | None = None) -> None:
        self._by_kind: dict[Kind, dict[str, str]] = {kind: dict((known or {}).get(kind, {})) for kind in Kind}
        self._all = {name: alias for names in self._by_kind.values() for name, alias in names.items()}
        self._taken = set(self._all.values())
        self._next = {kind: len(names) + 1 for kind, names in self._by_kind.items()}

    @classmethod
    def load(cls, path: Path) -> "Aliases":
        """Those of an earlier bundle; none where there is no file. Raises BundleError."""
        if not path.exists():
            return cls()
        try:
            with unpacked(path, MAX_MAP) as file:
                return cls(msgspec.json.decode(file.read(), type=_File).aliases)
        except (PackError, msgspec.MsgspecError, UnicodeDecodeError) as e:
            raise BundleError(f"{path}: not a map of redacted names: {e}; name another one by --map") from e

    def save(self, path: Path) -> None:
        """For the user alone. Raises BundleError."""
        known = {kind.value: names for kind, names in self._by_kind.items() if names}
        text = json.dumps({"schema": SCHEMA, "aliases": known}, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with packed(path) as file:
                file.write(text.encode())
        except (OSError, PackError) as e:
            raise BundleError(str(e)) from e

    def of(self, kind: Kind, name: str) -> str:
        """The alias of a name; made when it is new. An alias is never a name that is known."""
        name = name.lower()
        alias = self._all.get(name)
        while alias is None:
            candidate = FORM[kind](self._next[kind])
            self._next[kind] += 1
            if candidate.lower() != name and candidate.lower() not in self._all and candidate not in self._taken:
                alias = candidate
                self._by_kind[kind][name] = self._all[name] = alias
                self._taken.add(alias)
        return alias

    def same(self, kind: Kind, name: str, other: str) -> None:
        """Give a name the alias that another one has."""
        if name.lower() not in self._all:
            self._by_kind[kind][name.lower()] = self._all[name.lower()] = self._all[other.lower()]

    def get(self, name: str) -> str | None:
        return self._all.get(name.lower())

    def of_kind(self, kind: Kind) -> frozenset[str]:
        """The names of one kind, in lower case."""
        return frozenset(self._by_kind[kind])

    def is_alias(self, name: str) -> bool:
        return name in self._taken
