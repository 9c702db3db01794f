"""JSON for programs: chains as they are, keys sorted, the same bytes for the same input.

Everything outside ASCII is escaped, so that control and bidirectional characters are inert wherever it is printed.
"""

import json
from collections.abc import Iterable

import msgspec

from hostcheck.model import Chain
from reports.matrix import Matrix

SCHEMA = "nestproof.matrix/1"


def chains_json(chains: Iterable[Chain]) -> str:
    """A list of chains, in the order given."""
    return _dump([msgspec.to_builtins(chain) for chain in chains])


def matrix_json(matrix: Matrix) -> str:
    """The whole matrix. The schema is additive: readers ignore keys that they do not know."""
    return _dump(
        {
            "schema": SCHEMA,
            "sentence": matrix.sentence,
            "outcome": matrix.outcome.value,
            "counts": {count.outcome.value: {"hosts": count.hosts, "vms": count.vms} for count in matrix.counts},
            "provenance": msgspec.to_builtins(matrix.provenance),
            "chains": [msgspec.to_builtins(row.chain) for row in matrix.rows],
        }
    )


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
