"""Records that hold secrets: printing one, in a log or a traceback, never shows them."""

from typing import Any, ClassVar

import msgspec


class Guarded(msgspec.Struct, frozen=True):
    """Its `repr` leaves out the fields named in `kept_back`, for Python's own and for rich's tracebacks."""

    kept_back: ClassVar[frozenset[str]] = frozenset()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.kept_back]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"
