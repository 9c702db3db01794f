"""What a machine is, from recorded reports and from odd ones."""

from pathlib import Path

import msgspec
import pytest

from hostcheck.facts import Facts
from hostcheck.machine import machine_of
from hostcheck.model import Machine, Timing
from hostcheck.report import RawFact, Report, Subject, decode

FIXTURES = Path(__file__).parents[2] / "fixtures/reports"


def facts(**values: object) -> Facts:
    raw = {key.replace("__", "."): msgspec.convert({"status": "ok", "value": v}, RawFact) for key, v in values.items()}
    return Facts(Report("nestproof.report/1", Subject(), 1.0, raw))


def test_a_recorded_machine_is_described() -> None:
    machine = machine_of(Facts(decode((FIXTURES / "amd-nested.json").read_bytes())))
    assert machine.cpu == "AMD EPYC Processor"
    assert machine.system == "debian 12"
    assert machine.under == "QEMU TCG"
    assert (machine.virtual, machine.nested_paging, machine.iommu, machine.tpm) == (True, True, False, None)
    assert machine.exit is None


@pytest.mark.parametrize(("node", "there"), [("ok", True), ("denied", True), ("absent", False)])
def test_a_tpm_that_may_not_be_opened_is_there(node: str, there: bool) -> None:
    assert machine_of(facts(host__devices={"tpm0": node})).tpm is there


def test_the_inner_exit_is_the_one_with_nested_paging() -> None:
    shadow, paging = {"median_ns": 30000.0}, {"median_ns": 9000.0, "min_ns": 8000.0, "max_ns": 12000.0}
    cost = {"cpuid_exit": {"median_ns": 1200.0}, "inner_cpuid_exit": shadow}
    assert machine_of(facts(proof__cost=cost)).inner_exit == Timing(30000.0)
    machine = machine_of(facts(proof__cost=cost | {"inner_cpuid_exit_paging": paging}))
    assert machine.inner_exit == Timing(9000.0, 8000.0, 12000.0)
    assert machine.exit == Timing(1200.0)


def test_an_empty_report_says_nothing() -> None:
    assert machine_of(facts()) == Machine(looked=1.0)
