"""Where a value stands in the user's files."""

import msgspec


class Origin(msgspec.Struct, frozen=True, order=True):
    """The place of a value in the user's files; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
