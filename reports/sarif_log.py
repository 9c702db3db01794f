"""What every SARIF 2.1.0 log has, whatever it tells of: one run of one tool, inert texts, places in files.

Source: OASIS SARIF 2.1.0 with errata 01; the sections in the comments are its own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from reports.matrix import Provenance
from reports.sanitize import sanitize

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def log(
    provenance: Provenance, rules: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]],
    properties: Mapping[str, Any],
) -> str:  # fmt: skip
    """A log with one run; each result's `ruleIndex` is one of `rules`."""
    made = datetime.fromtimestamp(provenance.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = {
        "tool": {"driver": {"name": "nestproof", "version": sanitize(provenance.version), "rules": rules}},
        "invocations": [{"executionSuccessful": True, "commandLine": sanitize(provenance.command), "endTimeUtc": made}],
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": properties,
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def physical(path: str, line: int, column: int | None = None) -> dict[str, Any]:
    """A place in a file: its line, and its column where that is known, both from 1."""
    region = {"startLine": line} | ({"startColumn": column} if column else {})
    uri = quote(path)
    return {"artifactLocation": {"uri": f"file://{uri}" if path.startswith("/") else uri}, "region": region}


def inert(text: str) -> str:
    """No embedded link (3.11.6) and no placeholder (3.11.5) in what somebody else wrote."""
    return re.sub(r"\{(\d+)\}", r"{{\1}}", re.sub(r"\[(?=[^\]\n]*\]\()", r"\\[", text))
