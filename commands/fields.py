"""What a type of provider makes of every field that the manifests set, as a table."""

import difflib
from collections.abc import Sequence

from commands.failures import Failure
from commands.manifests import plural
from provision.accounting import TABLES, account_fields
from provision.accounting_versions import OLDEST, Version
from provision.manifests.documents import load
from provision.model import FieldAccount, Handling

ORDER = (Handling.REFUSED, Handling.UNSUPPORTED, Handling.APPROXIMATED, Handling.HONOURED, Handling.INFORMATIVE)
"""What a reader has to know first."""


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


def fields_text(files: Sequence[str], provider: str, version: Version | None = None) -> str:
    """Every field with what becomes of it, the worst first, and a line that counts them."""
    fields = [field for document in load(files).items for field in document.fields()]
    accounts = sorted(
        account_fields(fields, provider, version), key=lambda account: (ORDER.index(account.handling), account.origin)
    )
    width = max((len(account.path) for account in accounts), default=0)
    counts = [(handling, sum(account.handling is handling for account in accounts)) for handling in ORDER]
    head = ", ".join(f"{number} {handling}" for handling, number in counts if number)
    name = f"{provider} {version}" if version else provider
    lines = ["", f"On {name}: {plural(len(accounts), 'field')}{f' ({head})' if head else ''}"]
    return "\n".join([*lines, *(_line(account, width) for account in accounts)])


def _line(account: FieldAccount, width: int) -> str:
    return f"  {account.handling:12} {account.path:{width}}  {account.value}: {account.how}"
