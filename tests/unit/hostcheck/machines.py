"""Reports of machines by situation, for the judge's tests.

Shapes and values follow docs/report.md and what was measured: kvm_pvm on a cloud VM, Debian under QEMU TCG (EPYC,
svm), Debian under Bochs (broadwell_ult, vmx); bare-metal machines are built from the kernel's documented behaviour.
"""

from typing import Any

import msgspec

from hostcheck.report import Report, decode

FactDict = dict[str, Any]


def ok(value: Any, source: str = "test") -> FactDict:
    return {"status": "ok", "source": source, "ms": 0.1, "value": value}


def failed(status: str, error: str, value: Any = None) -> FactDict:
    fact = {"status": status, "source": "test", "ms": 0.1, "error": error}
    return fact if value is None else {**fact, "value": value}


NODE = {"path": "/dev/kvm", "mode": "0660", "uid": 0, "gid": 106, "user": "root", "group": "kvm"}
NODE |= {"type": "char", "major": 10, "minor": 232, "open": "ok"}


def proof(kind: str, ok_: bool = True, cause: str | None = None, stages: str = "ABCDEEZ") -> FactDict:
    return ok({"ok": ok_, "kind": kind, "stages": stages, "cause": cause, "detail": {}})


def amd_host() -> dict[str, FactDict]:
    """Bare metal, AMD, kvm_amd nested=1, run as root: everything works."""
    return {
        "cpu.identity": ok(
            {"arch": "x86_64", "vendor": "AuthenticAMD", "model_name": "EPYC", "cpus": 8}, "/proc/cpuinfo"
        ),
        "cpu.flags": ok(["fpu", "npt", "svm"], "/proc/cpuinfo"),
        "cpu.cpuid": ok({"vmx": False, "svm": True, "hypervisor": False}, "CPUID"),
        "hypervisor.signatures": ok([], "CPUID 0x40000000"),
        "machine.dmi": ok({"sys_vendor": "Supermicro"}, "/sys/class/dmi/id"),
        "kernel.log": failed("denied", "EPERM: Operation not permitted"),
        "firmware.msr": failed("absent", "ENOENT"),
        "kvm.modules": ok(
            {
                "kvm": {"state": "loaded", "parameters": {}},
                "kvm_amd": {"state": "loaded", "parameters": {"nested": "1"}},
                "kvm_intel": {"state": "available", "parameters": {}},
            },
            "/sys/module",
        ),
        "kvm.device": ok(dict(NODE), "/dev/kvm"),
        "kvm.api": ok({"version": 12, "create_vm": "ok"}, "KVM_GET_API_VERSION"),
        "kvm.offered": ok({"vmx": False, "svm": True, "nested_paging": True}, "KVM_GET_SUPPORTED_CPUID"),
        "proof.plain": proof("plain", stages="AB"),
        "proof.pace": ok({"loop_cycles": 1.1, "emulated": False}),
        "proof.nested": proof("svm"),
        "proof.nested_paging": proof("svm"),
        "process.identity": ok({"uid": 0, "gid": 0, "groups": [0], "user": "root"}),
    }


def intel_host() -> dict[str, FactDict]:
    """The same with an Intel CPU."""
    facts = amd_host()
    facts["cpu.identity"] = ok({"arch": "x86_64", "vendor": "GenuineIntel", "model_name": "Xeon", "cpus": 8})
    facts["cpu.flags"] = ok(["fpu", "vmx"], "/proc/cpuinfo")
    facts["cpu.cpuid"] = ok({"vmx": True, "svm": False, "hypervisor": False})
    facts["kvm.modules"] = ok(
        {
            "kvm": {"state": "loaded", "parameters": {}},
            "kvm_intel": {"state": "loaded", "parameters": {"nested": "Y"}},
        }
    )
    facts["kvm.offered"] = ok({"vmx": True, "svm": False, "nested_paging": True})
    facts["proof.nested"] = facts["proof.nested_paging"] = proof("vmx", stages="ABCDVEEZ")
    return facts


def no_device(facts: dict[str, FactDict]) -> dict[str, FactDict]:
    """Take /dev/kvm and all that needs it away."""
    gone = failed("absent", "ENOENT: No such file or directory")
    not_run = {"ok": False, "kind": "plain", "stages": "", "cause": "no-device", "detail": {}}
    return facts | {
        "kvm.device": gone,
        "kvm.api": gone,
        "kvm.offered": gone,
        "proof.plain": failed("absent", "ENOENT", not_run),
        "proof.pace": gone,
        "proof.nested": gone,
        "proof.nested_paging": gone,
    }


def not_offered(facts: dict[str, FactDict]) -> dict[str, FactDict]:
    """KVM works and keeps vmx and svm to itself."""
    nothing = failed("absent", "not offered", {"ok": False, "kind": "", "stages": "", "cause": "not-offered"})
    return facts | {
        "kvm.offered": ok({"vmx": False, "svm": False, "nested_paging": None}),
        "proof.nested": nothing,
        "proof.nested_paging": nothing,
    }


def as_nobody(facts: dict[str, FactDict], mode: str = "0660") -> dict[str, FactDict]:
    """The same machine seen by a user who may not open the node."""
    denied = failed("denied", "EACCES: Permission denied")
    node = facts["kvm.device"].get("value", NODE)
    return facts | {
        "kvm.device": failed("denied", "EACCES: Permission denied", {**node, "mode": mode, "open": "EACCES"}),
        "kvm.api": denied,
        "kvm.offered": denied,
        "proof.plain": failed("denied", "EACCES", {"ok": False, "kind": "plain", "stages": "", "cause": "denied"}),
        "proof.pace": denied,
        "proof.nested": denied,
        "proof.nested_paging": denied,
        "process.identity": ok({"uid": 65534, "gid": 65534, "groups": [65534], "user": "nobody"}),
    }


def pvm_vm() -> dict[str, FactDict]:
    """A cloud VM whose KVM is kvm_pvm: works without vmx and svm, emulates ordinary guests (measured)."""
    facts = not_offered(amd_host())
    return facts | {
        "cpu.flags": ok(["fpu", "hypervisor"], "/proc/cpuinfo"),
        "cpu.cpuid": ok({"vmx": False, "svm": False, "hypervisor": True}),
        "hypervisor.signatures": ok([{"leaf": 0x40000000, "signature": "KVMKVMKVM"}]),
        "kvm.modules": ok(
            {"kvm": {"state": "builtin", "parameters": {}}, "kvm_pvm": {"state": "builtin", "parameters": {}}}
        ),
        "kvm.device": ok(NODE | {"mode": "0600", "group": "root", "gid": 0}),
        "proof.pace": ok({"loop_cycles": 1830.0, "emulated": True}),
    }


def tcg_guest() -> dict[str, FactDict]:
    """Debian as a guest of QEMU TCG with svm (measured)."""
    facts = amd_host()
    return facts | {
        "cpu.flags": ok(["fpu", "hypervisor", "npt", "svm"], "/proc/cpuinfo"),
        "cpu.cpuid": ok({"vmx": False, "svm": True, "hypervisor": True}),
        "hypervisor.signatures": ok([{"leaf": 0x40000000, "signature": "TCGTCGTCGTCG"}]),
    }


def guest_without_feature() -> dict[str, FactDict]:
    """A VM whose CPU model lacks svm, stock kernel: no engine, no node."""
    facts = no_device(tcg_guest())
    return facts | {
        "cpu.flags": ok(["fpu", "hypervisor"], "/proc/cpuinfo"),
        "cpu.cpuid": ok({"vmx": False, "svm": False, "hypervisor": True}),
        "kvm.modules": ok(
            {"kvm": {"state": "available", "parameters": {}}, "kvm_amd": {"state": "available", "parameters": {}}}
        ),
    }


def report(facts: dict[str, FactDict], hostname: str = "kvm07", vm: str | None = None) -> Report:
    """A decoded report, through the same bytes as a real one."""
    raw = {
        "schema": "nestproof.report/1",
        "agent": {"version": "0.1.0", "python": "3.11.2"},
        "subject": {"hostname": hostname, "machine_id": None, "boot_id": None, "dmi_uuid": None, "vm": vm},
        "started": 1763800000.0,
        "duration_ms": 40.0,
        "facts": facts,
    }
    return decode(msgspec.json.encode(raw))
