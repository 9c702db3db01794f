"""What is kept of one subject from one time, and how it stands in a table."""

from typing import Any

import msgspec

from hostcheck.model import Arrival, HostView, VmView


class Entry(msgspec.Struct, frozen=True):
    """What is known of one subject from one time. A VM whose report never came has an entry without a report."""

    name: str
    """Host name, or `namespace/name` of a VM."""
    kind: str
    """`host` or `vm`."""
    received: float
    """Unix time in seconds at which the report came, or at which waiting for it ended."""
    host: str = ""
    """The subject name of the host that a VM runs on; empty for a host."""
    provider: str = ""
    report: bytes | None = None
    """The report as it came, byte for byte."""
    arrival: Arrival = Arrival.ARRIVED
    arrival_detail: str = ""
    """Why it did not arrive or was refused; empty when all went well."""
    view: VmView | HostView | None = None
    """What the provider said of it at that time: a VmView of a VM, a HostView of a host."""


def text(said: str) -> str:
    """Text that every database can hold: a machine may call itself by a NUL or by half a character."""
    return said.encode("utf-8", "replace").decode().replace("\0", "�")


def values(entry: Entry) -> dict[str, Any]:
    """The columns of an entry."""
    return {
        "name": text(entry.name),
        "kind": entry.kind,
        "host": text(entry.host),
        "provider": text(entry.provider),
        "received": entry.received,
        "report": entry.report,
        "arrival": entry.arrival.value,
        "arrival_detail": text(entry.arrival_detail),
        "view": None if entry.view is None else msgspec.json.encode(entry.view),
    }


def read_view(kind: str, data: bytes | None) -> VmView | HostView | None:
    """A view from JSON. Raises ValueError."""
    if data is None:
        return None
    return msgspec.json.decode(data, type=HostView) if kind == "host" else msgspec.json.decode(data, type=VmView)


def entry_of(row: Any) -> Entry:
    """An entry from its columns. Raises ValueError."""
    return Entry(
        row.name,
        row.kind,
        row.received,
        row.host,
        row.provider,
        row.report,
        Arrival(row.arrival),
        row.arrival_detail,
        read_view(row.kind, row.view),
    )
