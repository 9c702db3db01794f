"""The page: one self-contained HTML file that needs no network, and no JavaScript to be useful.

The script and the style are inlined and allowed by their hashes alone; everything that a machine said is sanitised,
then escaped. Every cell's evidence is in the page itself, so the script only shows what is already there.
"""

import base64
import hashlib
from datetime import UTC, datetime
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from hostcheck.model import Status, Verdict
from reports.matrix import Matrix
from reports.pen import OUTCOME_STATUS, SYMBOLS
from reports.rows import GROUPS, outcome_of
from reports.sanitize import MAX_NAME, sanitize
from reports.text import EMULATED, NOT_TRIED

LEGEND = {
    Status.PASS: "looked at, and it holds",
    Status.WARN: "holds, with a doubt that the evidence names",
    Status.FAIL: "does not hold; it may follow from the broken link before it",
    Status.SKIP: "does not apply here; the word says why",
    Status.UNKNOWN: "could not be looked at, or was not: neither good nor bad",
}
VERDICTS = {
    Verdict.PROVEN: "a guest ran",
    Verdict.DEGRADED: "a guest ran, but emulated, without EPT or NPT, or very slowly",
    Verdict.CAPABLE: "everything is there, but nothing was run",
    Verdict.MISCONFIGURED: "a setting is wrong",
    Verdict.BLOCKED_FIRMWARE: "switched off in firmware",
    Verdict.BLOCKED_POLICY: "permission, cgroup, lockdown or a confidential VM is in the way",
    Verdict.CONFLICT: "another hypervisor holds the CPU's virtualization",
    Verdict.UNSUPPORTED: "this machine cannot, whatever is set",
    Verdict.UNKNOWN: "not known",
}


def render(matrix: Matrix) -> str:
    """The matrix as one HTML document; the same matrix gives the same bytes."""
    return _template().render(
        matrix=matrix,
        made=datetime.fromtimestamp(matrix.provenance.time, UTC),
        groups=GROUPS,
        first={group.links[0] for group in GROUPS},
        outcome_of=outcome_of,
        outcomes=OUTCOME_STATUS,
        legend=LEGEND,
        verdicts=VERDICTS,
        emulated=EMULATED,
        not_tried=NOT_TRIED,
        style=_asset("report.css"),
        script=_asset("report.js"),
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(lines=_lines, csp_hash=_csp_hash, symbol=_symbol, name=_name)
    return environment.from_string(_text("report.html.j2"))


def _finalize(value: object) -> object:
    """Every expression of the template passes here, so that none can be forgotten; Markup is our own."""
    return sanitize(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    """Text for a <pre>: its lines are kept."""
    return escape(sanitize(text, newlines=True))


def _name(text: str) -> str:
    return sanitize(text, MAX_NAME)


def _symbol(status: Status) -> str:
    return SYMBOLS[status]


def _csp_hash(text: Markup) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _asset(name: str) -> Markup:
    return Markup(_text(name))  # noqa: S704 - our own file, allowed by its hash


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
