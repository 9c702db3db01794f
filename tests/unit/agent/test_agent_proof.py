"""Proofs on this machine's KVM. What needs svm or vmx is proven in the labs (tests/lab)."""

import errno
import os
import sys
import time
import types
from pathlib import Path

import pytest

import agent
from agent.collector import Run
from agent.facts import NotOk
from agent.kvm.offered import cpuid, offered
from agent.machine import Machine
from agent.proof import nested, plain
from agent.proof.attempt import attempt, could_not_begin
from agent.proof.micro import CODE, MAILBOX, Failed, Micro


def usable() -> bool:
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return False
    return os.uname().machine == "x86_64"


kvm = [pytest.mark.kvm, pytest.mark.skipif(not usable(), reason="/dev/kvm cannot be opened here")]


class TestOnKvm:
    pytestmark = kvm

    def test_a_guest_runs(self) -> None:
        assert plain.prove(Machine()) == {"ok": True, "kind": "plain", "stages": "ABZ", "cause": None, "detail": {}}

    def test_pace_tells_emulation_where_the_module_is_known_to_emulate(self) -> None:
        value = plain.pace(Machine())
        assert value["loop_cycles"] > 0
        assert value["emulated"] == Path("/sys/module/kvm_pvm").is_dir()

    @pytest.mark.parametrize("prove", [nested.shadow, nested.paging])
    def test_nesting_agrees_with_what_is_offered(self, prove) -> None:  # type: ignore[no-untyped-def]
        machine = Machine()
        offer = offered(machine)
        if not offer["vmx"] and not offer["svm"]:
            with pytest.raises(NotOk) as caught:
                prove(machine)
            assert caught.value.status == "absent"
            assert caught.value.value["cause"] == "not-offered"
        elif prove is nested.shadow or offer["nested_paging"]:
            assert prove(machine)["ok"]

    @pytest.mark.parametrize(
        ("code", "cause"),
        [(b"\x0f\x0b", "shutdown"), (b"\xf4", "wrong-result"), (b"\xb0\x41\xe6\xe9\xf4", "wrong-result")],
        ids=["invalid opcode", "halts at once", "halts after stage A"],
    )
    def test_a_guest_that_does_something_else_is_not_a_proof(self, code: bytes, cause: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        monkeypatch.setattr(plain, "PLAIN", code)
        value = plain.prove(Machine())
        assert (value["ok"], value["cause"]) == (False, cause)

    def test_a_guest_that_never_leaves_kvm_run_loses_against_the_watchdog(self, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        def endless(machine: Machine) -> object:
            def play(guest: Micro) -> dict[str, object]:
                guest.put(CODE, b"\xb0\x41\xe6\xe9\xeb\xfe")  # stage A, then jump to itself for ever
                guest.enter_long_mode()
                guest.run()
                return {}

            return attempt(machine, "plain", play)

        module = types.ModuleType("agent.acted")
        module.endless = endless  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "agent.acted", module)
        probes = [("proof.plain", "acted", "endless", "KVM_RUN", 0.5, True)]
        with Run(probes, None, False, time.perf_counter() + 20, 20) as run:
            facts = run.facts()
        assert facts["proof.plain"]["status"] == "timeout"
        assert facts["proof.plain"]["value"]["stages"] == "A"

    def test_vmcall_ends_in_bounded_time(self, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        """Under kvm_pvm a guest's VMCALL never comes back from KVM_RUN; elsewhere it does, or faults."""

        def hypercall(machine: Machine) -> object:
            def play(guest: Micro) -> dict[str, object]:
                guest.put(CODE, b"\x0f\x01\xc1\xf4")
                guest.enter_long_mode()
                guest.run()
                return {}

            return attempt(machine, "plain", play)

        module = types.ModuleType("agent.acted")
        module.hypercall = hypercall  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "agent.acted", module)
        probes = [("proof.plain", "acted", "hypercall", "KVM_RUN", 0.5, True)]
        with Run(probes, None, False, time.perf_counter() + 20, 20) as run:
            facts = run.facts()
        if Path("/sys/module/kvm_pvm").is_dir():
            assert facts["proof.plain"]["status"] == "timeout"
        assert facts["proof.plain"]["status"] in {"ok", "timeout"}

    def test_descriptors_are_given_back(self) -> None:
        machine = Machine()
        plain.prove(machine)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            plain.prove(machine)
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_forced_nesting_without_the_feature_is_named(self) -> None:
        machine = Machine()
        offer = offered(machine)
        if offer["svm"] or offer["vmx"]:
            assert nested.shadow(machine)["ok"]  # here the feature is there, and works
            return
        from agent.proof import svm, vmx

        with Micro(machine.once("kvm", lambda: None), cpuid(machine)[0], machine.note) as guest:
            with pytest.raises(Failed) as caught:
                nested.play(guest, vmx, False)
            assert caught.value.cause == "no-vmx-msrs"
        with Micro(machine.kept["kvm"], cpuid(machine)[0], machine.note) as guest:
            with pytest.raises(Failed) as caught:
                nested.play(guest, svm, False)
            assert caught.value.cause in {"shutdown", "internal-error"}
            assert guest.stages == "AB"
            assert guest.get64(MAILBOX + 0x70) == 0


@pytest.mark.parametrize(
    ("step", "number", "status", "cause"),
    [
        ("open /dev/kvm", errno.ENOENT, "absent", "no-device"),
        ("open /dev/kvm", errno.ENODEV, "absent", "no-device"),
        ("open /dev/kvm", errno.EACCES, "denied", "denied"),
        ("open /dev/kvm", errno.EPERM, "denied", "denied"),
        ("open /dev/kvm", errno.EMFILE, "error", "setup"),
        ("KVM_CREATE_VM", errno.EBUSY, "error", "busy"),
        ("KVM_CREATE_VM", errno.EIO, "error", "busy"),
        ("KVM_CREATE_VCPU", errno.ENOMEM, "error", "setup"),
    ],
)
def test_what_the_kernel_refuses_has_a_name(step: str, number: int, status: str, cause: str) -> None:
    refusal = could_not_begin("plain", step, OSError(number, os.strerror(number)))
    assert (refusal.status, refusal.value["cause"]) == (status, cause)
    assert refusal.value["detail"] == {"step": step, "errno": errno.errorcode[number]}
    assert refusal.error.startswith(errno.errorcode[number] + ": " + step)


def test_proofs_never_raise_to_the_caller() -> None:
    facts = agent.collect(only=["proof.plain", "proof.nested", "proof.nested_paging"])["facts"]
    for fact in facts.values():
        assert set(fact["value"]) == {"ok", "kind", "stages", "cause", "detail"}
        assert fact["value"]["ok"] == (fact["value"]["cause"] is None)
