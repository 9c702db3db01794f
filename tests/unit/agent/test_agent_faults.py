"""Every step of a proof refused by the kernel, for real: a seccomp filter answers one ioctl of KVM with an errno."""

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from seccomp_filter import filtering

# ioctl(2) is 16 on x86-64; its second argument is the request
FILTER = filtering("""
request, answer = int(sys.argv[1], 0), int(sys.argv[2])
code = [(0x20, 0, 0, 0), (0x15, 0, 3, 16), (0x20, 0, 0, 24), (0x15, 0, 1, request), (0x06, 0, 0, 0x50000 | answer),
        (0x06, 0, 0, 0x7FFF0000)]
""")
CREATE_VM, GET_SUPPORTED_CPUID, CREATE_VCPU, RUN, SET_SREGS = 0xAE01, 0xC008AE05, 0xAE41, 0xAE80, 0x4138AE84


def usable() -> bool:
    return os.uname().machine == "x86_64" and os.access("/dev/kvm", os.R_OK | os.W_OK)


def refused(request: int, answer: int, pyz: Path) -> dict[str, Any]:
    """The facts of a run in which the kernel answers one ioctl so."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", FILTER, hex(request), str(answer), "/usr/bin/python3", str(pyz), "--json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr.startswith("nestproof: no guest ran") and done.stderr.count("\n") == 1
    facts: dict[str, Any] = json.loads(done.stdout)["facts"]
    assert facts["cpu.identity"]["status"] == facts["kernel.release"]["status"] == "ok"
    return facts


@pytest.mark.kvm
@pytest.mark.skipif(not usable(), reason="/dev/kvm cannot be opened here")
@pytest.mark.parametrize(
    ("request_", "answer", "step", "cause"),
    [
        (CREATE_VM, "EBUSY", "KVM_CREATE_VM", "busy"),
        (CREATE_VM, "EIO", "KVM_CREATE_VM", "busy"),
        (CREATE_VM, "EMFILE", "KVM_CREATE_VM", "setup"),
        (CREATE_VM, "ENOMEM", "KVM_CREATE_VM", "setup"),
        (GET_SUPPORTED_CPUID, "E2BIG", "KVM_GET_SUPPORTED_CPUID", "setup"),
        (GET_SUPPORTED_CPUID, "EPERM", "KVM_GET_SUPPORTED_CPUID", "denied"),
        (CREATE_VCPU, "EEXIST", "KVM_CREATE_VCPU", "setup"),
        (SET_SREGS, "EINVAL", "KVM_SET_SREGS", "setup"),
    ],
)
def test_a_step_that_is_refused_is_named(request_: int, answer: str, step: str, cause: str, pyz: Path) -> None:
    facts = refused(request_, getattr(errno, answer), pyz)
    plain = facts["proof.plain"]
    assert plain["status"] == ("denied" if cause == "denied" else "error")
    assert plain["error"].startswith(f"{answer}: {step}")
    assert (plain["value"]["cause"], plain["value"]["detail"]) == (cause, {"step": step, "errno": answer})
    if request_ == CREATE_VM:
        assert facts["kvm.api"]["value"]["create_vm"] == answer
    if request_ == GET_SUPPORTED_CPUID:
        assert facts["kvm.offered"]["error"].startswith(answer)


@pytest.mark.kvm
@pytest.mark.skipif(not usable(), reason="/dev/kvm cannot be opened here")
def test_a_guest_that_may_not_be_entered_is_named(pyz: Path) -> None:
    plain = refused(RUN, errno.EIO, pyz)["proof.plain"]
    assert (plain["status"], plain["value"]["cause"]) == ("ok", "run-refused")
    assert plain["value"]["detail"]["errno"] == "EIO"
