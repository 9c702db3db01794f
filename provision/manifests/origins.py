"""Where the fields of a VM stand in its documents, worked out for those that somebody asks about."""

from collections.abc import Iterator, Mapping

from provision.manifests.tree import Tree, dotted
from provision.model import Origin


class Origins(Mapping[str, Origin]):
    """By `Kind spec.field`, and `vm` for the VirtualMachine itself.

    A field that is not set stands where it would go: at the nearest mapping around it that exists.
    """

    def __init__(self, vm: Origin, places: Mapping[str, Tree]) -> None:
        self._vm = vm
        self._places = places

    def __getitem__(self, path: str) -> Origin:
        if path == "vm":
            return self._vm
        kind, _, field = path.partition(" ")
        places = self._places[kind]
        for loc, origin in places.keys.items():
            if dotted(loc) == field:
                return origin
        return places.place(tuple(field.split(".")))

    def __iter__(self) -> Iterator[str]:
        yield "vm"
        for kind, places in self._places.items():
            yield from (f"{kind} {dotted(loc)}" for loc in places.keys)

    def __len__(self) -> int:
        return 1 + sum(len(places.keys) for places in self._places.values())
