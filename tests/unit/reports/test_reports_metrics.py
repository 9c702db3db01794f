"""Prometheus and NFD, by strict readers of their line formats."""

import re

import pytest
from chain_factory import PROVENANCE, fleet, host, host_with_nesting_off, nobody_in_a_vm, pvm_host, tcg_vm
from hostile_chains import TEXTS, everywhere
from hypothesis import given

from reports.formats import render
from reports.matrix import Matrix, build

LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SERIES = re.compile(rf"(?P<name>[a-z_]+)(?:\{{(?P<labels>{LABEL}(?:,{LABEL})*)\}})? (?P<value>-?[0-9.e+]+)")
NFD_LINE = re.compile(r"nestproof\.io/[a-z]([a-z-]{0,61}[a-z])?=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def series(matrix: Matrix) -> dict[str, float]:
    """Every series with its value. Each metric stands together under one HELP and TYPE, no series twice."""
    found: dict[str, float] = {}
    described: list[str] = []
    for line in render("prometheus", matrix).removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            described.append(line.split(" ")[2])
        elif line.startswith("#"):
            assert line == f"# TYPE {described[-1]} gauge"
        else:
            match = SERIES.fullmatch(line)
            assert match, line
            name = line.rpartition(" ")[0]
            assert match["name"] == described[-1]
            assert name not in found
            found[name] = float(match["value"])
    assert len(described) == len(set(described))
    return found


def test_both_verdicts_of_every_machine_are_there() -> None:
    found = series(build([*fleet(9, 2), pvm_host(), tcg_vm()], PROVENANCE))
    assert len([name for name in found if name.startswith("nestproof_verdict{")]) == 2 * (9 * 3 + 2)
    assert found['nestproof_verdict{subject="builder-3",kind="host",question="guests-nest",verdict="UNSUPPORTED"}'] == 1
    assert found['nestproof_cpu_emulated{subject="default/nested-vm",kind="vm"}'] == 1
    assert found['nestproof_cpu_emulated{subject="builder-3",kind="host"}'] == 0
    assert found["nestproof_report_timestamp_seconds"] == PROVENANCE.time


def test_the_root_cause_can_be_asked_for() -> None:
    found = series(build([host_with_nesting_off()], PROVENANCE))
    causes = [name for name in found if 'cause="true"' in name]
    assert causes == [
        'nestproof_check_status{subject="kvm08",kind="host",check="check.nested-parameter",status="fail",cause="true"}'
    ]


def test_a_label_is_escaped() -> None:
    (found,) = [n for n in series(build([host('a\\b"c')], PROVENANCE)) if n.startswith("nestproof_cpu_emulated")]
    assert found == r'nestproof_cpu_emulated{subject="a\\b\"c",kind="host"}'


@given(TEXTS)
def test_whatever_a_machine_says_the_metrics_stay_readable(text: str) -> None:
    matrix = everywhere(text)
    render("prometheus", matrix).encode("utf-8")
    assert series(matrix)


@pytest.mark.parametrize(
    ("chain", "labels"),
    [
        (host(), ("PROVEN", "PROVEN", "svm", "false")),
        (host_with_nesting_off(), ("PROVEN", "MISCONFIGURED", "svm", "false")),
        (nobody_in_a_vm(), ("BLOCKED_POLICY", "UNSUPPORTED", "none", "false")),
        (pvm_host(), ("DEGRADED", "UNSUPPORTED", "none", "false")),
    ],
)
def test_a_node_gets_its_labels(chain: object, labels: tuple[str, ...]) -> None:
    lines = render("nfd", build([chain, tcg_vm()], PROVENANCE)).splitlines()  # type: ignore[list-item]
    assert lines == [
        f"nestproof.io/{name}={value}"
        for name, value in zip(("runs-guests", "guests-nest", "feature", "emulated"), labels, strict=True)
    ]
    assert all(NFD_LINE.fullmatch(line) for line in lines)


@given(TEXTS)
def test_no_machine_writes_labels_of_its_own(text: str) -> None:
    lines = render("nfd", everywhere(text)).splitlines()
    assert len(lines) == 4
    assert all(NFD_LINE.fullmatch(line) for line in lines)
