"""Prometheus text format, for the node exporter's textfile collector.

One series for each state that holds, with the value 1, so that a rule such as
`nestproof_verdict{question="guests-nest",verdict!~"PROVEN|DEGRADED"}` finds what is broken. Write it with
`--report prometheus=FILE.prom`, which puts the file in its place whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcheck.model import Question
from reports.matrix import Matrix
from reports.observations import observations
from reports.rows import Row
from reports.sanitize import sanitize


@dataclass(frozen=True, slots=True)
class _Sample:
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    help: str
    samples: tuple[_Sample, ...]


def matrix_prometheus(matrix: Matrix) -> str:
    """The matrix as metrics; every metric is a gauge."""
    return "".join(line + "\n" for metric in _metrics(matrix) for line in _lines(metric))


def _metrics(matrix: Matrix) -> Iterator[_Metric]:
    rows, made = matrix.rows, matrix.provenance
    yield _Metric(
        "nestproof_verdict",
        "The answer to a question about a machine: 1 for the verdict that holds.",
        tuple(sample for row in rows for sample in _verdicts(row)),
    )
    yield _Metric(
        "nestproof_check_status",
        "What a check found on a machine: 1 for the status that holds; cause is true on the first broken link.",
        tuple(sample for row in rows for sample in _checks(row)),
    )
    yield _Metric(
        "nestproof_cpu_emulated",
        "1 where the machine's CPU is emulated in software.",
        tuple(_Sample(_subject(row), float(row.chain.emulated_cpu)) for row in rows),
    )
    if matrix.comparison is not None:
        yield _Metric(
            "nestproof_change",
            "What became of a machine since the run that was compared with: 1 for the change that holds.",
            tuple(
                _Sample({"subject": d.label, "kind": d.kind, "change": d.change}, 1)
                for d in matrix.comparison.differences
            ),
        )
    yield _Metric(
        "nestproof_report_timestamp_seconds",
        "When these verdicts were given, in seconds since 1970.",
        (_Sample({}, made.time),),
    )
    yield _Metric(
        "nestproof_build_info", "The version of nestproof that gave them.", (_Sample({"version": made.version}, 1),)
    )


def _subject(row: Row) -> dict[str, str]:
    return {"subject": row.label, "kind": row.chain.kind}


def _verdicts(row: Row) -> Iterator[_Sample]:
    for question, answer in (
        (Question.RUNS_GUESTS, row.chain.runs_guests),
        (Question.GUESTS_NEST, row.chain.guests_nest),
    ):
        yield _Sample(_subject(row) | {"question": question, "verdict": answer.verdict}, 1)


def _checks(row: Row) -> Iterator[_Sample]:
    for seen in observations(row):
        result = {"check": seen.key, "status": seen.status, "cause": str(seen.cause).lower()}
        yield _Sample(_subject(row) | result, 1)


def _lines(metric: _Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} gauge"
    # A series may stand there once only. Two names that look alike once they are made safe are one series.
    series = {f"{metric.name}{_labels(sample.labels)}": sample.value for sample in metric.samples}
    yield from (f"{name} {value:.15g}" for name, value in series.items())


def _labels(labels: Mapping[str, str]) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""


def _escaped(value: str) -> str:
    return sanitize(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
