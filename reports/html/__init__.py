"""The page: one self-contained HTML file that needs no network, and no JavaScript to be useful.

The script and the style are inlined and allowed by their hashes alone; everything that a machine said is sanitised,
then escaped. A small page is written out whole; of a large one only the summaries are, and the script draws the rest
from one compressed block of data.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from hostcheck.model import Link, Status
from reports.comparison import Change
from reports.coverage import coverage
from reports.documented import Capability
from reports.html.data import data_blocks
from reports.html.plots import plots
from reports.html.topology import topology
from reports.html.words import LEGEND, VERDICTS
from reports.matrix import Matrix
from reports.pen import OUTCOME_STATUS, SYMBOLS
from reports.performance import CLAIM_SOURCE, performance
from reports.rows import GROUPS, WORKING, Row, outcome_of
from reports.sanitize import MAX_NAME, sanitize
from reports.support import microseconds, support
from reports.text import EMULATED, NOT_TRIED

SMALL = 200
"""Rows up to which a page is written out whole."""
QUIET_WORDS = ("pass", "unknown")
"""What the matrix leaves to the symbol and the accessible name: words are for what has to be seen."""
COUNTING = re.compile(r"\d+ of \d+ (VMs|hosts) ")
"""How a sentence begins that has no name in it, which would have to be left as it is."""
SHORT = 30
"""Characters of a name that a drawing has room for."""
QUIET = (Change.SAME, Change.STILL)
"""No change that anyone has to look at."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of the page that can be gone to."""

    id: str
    title: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One outcome's share of a bar that is 1000 wide."""

    name: str
    x: float
    width: float


def render(matrix: Matrix, *, every: int = 0) -> str:
    """The matrix as one HTML document; the same matrix gives the same bytes.

    A page that is served anew asks again after `every` seconds; a file, with 0, never does.
    """
    small = len(matrix.rows) <= SMALL
    measured = performance(matrix.rows)
    data, details = data_blocks(matrix, measured.peers)
    found = matrix.comparison.differences if matrix.comparison else ()
    return _environment().get_template("page.html.j2").render(
        matrix=matrix,
        every=every,
        sentence=_grouped(matrix.sentence) if COUNTING.match(matrix.sentence) else matrix.sentence,
        made=datetime.fromtimestamp(matrix.provenance.time, UTC),
        views=tuple(_views(matrix)),
        share=tuple(_share(matrix)),
        shown=matrix.rows if small else _worst(matrix.rows),
        evidence_rows=matrix.rows if small else (),
        support=support(matrix.rows),
        capabilities=tuple(Capability),
        topology=topology(matrix.rows),
        performance=measured,
        plots=plots(measured.peers),
        claim_source=CLAIM_SOURCE,
        coverage=coverage(matrix.rows),
        changed=tuple(difference for difference in found if difference.change not in QUIET),
        data=data,
        details=details,
        style=_asset("report.css"),
        script=_script(),
    )  # fmt: skip


def _views(matrix: Matrix) -> Iterator[View]:
    yield View("problems", "By problem", len(matrix.problems))
    if matrix.rows:
        yield View("matrix", "Matrix", len(matrix.rows))
        yield View("support", "Support matrix")
        yield View("topology", "Topology")
        yield View("performance", "Performance")
        yield View("coverage", "Coverage")
    if matrix.comparison:
        changed = sum(difference.change not in QUIET for difference in matrix.comparison.differences)
        yield View("changes", "Changes", changed)
    yield View("legend", "Legend")


def _share(matrix: Matrix) -> Iterator[Part]:
    x, whole = 0.0, max(len(matrix.rows), 1)
    for count in matrix.counts:
        width = round(count.total / whole * 1000, 1)
        if width:
            yield Part(count.outcome.name.lower(), round(x, 1), width)
        x += width


def _worst(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What a large page shows without JavaScript: some of those that do not work."""
    return tuple(row for row in rows if row.outcome not in WORKING)[: SMALL // 2]


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text("templates", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        lines=_lines,
        prose=_prose,
        csp_hash=_csp_hash,
        symbol=_symbol,
        name=_name,
        short=_short,
        number=_number,
        grouped=_grouped,
        heading=_heading,
        moment=_moment,
        microseconds=microseconds,
    )
    environment.globals.update(
        groups=GROUPS,
        quiet=QUIET_WORDS,
        position={link: number for number, link in enumerate(Link)},
        first={group.links[0] for group in GROUPS},
        outcome_of=outcome_of,
        outcomes=OUTCOME_STATUS,
        legend=LEGEND,
        verdicts=VERDICTS,
        emulated=EMULATED,
        not_tried=NOT_TRIED,
    )
    return environment


def _finalize(value: object) -> object:
    """Every expression of the template passes here, so that none can be forgotten; Markup is our own."""
    return sanitize(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    """Text for a <pre>: its lines are kept."""
    return escape(sanitize(text, newlines=True))


def _prose(text: str) -> Markup:
    """A sentence of ours, in which `backquotes` hold what is typed."""
    parts = sanitize(text).split("`")
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    code = Markup("<code>{}</code>").format
    return Markup("").join(code(part) if number % 2 else escape(part) for number, part in enumerate(parts))


def _name(text: str) -> str:
    return sanitize(text, MAX_NAME)


def _short(text: str, limit: int = SHORT) -> str:
    """For a drawing, where text does not wrap."""
    text = sanitize(text, MAX_NAME)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _number(value: int) -> str:
    """With thin spaces between the thousands, from 10 000 on."""
    return str(value) if abs(value) < 10_000 else f"{value:,}".replace(",", "\u2009")


def _grouped(text: str) -> str:
    """A sentence of ours that only counts: its large numbers as everywhere else on the page."""
    return re.sub(r"\d{5,}", lambda found: _number(int(found[0])), text)


def _heading(label: str) -> str:
    """A short one stands on one line, of three words or more two do: a narrow column is not to make it tall."""
    if len(label) < 10:
        return label.replace(" ", "\u00a0")
    return re.sub(r"(\S+) (\S+)", "\\1\u00a0\\2", label) if label.count(" ") > 1 else label


def _moment(time: float) -> str:
    """A Unix time to the minute; a machine may claim any."""
    if not 0 <= time < 253_402_300_800:  # the year 10000
        return "an impossible time"
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _symbol(status: str) -> str:
    return SYMBOLS[Status(status)]


def _csp_hash(text: Markup) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _script() -> Markup:
    """The parts of the script in the order of their names, in one function of their own."""
    folder = files(__package__).joinpath("script")
    parts = sorted((part.name, part.read_text(encoding="utf-8")) for part in folder.iterdir())
    body = "".join(text for name, text in parts if name.endswith(".js"))
    return Markup(f'(() => {{\n"use strict";\n{body}}})();\n')  # noqa: S704 - our own files, allowed by their hash


def _asset(*name: str) -> Markup:
    return Markup(_text(*name))  # noqa: S704 - our own file, allowed by its hash


def _text(*name: str) -> str:
    return files(__package__).joinpath(*name).read_text(encoding="utf-8")
