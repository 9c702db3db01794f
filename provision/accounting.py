"""The account of every field that a user set: what a provider makes of it. Nothing is dropped in silence.

A table maps field patterns to a handling and the words for it. A pattern is, most telling first:
`Kind path=value` (one value of a field), `Kind path` (a field, with `[]` for any index and `*` for any key of a map, or
one key spelt out), `Kind path.**` (everything below; the longest wins).
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from provision import accounting_libvirt, accounting_proxmox, accounting_vsphere
from provision.model import FieldAccount, Handling, SetField, VmSpec

if TYPE_CHECKING:
    from provision.accounting_versions import Since, Version

Table = Mapping[str, tuple[Handling, str]]
E = TypeVar("E")

TABLES: Mapping[str, Table] = {
    "libvirt": accounting_libvirt.TABLE,
    "proxmox": accounting_proxmox.TABLE,
    "vsphere": accounting_vsphere.TABLE,
}
"""Provider type -> its table."""


def account(vm: VmSpec, provider_type: str) -> tuple[FieldAccount, ...]:
    """One account per field that the user set in the documents of a VM, in their order.

    Raises KeyError for a provider type without a table and for a field that its table forgets; a test walks every
    field of every schema so that no table does.
    """
    return account_fields(vm.fields, provider_type)


def account_fields(
    fields: Iterable[SetField], provider_type: str, version: "Version | None" = None
) -> tuple[FieldAccount, ...]:
    """The same for any fields, whatever provider they were written for; of the newest version unless one is named.

    Raises KeyError as `account` does.
    """
    table, since = TABLES[provider_type], _since(provider_type) if version else {}
    return tuple(_account(field, table, since, version) for field in fields)


def look_up(table: Mapping[str, E], schema: str, path: str = "", value: str | None = None) -> E:
    """The entry for a field by its most telling pattern. Raises KeyError when there is none."""
    for key in (f"{schema}={value}", path, schema):
        if key in table:
            return table[key]
    parent = schema
    while "." in parent:
        parent = parent.rpartition(".")[0]
        if f"{parent}.**" in table:
            return table[f"{parent}.**"]
    raise KeyError(schema)


def _account(field: SetField, table: Table, since: "Mapping[str, Since]", version: "Version | None") -> FieldAccount:
    handling, how = look_up(table, field.schema, field.path, field.value)
    if version is not None and (first := _first(field, since)) and version < first.version:
        handling, how = first.before
    if field.is_default and (field.value == "false" or handling not in (Handling.HONOURED, Handling.INFORMATIVE)):
        handling, how = Handling.HONOURED, "the default: it asks for nothing"
    return FieldAccount(field.path, field.value, handling, how, field.origin)


def _since(provider_type: str) -> "Mapping[str, Since]":
    from provision.accounting_versions import SINCE  # late: plan and apply ask the host instead

    return SINCE[provider_type]


def _first(field: SetField, since: "Mapping[str, Since]") -> "Since | None":
    try:
        return look_up(since, field.schema, field.path, field.value)
    except KeyError:
        return None
