"""The agent on real kernels with AMD's SVM, emulated by QEMU's TCG. Expected: what was measured with these kernels."""

import json
from pathlib import Path
from typing import Any

import pytest
from lab_machines import Done, Job, Lab, tcg

pytestmark = pytest.mark.lab
HERE = Path(__file__).parent
SLOW = "--json --timeout 60 2>/dev/null"
REPORT = "agent " + SLOW
COMPILED = "python3 -I -S -c 'import json'"  # reading a record imports it; in the lab nothing is compiled yet
AS_NOBODY = (
    "python3 -I -S -c 'import os,sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
    'os.execv("/bin/python3", ["python3", "-I", "-S", "/nestproof-agent.pyz", "--json"])\' 2>/dev/null'
)
# EFER.SVME set by somebody else, as a hypervisor of another make does it
TAKE_SVM = """python3 -I -S -c '
import os, struct
fd = os.open("/dev/cpu/0/msr", os.O_RDWR)
efer, = struct.unpack("<Q", os.pread(fd, 8, 0xC0000080))
os.pwrite(fd, struct.pack("<Q", efer ^ 0x1000), 0xC0000080)'"""


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


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """One boot of Debian's kernel 6.1 that goes through the states of its KVM."""
    lab = Lab(
        modules=("kvm-amd", "msr", "cpuid"),
        cmdline="msr.allow_writes=on",
        files={"faults.py": (HERE / "lab_agent_faults.py").read_bytes()},
        jobs=(
            Job("bare", REPORT),
            Job("setup", "load irqbypass; load kvm; load msr"),
            Job("novendor", REPORT),
            Job("nested", "load kvm_amd nested=1; " + REPORT),
            Job("measured", "agent --json --measure --timeout 60 --only proof.cost,firmware.msr 2>/dev/null"),
            Job("faults", "python3 -I -S /faults.py"),
            Job("nobody", "chmod 600 /dev/kvm; " + AS_NOBODY),
            Job("group", "chmod 660 /dev/kvm; chgrp 104 /dev/kvm; " + AS_NOBODY),
            Job("npt0", "rmmod kvm_amd; load kvm_amd nested=1 npt=0; " + REPORT),
            Job("nested0", "rmmod kvm_amd; load kvm_amd nested=0; " + REPORT),
            Job("forced", "python3 -I -S /faults.py svm"),
            Job("capture", f"agent --capture /tmp/record 2>/dev/null; {COMPILED}; agent --root /tmp/record {SLOW}"),
            Job("busy", f"{TAKE_SVM}; {REPORT}; {TAKE_SVM}"),
            Job("tainted", "mount --bind /tmp /sys; mount -t tmpfs none /proc; " + REPORT),
        ),
    )
    return tcg(lab, tmp_path_factory.mktemp("stable"))


def test_without_modules_the_cpu_is_able_and_there_is_no_device(stable: dict[str, Done]) -> None:
    found = facts(stable["bare"])
    assert found["cpu.cpuid"]["value"]["svm"] is True
    assert "svm" in found["cpu.flags"]["value"]
    assert found["kvm.device"]["status"] == "absent"
    assert found["kvm.modules"]["value"]["kvm_amd"]["state"] == "absent"
    assert proofs(stable["bare"]) == dict.fromkeys(("plain", "nested", "nested_paging"), "no-device")


def test_without_the_vendor_s_module_there_is_no_device(stable: dict[str, Done]) -> None:
    found = facts(stable["novendor"])
    assert found["kvm.modules"]["value"]["kvm"]["state"] == "loaded"
    assert proofs(stable["novendor"])["plain"] == "no-device"


def test_nested_guests_run_with_shadow_and_with_nested_paging(stable: dict[str, Done]) -> None:
    found = facts(stable["nested"])
    assert proofs(stable["nested"]) == {"plain": True, "nested": True, "nested_paging": True}
    for name in ("proof.nested", "proof.nested_paging"):
        assert found[name]["value"] == {
            "ok": True, "kind": "svm", "stages": "ABCDEEZ", "cause": None, "detail": {},
        }  # fmt: skip
    assert found["proof.pace"]["value"]["emulated"] is False
    assert found["kvm.offered"]["value"]["svm"] is True
    assert found["kvm.offered"]["value"]["nested_paging"] is True
    assert found["kvm.features"]["value"]["svm"]["npt"] is True
    assert found["kvm.modules"]["value"]["kvm_amd"]["state"] == "loaded"
    assert found["kvm.modules"]["value"]["kvm_amd"]["parameters"]["nested"] == "1"
    assert found["hypervisor.signatures"]["value"] == [{"leaf": 0x40000000, "signature": "TCGTCGTCGTCG"}]
    assert any("Nested Virtualization enabled" in line for line in found["kernel.log"]["value"])


def test_costs_of_exits_are_measured(stable: dict[str, Done]) -> None:
    found = facts(stable["measured"])
    cost = found["proof.cost"]["value"]
    assert set(cost) == {"cpuid_exit", "port_exit", "inner_cpuid_exit", "inner_cpuid_exit_paging"}
    for each in cost.values():
        assert 0 < each["min_ns"] <= each["median_ns"] <= each["max_ns"]
    assert isinstance(found["firmware.msr"]["value"]["vm_cr"], int)


@pytest.mark.parametrize(
    ("fault", "status", "cause", "stages"),
    [
        ("none", "ok", None, "ABCDEEZ"),
        ("hang", "timeout", "timeout", "ABCD"),
        ("crash", "ok", "inner-shutdown", "ABCDZ"),
        ("idle", "ok", "wrong-result", "ABCDZ"),
        ("state", "ok", "invalid-guest-state", "ABCDZ"),
        ("intercept", "ok", "invalid-guest-state", "ABCDZ"),
        ("asid", "ok", "invalid-guest-state", "ABCDZ"),
        ("hsave", "ok", "shutdown", "ABCD"),
        ("nocpuid", "ok", "shutdown", "AB"),
    ],
)
def test_faults_are_named(stable: dict[str, Done], fault: str, status: str, cause: str | None, stages: str) -> None:
    assert stable["faults"].status == 0, stable["faults"].output
    found = json.loads(stable["faults"].output.splitlines()[-1])[fault]
    assert (found[0], found[1]["cause"], found[1]["stages"]) == (status, cause, stages), found


def test_a_user_without_the_right_is_denied(stable: dict[str, Done]) -> None:
    found = facts(stable["nobody"])
    assert found["kvm.device"]["status"] == "denied"
    assert found["kvm.device"]["value"]["mode"] == "0600"
    assert found["kvm.device"]["value"]["open"] == "EACCES"
    assert found["cpu.cpuid"]["value"]["svm"] is True
    assert proofs(stable["nobody"])["nested"] == "denied"
    assert facts(stable["group"])["kvm.device"]["value"]["group"] == "kvm"


def test_without_npt_only_shadow_paging_is_proven(stable: dict[str, Done]) -> None:
    assert proofs(stable["npt0"]) == {"plain": True, "nested": True, "nested_paging": "not-offered"}
    assert facts(stable["npt0"])["kvm.offered"]["value"]["nested_paging"] is False


def test_with_nested_off_nothing_is_offered_and_plain_guests_run(stable: dict[str, Done]) -> None:
    assert proofs(stable["nested0"]) == {"plain": True, "nested": "not-offered", "nested_paging": "not-offered"}
    found = facts(stable["nested0"])
    assert found["kvm.offered"]["value"]["svm"] is False
    assert found["kvm.modules"]["value"]["kvm_amd"]["parameters"]["nested"] == "0"
    assert found["proof.nested"]["status"] == "absent"
    forced = json.loads(stable["forced"].output.splitlines()[-1])["none"]
    assert (forced[1]["cause"], forced[1]["stages"]) == ("shutdown", "AB")


def test_a_recorded_machine_answers_as_it_did(stable: dict[str, Done]) -> None:
    before, after = facts(stable["nested0"]), facts(stable["capture"])
    same = ("cpu.", "hypervisor.", "machine.dmi", "kernel.release", "kvm.", "firmware.", "process.", "host.")
    for name in [each for each in before if each.startswith(same)]:
        assert after[name].get("value") == before[name].get("value"), name
    assert after["proof.plain"]["value"] == before["proof.plain"]["value"]


def test_another_hypervisor_makes_it_busy(stable: dict[str, Done]) -> None:
    found = json.loads(next(line for line in stable["busy"].output.splitlines() if line.startswith("{")))["facts"]
    assert found["kvm.api"]["value"]["create_vm"] == "EBUSY"
    assert found["proof.plain"]["value"]["cause"] == "busy"
    assert found["proof.plain"]["status"] == "error"


def test_without_proc_and_sys_it_is_still_useful(stable: dict[str, Done]) -> None:
    found = facts(stable["tainted"])
    assert found["cpu.cpuid"]["value"]["svm"] is True
    assert found["cpu.flags"]["status"] == "absent"
    # the lab's Python has no ctypes, the other way to learn where memory lies
    assert found["proof.plain"]["value"]["cause"] == "setup"
    assert found["proof.plain"]["value"]["detail"] == {"step": "guest memory", "errno": "ENOSYS"}
    assert not [name for name, fact in found.items() if "Traceback" in str(fact)]


def test_newer_kernel(tmp_path: Path) -> None:
    lab = Lab(suite="backports", loaded=("kvm-amd",), jobs=(Job("nested", REPORT),))
    done = tcg(lab, tmp_path)
    assert facts(done["nested"])["kernel.release"]["value"]["release"].startswith("6.12.")
    assert proofs(done["nested"]) == {"plain": True, "nested": True, "nested_paging": True}


def test_a_cpu_without_svm(tmp_path: Path) -> None:
    load = "load irqbypass; load kvm; load kvm_amd"
    lab = Lab(cpu="EPYC,-svm,-x2apic,-cx16", modules=("kvm-amd",), jobs=(Job("report", f"{load}; {REPORT}"),))
    found = tcg(lab, tmp_path)["report"]
    assert facts(found)["cpu.cpuid"]["value"]["svm"] is False
    assert facts(found)["hypervisor.signatures"]["status"] == "ok"
    assert proofs(found)["plain"] == "no-device"
