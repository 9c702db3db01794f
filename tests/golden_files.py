"""Golden files: what was printed and found right, compared byte for byte."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Golden:
    """Compares a text with a file, or with `regenerate` writes the file anew, to be looked at by git diff."""

    regenerate: bool

    def __call__(self, path: Path, text: str) -> None:
        if self.regenerate:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
        assert path.exists(), f"{path.name} is not there; run pytest --regenerate and look at what it writes"
        assert text == path.read_bytes().decode("utf-8")
