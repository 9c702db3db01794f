"""What a type of provider makes of every field that the manifests set, as a table."""

import difflib
from collections.abc import Iterator

import msgspec

from commands.failures import Failure
from commands.manifests import plural
from provision.accounting import TABLES, account_fields
from provision.accounting_versions import OLDEST, Version
from provision.manifests.documents import Document, Documents
from provision.manifests.schemas import Provider, Resource
from provision.model import FieldAccount, Handling

ORDER = (Handling.REFUSED, Handling.UNSUPPORTED, Handling.APPROXIMATED, Handling.HONOURED, Handling.INFORMATIVE)
"""What a reader has to know first."""


class FieldTable(msgspec.Struct, frozen=True):
    """The accounts of one type of provider."""

    provider: str
    version: str
    """Empty: the newest."""
    accounts: tuple[FieldAccount, ...]
    """The worst first, then in the order of the files."""
    left_out: int = 0
    """Documents that violate their schema: nothing can be said of their fields."""

    @property
    def name(self) -> str:
        return f"{self.provider} {self.version}" if self.version else self.provider

    def counts(self) -> dict[Handling, int]:
        """How many fields come to each handling; without those that none comes to."""
        numbers = {each: sum(account.handling is each for account in self.accounts) for each in ORDER}
        return {handling: number for handling, number in numbers.items() if number}


def provider_type(word: str) -> tuple[str, Version | None]:
    """`libvirt` or `libvirt@6.0` as a type and its version. Raises Failure for a type or version that there is not."""
    name, at, version = word.partition("@")
    if name not in TABLES:
        near = difflib.get_close_matches(name, TABLES, 1, 0.4)
        hint = f"did you mean {near[0]}{at}{version}?" if near else ""
        raise Failure(f"there is no provider type {name!r}; there are {', '.join(TABLES)}", hint=hint)
    if not at:
        return name, None
    try:
        found = Version.read(version)
    except ValueError as e:
        raise Failure(f"--provider {word}: {e}") from e
    if found < OLDEST[name]:
        raise Failure(f"--provider {word}: the oldest {name} that nestproof drives is {OLDEST[name]}")
    return name, found


def field_table(documents: Documents, provider: str, version: Version | None = None) -> FieldTable:
    """Every field that the documents set with what becomes of it."""
    found = [account for document in documents.items for account in _accounts(document, provider, version)]
    found.sort(key=lambda account: (ORDER.index(account.handling), account.origin))
    left_out = sum(document.model is None for document in documents.items)
    return FieldTable(provider, str(version or ""), tuple(found), left_out)


def _accounts(document: Document[Resource], provider: str, version: Version | None) -> Iterator[FieldAccount]:
    """A Provider of another type is not this one: what would be said of its fields is of the one in its place."""
    model = document.model
    other = model.spec.type if isinstance(model, Provider) and model.spec.type != provider else ""
    for account in account_fields(document.fields(), provider, version):
        if other and account.path.startswith("Provider spec."):
            how = f"of a {other} provider: a {provider} one takes its place"
            yield msgspec.structs.replace(account, handling=Handling.INFORMATIVE, how=how)
        else:
            yield account


def table_text(table: FieldTable) -> str:
    """A line that counts the fields, and one for each."""
    width = max((len(account.path) for account in table.accounts), default=0)
    head = ", ".join(f"{number} {handling}" for handling, number in table.counts().items())
    left_out = f"; {plural(table.left_out, 'document')} with errors left out" if table.left_out else ""
    lines = ["", f"On {table.name}: {plural(len(table.accounts), 'field')}{f' ({head})' if head else ''}{left_out}"]
    return "\n".join([*lines, *(_line(account, width) for account in table.accounts)])


def _line(account: FieldAccount, width: int) -> str:
    return f"  {account.handling:12} {account.path:{width}}  {account.value}: {account.how} ({account.origin})"
