"""The account of every field that a user set: what a provider makes of it. Nothing is dropped in silence.

A table maps field patterns to a handling and the words for it. A pattern is, most telling first:
`Kind path=value` (one value of a field), `Kind path` (a field, with `[]` for any index and `*` for any key of a map, or
one key spelt out), `Kind path.**` (everything below; the longest wins).
"""

from collections.abc import Iterable, Mapping

from provision import accounting_libvirt, accounting_proxmox, accounting_vsphere
from provision.model import FieldAccount, Handling, SetField, VmSpec

Table = Mapping[str, tuple[Handling, str]]

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


def account_fields(fields: Iterable[SetField], provider_type: str) -> tuple[FieldAccount, ...]:
    """The same for any fields, whatever provider they were written for. Raises KeyError as `account` does."""
    table = TABLES[provider_type]
    return tuple(_account(field, table) for field in fields)


def look_up(table: Table, schema: str, path: str = "", value: str | None = None) -> tuple[Handling, str]:
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


def _account(field: SetField, table: Table) -> FieldAccount:
    handling, how = look_up(table, field.schema, field.path, field.value)
    if field.is_default and (field.value == "false" or handling not in (Handling.HONOURED, Handling.INFORMATIVE)):
        handling, how = Handling.HONOURED, "the default: it asks for nothing"
    return FieldAccount(field.path, field.value, handling, how, field.origin)
