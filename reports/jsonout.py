"""JSON for programs: chains as they are, keys sorted, the same bytes for the same input.

Everything outside ASCII is escaped, so that control and bidirectional characters are inert wherever it is printed. The
schema, docs/matrix.schema.json, is made from the types below.
"""

import json
from inspect import cleandoc
from typing import Any, Literal

import msgspec

from hostcheck.model import Chain
from reports.comparison import Comparison
from reports.matrix import Matrix, Provenance
from reports.rows import Outcome

SCHEMA: Literal["nestproof.matrix/1"] = "nestproof.matrix/1"


class Subjects(msgspec.Struct, frozen=True):
    """How many subjects came to one outcome."""

    hosts: int
    vms: int


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """What nestproof prints as JSON. Additive within one `schema`: readers ignore keys that they do not know."""

    schema: Literal["nestproof.matrix/1"]
    sentence: str
    outcome: Outcome
    counts: dict[Outcome, Subjects]
    provenance: Provenance
    chains: tuple[Chain, ...]
    comparison: Comparison | None = None
    """What changed since another run, where one was given."""


def matrix_json(matrix: Matrix) -> str:
    """The whole matrix as a Document."""
    counts = {count.outcome: Subjects(count.hosts, count.vms) for count in matrix.counts}
    chains = tuple(row.chain for row in matrix.rows)
    said = (matrix.sentence, matrix.outcome, counts, matrix.provenance, chains, matrix.comparison)
    return dump(Document(SCHEMA, *said))


def matrix_schema() -> str:
    """The JSON Schema (2020-12) of a Document."""
    return schema_of(Document, "urn:nestproof:matrix:1")


def schema_of(document: type[msgspec.Struct], urn: str) -> str:
    """The JSON Schema (2020-12) of what `dump` prints of a class."""
    (root,), definitions = msgspec.json.schema_components((document,), ref_template="#/$defs/{name}")
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": urn, **root}
    return _dumped(_dedented({**schema, "$defs": definitions}))


def dump(document: msgspec.Struct) -> str:
    """A document as it is printed."""
    return _dumped(msgspec.to_builtins(document))


def _dedented(part: Any) -> Any:
    """Descriptions as Python 3.13 gives docstrings: older versions leave the indentation of the source in them."""
    if isinstance(part, dict):
        return {k: cleandoc(v) if k == "description" and isinstance(v, str) else _dedented(v) for k, v in part.items()}
    return [_dedented(each) for each in part] if isinstance(part, list) else part


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
