"""The agent on real kernels with Intel's VMX, emulated by Bochs: CPUs of three ages, and firmware that says no.

Expected answers: measured with Debian's Bochs 2.7 and kernel 6.1.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from lab_machines import Done, Job, Lab, bochs

pytestmark = pytest.mark.lab
HERE = Path(__file__).parent
REPORT = "agent --json --timeout 60 2>/dev/null"


def facts(done: Done) -> dict[str, Any]:
    assert done.status == 0, done.output
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])["facts"]
    return found


def proofs(done: Done) -> dict[str, Any]:
    return {
        name[6:]: fact["value"]["cause"] or True
        for name, fact in facts(done).items()
        if name.startswith("proof.") and "ok" in fact.get("value", {})
    }


def again(parameters: str) -> str:
    return f"rmmod kvm_intel; load kvm_intel {parameters}; {REPORT}"


@pytest.fixture(scope="module")
def broadwell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """One boot of a CPU that has EPT, unrestricted guest and shadow VMCS, through the states of its KVM."""
    lab = Lab(
        loaded=("kvm-intel",),
        files={"faults.py": (HERE / "lab_agent_faults.py").read_bytes()},
        jobs=(
            Job("nested", REPORT),
            Job("faults", "python3 -I -S /faults.py"),
            Job("ept0", again("nested=1 ept=0")),
            Job("nested0", again("nested=0")),
            Job("forced", "python3 -I -S /faults.py vmx"),
        ),
    )
    return bochs(lab, tmp_path_factory.mktemp("broadwell"))


def test_nested_guests_run_with_shadow_paging_and_with_ept(broadwell: dict[str, Done]) -> None:
    found = facts(broadwell["nested"])
    assert proofs(broadwell["nested"]) == {"plain": True, "nested": True, "nested_paging": True}
    assert found["proof.nested"]["value"]["kind"] == "vmx"
    assert found["proof.nested"]["value"]["stages"] == "ABCDVEEZ"
    offered = found["kvm.offered"]["value"]
    assert (offered["vmx"], offered["nested_paging"]) == (True, True)
    assert (offered["unrestricted_guest"], offered["shadow_vmcs"]) == (True, True)
    assert found["kvm.features"]["value"]["vmx"]["ept"] is True
    assert "shadow_vmcs" in found["cpu.vmx_flags"]["value"]
    assert found["cpu.cpuid"]["value"]["vmx"] is True
    assert found["kvm.modules"]["value"]["kvm_intel"]["parameters"]["nested"] == "Y"


@pytest.mark.parametrize(
    ("fault", "status", "cause", "stages"),
    [
        ("none", "ok", None, "ABCDVEEZ"),
        ("hang", "timeout", "timeout", "ABCDV"),
        ("crash", "ok", "inner-shutdown", "ABCDVZ"),
        ("idle", "ok", "wrong-result", "ABCDVZ"),
        ("state", "ok", "invalid-guest-state", "ABCDVZ"),
        ("revision", "ok", "vmfail", "ABCF"),
        ("field", "ok", "vmfail", "ABCDF"),
        ("nocpuid", "ok", "no-vmx-msrs", ""),
    ],
)
def test_faults_are_named(broadwell: dict[str, Done], fault: str, status: str, cause: str | None, stages: str) -> None:
    assert broadwell["faults"].status == 0, broadwell["faults"].output
    found = json.loads(broadwell["faults"].output.splitlines()[-1])[fault]
    assert (found[0], found[1]["cause"], found[1]["stages"]) == (status, cause, stages), found
    if fault == "field":
        assert found[1]["detail"]["instruction_error"] == 12  # VMWRITE to an unsupported field, SDM vol. 3, 31.4
        assert found[1]["detail"]["field"] == 0x7FFE


def test_without_ept_only_shadow_paging_is_proven(broadwell: dict[str, Done]) -> None:
    assert proofs(broadwell["ept0"]) == {"plain": True, "nested": True, "nested_paging": "not-offered"}


def test_with_nested_off_nothing_is_offered(broadwell: dict[str, Done]) -> None:
    found = facts(broadwell["nested0"])
    assert proofs(broadwell["nested0"]) == {"plain": True, "nested": "not-offered", "nested_paging": "not-offered"}
    assert found["kvm.offered"]["value"]["vmx"] is False
    assert found["kvm.modules"]["value"]["kvm_intel"]["parameters"]["nested"] == "N"
    assert found["cpu.cpuid"]["value"]["vmx"] is True
    forced = json.loads(broadwell["forced"].output.splitlines()[-1])["none"]
    assert forced[1]["cause"] == "no-vmx-msrs"


@pytest.mark.parametrize(
    ("model", "offers", "proven"),
    [
        ("corei5_lynnfield_750", {"nested_paging": True, "unrestricted_guest": False, "shadow_vmcs": True}, True),
        (
            "core2_penryn_t9600",
            {"nested_paging": False, "unrestricted_guest": False, "shadow_vmcs": True},
            "not-offered",
        ),
    ],
)
def test_older_cpus(model: str, offers: dict[str, bool], proven: object, tmp_path: Path) -> None:
    done = bochs(Lab(cpu=model, loaded=("kvm-intel",), jobs=(Job("nested", REPORT),)), tmp_path)
    assert proofs(done["nested"]) == {"plain": True, "nested": True, "nested_paging": proven}
    value = facts(done["nested"])["kvm.offered"]["value"]
    assert {name: value[name] for name in offers} == offers


def test_vmx_switched_off_by_firmware(tmp_path: Path) -> None:
    """The kernel hides the flag; CPUID, the register and the log tell what it is."""
    load = "load irqbypass; load kvm; load kvm_intel; load msr"
    lab = Lab(modules=("kvm-intel", "msr"), jobs=(Job("off", f"{load}; {REPORT}"),))
    found = bochs(lab, tmp_path, firmware_off=True)["off"]
    value = facts(found)
    assert value["cpu.cpuid"]["value"]["vmx"] is True
    assert "vmx" not in value["cpu.flags"]["value"]
    assert value["firmware.msr"]["value"]["feature_control"] & 5 == 1
    assert any("disabled by BIOS" in line for line in value["kernel.log"]["value"])
    assert proofs(found)["plain"] == "no-device"
