"""What a type of provider makes of every field that the manifests set, as a table."""

import difflib
from collections.abc import Sequence

from commands.failures import Failure
from commands.manifests import plural
from provision.accounting import TABLES, account_fields
from provision.manifests import load
from provision.model import FieldAccount, Handling

ORDER = (Handling.REFUSED, Handling.UNSUPPORTED, Handling.APPROXIMATED, Handling.HONOURED, Handling.INFORMATIVE)
"""What a reader has to know first."""


def check_types(providers: Sequence[str]) -> None:
    """Raise Failure for a type of provider that there is not."""
    for provider in providers:
        if provider not in TABLES:
            near = difflib.get_close_matches(provider, TABLES, 1, 0.4)
            hint = f"did you mean {near[0]}?" if near else ""
            raise Failure(f"there is no provider type {provider!r}; there are {', '.join(TABLES)}", hint=hint)


def fields_text(files: Sequence[str], provider: str) -> str:
    """Every field with what becomes of it, the worst first, and a line that counts them."""
    fields = [field for document in load(files).items for field in document.fields()]
    accounts = sorted(
        account_fields(fields, provider), key=lambda account: (ORDER.index(account.handling), account.origin)
    )
    width = max((len(account.path) for account in accounts), default=0)
    counts = [(handling, sum(account.handling is handling for account in accounts)) for handling in ORDER]
    head = ", ".join(f"{number} {handling}" for handling, number in counts if number)
    lines = ["", f"On {provider}: {plural(len(accounts), 'field')}{f' ({head})' if head else ''}"]
    return "\n".join([*lines, *(_line(account, width) for account in accounts)])


def _line(account: FieldAccount, width: int) -> str:
    return f"  {account.handling:12} {account.path:{width}}  {account.value}: {account.how}"
