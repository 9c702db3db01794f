"""Drift: every way in which a VM can differ from what was asked, and none where it does not."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from vm_factory import image, wanted

from commands.drift import VmStatus, as_json, as_text, status_of
from commands.proven import Proof, proof_of
from hostcheck.exits import Exit
from hostcheck.model import Accelerator, Arrival, Asked, Setting, VmView
from hostcheck.policy import Policy
from provision.model import FieldAccount, Handling
from provision.provider import Difference, Plan, Step
from provision.proving import CHANGED
from reports.store import Entry

VM = wanted(image(Path("/tiny.img")))
KEEP = Plan(vm=VM, steps=(Step("keep", "domain"),), accounts=(), notes=(), evidence=(), native="<domain/>")
VIEW = VmView("default/tiny", "libvirt x", True, Asked.ON, feature="svm", got=True, accelerator=Accelerator.KVM)
PROVEN = Proof("PROVEN", 1_790_000_000.0)


def seen(**changes: object) -> VmView:
    return msgspec.structs.replace(VIEW, **changes)


def stands(planned: Plan | str = KEEP, view: VmView | None = VIEW, proof: Proof | None = PROVEN) -> VmStatus:
    return status_of(VM, "libvirt x", planned, view, proof)


def test_all_as_asked() -> None:
    status = stands()
    assert (status.drift, status.exit, status.intent) == ((), Exit.OK, "as wanted already")
    assert as_text([status]).splitlines()[1].split() == [
        "default/tiny", "on", "on", "(svm)", "has", "svm", "PROVEN", "2026-09-21", "14:13Z",
    ]  # fmt: skip


def test_never_proven_is_incomplete() -> None:
    assert stands(proof=None).exit is Exit.INCOMPLETE
    assert stands(proof=Proof("CAPABLE", 1.0)).exit is Exit.INCOMPLETE
    assert "never" in as_text([stands(proof=None)])


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (stands(view=None), "does not exist"),
        (stands(replace(KEEP, differences=(Difference("cpus", "1", "2"),))), "cpus: is 1, asked is 2"),
        (stands(view=seen(asked=Asked.OFF)), "configured is off, asked is on"),
        (stands(view=seen(running=False, got=None)), "it is off, asked is on"),
        (stands(view=seen(got=False)), "the running VM lacks svm"),
        (stands(proof=Proof("MISCONFIGURED", 1.0)), "its newest proof failed: MISCONFIGURED"),
        (stands(proof=replace(PROVEN, unheard="it crashed")), "asked for its proof again it gave none: it crashed"),
        (stands("its image is gone"), "could not be applied again: its image is gone"),
        (status_of(replace(VM, nested=False), "x", KEEP, seen(asked=Asked.OFF), None), "which nobody asked for"),
        (status_of(replace(VM, power_on=False), "x", KEEP, VIEW, None), "it runs, asked is off"),
    ],
)
def test_each_drift_is_named(status: VmStatus, says: str) -> None:
    assert len(status.drift) == 1, status.drift
    assert says in status.drift[0]
    assert status.exit is Exit.FAIL
    assert f"  drift: {status.drift[0]}" in as_text([status])


IOPS = Setting("VMClass spec.diskDefaults.iops", "500", "none", "QEMU monitor")
MEMORY = Setting("VMClass spec.memory", "64 MiB", "64 MiB", "QEMU monitor")


def test_what_runs_otherwise_than_configured_is_drift_unless_it_cannot_be_otherwise() -> None:
    view = seen(settings=(IOPS, MEMORY))
    assert stands(view=view).drift == ("VMClass spec.diskDefaults.iops: is none, asked is 500 (QEMU monitor)",)
    for handling, told in ((Handling.APPROXIMATED, 1), (Handling.UNSUPPORTED, 0)):
        account = FieldAccount(IOPS.path, "500", handling, "why", VM.origins["vm"])
        assert len(stands(replace(KEEP, accounts=(account,)), view).drift) == told
    to_be_changed = replace(KEEP, differences=(Difference("iops", "", "500"),))
    assert stands(to_be_changed, view).drift == ("iops: is not there, asked is 500",)


def test_a_paused_vm_is_not_called_off() -> None:
    status = stands(view=seen(running=False, got=None, state="paused: internal-error"))
    assert status.drift == ("it is paused: internal-error, asked is on",)
    assert as_text([status]).splitlines()[1].split()[4] == "paused"


def test_what_a_provider_does_not_say_is_no_drift() -> None:
    assert stands(view=seen(asked=Asked.UNSTATED, got=None)).drift == ()
    assert stands(proof=Proof("UNKNOWN", 1.0)).drift == ()


def test_off_and_asked_off_needs_no_proof() -> None:
    view = seen(asked=Asked.OFF, got=False)
    assert status_of(replace(VM, nested=False), "x", KEEP, view, None).exit is Exit.OK


def test_json_has_every_field() -> None:
    (vm,) = json.loads(as_json([stands()]))["vms"]
    assert set(vm) == set(VmStatus.__struct_fields__)


REPORT = (Path(__file__).parents[2] / "fixtures/judged/bochs-intel-nested.report.json").read_bytes()


def kept(received: float, **changes: object) -> Entry:
    return Entry("default/tiny", "vm", received, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("since", "when", "unheard"),
    [
        ((), 1.0, ""),
        ((kept(2.0, arrival=Arrival.NOT_AWAITED, arrival_detail="its report was not awaited (--wait)"),), 1.0, ""),
        ((kept(2.0, arrival=Arrival.SILENT, arrival_detail="it crashed"),), 1.0, "it crashed"),
        ((kept(3.0, arrival=Arrival.REFUSED, arrival_detail="b"), kept(2.0, arrival=Arrival.SILENT)), 1.0, "b"),
        ((kept(4.0, report=REPORT), kept(2.0, arrival=Arrival.SILENT, arrival_detail="late")), 4.0, ""),
        ((kept(2.0, arrival=Arrival.NOT_AWAITED, arrival_detail=CHANGED),), None, ""),
        ((kept(3.0, arrival=Arrival.SILENT), kept(2.0, arrival=Arrival.NOT_AWAITED, arrival_detail=CHANGED)), None, ""),
        ((kept(3.0, report=REPORT), kept(2.0, arrival=Arrival.NOT_AWAITED, arrival_detail=CHANGED)), 3.0, ""),
        ((kept(2.0, arrival=Arrival.DESTROYED),), None, ""),
    ],
)
def test_only_a_report_of_the_vm_as_it_is_proves_it(since: tuple[Entry, ...], when: float | None, unheard: str) -> None:
    """One that came before the VM was changed speaks of another VM."""
    proof = proof_of("default/tiny", (*since, kept(1.0, report=REPORT)), Policy())
    assert (proof.when if proof else None, proof.unheard if proof else "") == (when, unheard)
