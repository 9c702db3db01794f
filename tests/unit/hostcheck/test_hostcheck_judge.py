"""The judge's truth table: situation in, both verdicts and the deciding check out."""

from collections.abc import Callable

import pytest
from full_machines import LATE, elsewhere, kernel
from machines import (
    NODE,
    FactDict,
    amd_host,
    as_nobody,
    failed,
    guest_without_feature,
    intel_host,
    no_device,
    not_offered,
    ok,
    proof,
    pvm_vm,
    report,
    tcg_guest,
)

from hostcheck.checks import catalogue
from hostcheck.judge import judge
from hostcheck.model import Status, Verdict

Facts = dict[str, FactDict]
P, D, C, M = Verdict.PROVEN, Verdict.DEGRADED, Verdict.CAPABLE, Verdict.MISCONFIGURED
FW, POLICY, X, U, Q = (
    Verdict.BLOCKED_FIRMWARE,
    Verdict.BLOCKED_POLICY,
    Verdict.CONFLICT,
    Verdict.UNSUPPORTED,
    Verdict.UNKNOWN,
)


def modules(facts: Facts, **states: str) -> Facts:
    listed = {name: {"state": state, "parameters": {}} for name, state in states.items()}
    return facts | {"kvm.modules": ok(listed, "/sys/module")}


def nested_parameter(facts: Facts, module: str, value: str) -> Facts:
    return facts | {"kvm.modules": ok({module: {"state": "loaded", "parameters": {"nested": value}}})}


def vmx_locked_off() -> Facts:
    """Firmware locked VMX off: the kernel clears the flag and logs it (seen under Bochs with a patched BIOS)."""
    facts = no_device(intel_host())
    return facts | {
        "cpu.flags": ok(["fpu"], "/proc/cpuinfo"),
        "kernel.log": ok(["x86/cpu: VMX (outside TXT) disabled by BIOS"]),
    }


def svm_disabled_by_msr() -> Facts:
    facts = no_device(amd_host())
    return facts | {"cpu.flags": ok(["fpu"]), "firmware.msr": ok({"feature_control": None, "vm_cr": 0x18})}


def other_hypervisor(error: str) -> Facts:
    facts = not_offered(intel_host())
    busy = {"ok": False, "kind": "plain", "stages": "", "cause": "busy", "detail": {}}
    return facts | {
        "kvm.offered": ok({"vmx": True, "svm": False, "nested_paging": True}),
        "kvm.api": ok({"version": 12, "create_vm": error}),
        "proof.plain": failed("error", error, busy),
        "proof.nested": failed("error", error, busy),
    }


def held_by_another() -> Facts:
    """Since Linux 6.12 the module does not load while another hypervisor holds SVM (measured)."""
    facts = modules(no_device(amd_host()), kvm="loaded", kvm_amd="available")
    return facts | {"kernel.log": ok(["kvm: enabling virtualization on CPU0 failed"])}


def ioctl_refused() -> Facts:
    """A seccomp filter lets /dev/kvm be opened, and answers EPERM to its ioctls (measured)."""
    denied = failed("denied", "EPERM: Operation not permitted")
    changed = ("kvm.api", "kvm.offered", "proof.plain", "proof.nested", "proof.nested_paging", "proof.pace")
    return amd_host() | dict.fromkeys(changed, denied)


def hanging_guest() -> Facts:
    hung = {"ok": False, "kind": "plain", "stages": "A", "cause": "timeout", "detail": {}}
    alone = dict.fromkeys(("proof.nested", "proof.nested_paging"), failed("absent", "not tried"))
    return amd_host() | {"proof.plain": failed("timeout", "killed after 3 s", hung)} | alone


def late_guest() -> Facts:
    """A busy machine: the plain guest was stopped by the clock, and the nested ones then ran."""
    return hanging_guest() | {name: amd_host()[name] for name in ("proof.nested", "proof.nested_paging")}


def silent_proof() -> Facts:
    """All prerequisites read, proofs not run (agent --only)."""
    facts = amd_host()
    for fact in ("proof.plain", "proof.nested", "proof.nested_paging", "proof.pace"):
        del facts[fact]
    return facts


def not_begun() -> Facts:
    """The run's time was used up before the first proof: nothing was tried, so nothing failed."""
    return amd_host() | {"proof.plain": LATE, "proof.nested": LATE, "proof.nested_paging": LATE}


ARM_NESTED = {"kernel_release": kernel(cmdline="kvm-arm.mode=nested")}
TABLE: list[tuple[str, Callable[[], Facts], Verdict, str, Verdict, str]] = [
    ("amd", amd_host, P, "kvm.run", P, "nested.run"),
    ("intel", intel_host, P, "kvm.run", P, "nested.run"),
    ("pvm", pvm_vm, D, "kvm.run", U, "cpu.virtualization"),
    ("pvm as nobody", lambda: as_nobody(pvm_vm(), "0600"), POLICY, "kvm.access", U, "cpu.virtualization"),
    ("amd as nobody", lambda: as_nobody(amd_host()), POLICY, "kvm.access", POLICY, "kvm.access"),
    ("tcg guest", tcg_guest, D, "kvm.run", D, "nested.run"),
    ("vm without svm", guest_without_feature, U, "cpu.virtualization", U, "cpu.virtualization"),
    ("vmx locked off", vmx_locked_off, FW, "firmware.virtualization", FW, "firmware.virtualization"),
    ("svm disabled", svm_disabled_by_msr, FW, "firmware.virtualization", FW, "firmware.virtualization"),
    (
        "module not loaded",
        lambda: modules(no_device(intel_host()), kvm="loaded", kvm_intel="available"),
        M,
        "kvm.module",
        M,
        "kvm.module",
    ),
    (
        "kernel without KVM",
        lambda: modules(no_device(intel_host()), kvm="absent", kvm_intel="absent"),
        M,
        "kvm.module",
        M,
        "kvm.module",
    ),
    (
        "module loaded, node missing",
        lambda: no_device(amd_host()),
        M,
        "kvm.device",
        M,
        "kvm.device",
    ),
    (
        "nested=N",
        lambda: nested_parameter(not_offered(intel_host()), "kvm_intel", "N"),
        P,
        "kvm.run",
        M,
        "nested.parameter",
    ),
    (
        "nested=0",
        lambda: nested_parameter(not_offered(amd_host()), "kvm_amd", "0"),
        P,
        "kvm.run",
        M,
        "nested.parameter",
    ),
    ("parameter on, not offered", lambda: not_offered(amd_host()), P, "kvm.run", U, "nested.offered"),
    ("EBUSY", lambda: other_hypervisor("EBUSY"), X, "kvm.run", X, "kvm.run"),
    ("EIO", lambda: other_hypervisor("EIO"), X, "kvm.run", X, "kvm.run"),
    ("ioctl refused", ioctl_refused, POLICY, "kvm.run", POLICY, "kvm.run"),
    ("not loaded, held by another", held_by_another, X, "kvm.module", X, "kvm.module"),
    ("guest hangs", hanging_guest, U, "kvm.run", U, "kvm.run"),
    ("plain guest late, nested ones ran", late_guest, P, "kvm.run", P, "nested.run"),
    (
        "nested guest fails",
        lambda: (
            amd_host()
            | {"proof.nested": proof("svm", False, "timeout", "ABCD"), "proof.nested_paging": failed("error", "x")}
        ),
        P,
        "kvm.run",
        U,
        "nested.run",
    ),
    (
        "no nested paging",
        lambda: (
            amd_host()
            | {
                "kvm.offered": ok({"vmx": False, "svm": True, "nested_paging": False}),
                "proof.nested_paging": failed("absent", "not offered"),
            }
        ),
        P,
        "kvm.run",
        D,
        "nested.run",
    ),
    (
        "confidential VM",
        lambda: no_device(tcg_guest()) | {"machine.confidential": ok({"kind": "sev", "why": "x"})},
        POLICY,
        "machine.confidential",
        POLICY,
        "machine.confidential",
    ),
    (
        "confidential VM where a guest ran",
        lambda: amd_host() | {"machine.confidential": ok({"kind": "sev", "why": "x"})},
        P,
        "kvm.run",
        P,
        "nested.run",
    ),
    ("proofs not begun", not_begun, C, "kvm.run", C, "kvm.run"),
    ("arm64 that nests", lambda: elsewhere("aarch64", True, **ARM_NESTED), P, "kvm.run", C, "nested.run"),
    ("arm64 that does not", lambda: elsewhere("aarch64", False), P, "kvm.run", M, "nested.parameter"),
    ("riscv64", lambda: elsewhere("riscv64", None, "rv64imafdch"), P, "kvm.run", Q, "nested.offered"),
    ("proofs not run", silent_proof, C, "kvm.run", C, "kvm.run"),
    ("no facts at all", dict, Q, "cpu.virtualization", Q, "cpu.virtualization"),
]


@pytest.mark.parametrize(
    ("facts", "runs", "runs_by", "nests", "nests_by"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_verdicts(facts: Callable[[], Facts], runs: Verdict, runs_by: str, nests: Verdict, nests_by: str) -> None:
    judged = judge(report(facts()))
    assert (judged.runs_guests.verdict, judged.runs_guests.decided_by) == (runs, runs_by), judged.runs_guests
    assert (judged.guests_nest.verdict, judged.guests_nest.decided_by) == (nests, nests_by), judged.guests_nest


def test_a_working_device_without_flags_is_not_called_an_unsupported_cpu() -> None:
    judged = judge(report(pvm_vm()))
    assert judged.runs_guests.verdict is Verdict.DEGRADED
    assert "emulates" in judged.runs_guests.reason


def test_inside_a_vm_nobody_is_sent_to_the_bios() -> None:
    for facts in (pvm_vm(), guest_without_feature()):
        for finding in judge(report(facts)).findings:
            for remedy in finding.remedies:
                assert "firmware" not in remedy.where and "BIOS" not in remedy.title


def test_consequences_are_folded_under_the_root() -> None:
    judged = judge(report(nested_parameter(not_offered(intel_host()), "kvm_intel", "N")))
    offered = judged.finding("nested.offered")
    assert offered is not None and offered.status is Status.FAIL and offered.follows == "nested.parameter"
    root = judged.finding("nested.parameter")
    assert root is not None and root.follows == ""


def test_a_missing_fact_never_fails_a_check() -> None:
    for name in amd_host():
        facts = amd_host()
        del facts[name]
        for finding in judge(report(facts)).findings:
            assert finding.status is not Status.FAIL, (name, finding)


def test_a_fact_of_the_wrong_shape_never_fails_a_check() -> None:
    for name in amd_host():
        for value in ({"surprise": [1, "x"]}, [{"leaf": "x"}], "text", 7, None):
            facts = amd_host() | {name: ok(value)}
            for finding in judge(report(facts)).findings:
                assert finding.status is not Status.FAIL, (name, value, finding)


def test_every_check_explains_itself() -> None:
    for check in catalogue():
        assert check.question.endswith("?") and check.why.endswith(".")
        assert set(check.needs) <= {c.id for c in catalogue()}


def test_the_node_text_names_mode_and_owner() -> None:
    judged = judge(report(as_nobody(amd_host())))
    access = judged.finding("kvm.access")
    assert access is not None
    assert f"{NODE['user']}:{NODE['group']}" in access.evidence[0].text
    assert access.remedies[0].commands == ("usermod -aG kvm nobody",)
