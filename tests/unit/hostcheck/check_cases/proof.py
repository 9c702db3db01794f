"""Guests that were run, and what leaving them costs."""

from full_machines import COST, FORKLESS, HUNG, LATE, RIVALS, amd, elsewhere, signature, without
from machines import failed, no_device, ok, pvm_vm, tcg_guest

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

UNTRIED = failed("absent", "not tried")
ALONE = {"proof.nested": UNTRIED, "proof.nested_paging": UNTRIED}
BUSY = (
    amd(kvm_api=failed("error", "EIO", {"version": 12, "create_vm": "EIO"}), proof_plain=failed("error", "EIO")) | ALONE
)
case("kvm.run", PASS, amd())
case("kvm.run", PASS, amd(proof_plain=HUNG), says="a guest ran")
case("kvm.run", FAIL, amd(proof_plain=HUNG) | ALONE, says="timeout")
case("kvm.run", FAIL, amd(proof_plain=failed("denied", "EPERM")) | ALONE, says="seccomp")
case("kvm.run", FAIL, BUSY, "rivals.stop-other", says="EIO")
case(
    "kvm.run",
    FAIL,
    BUSY | {"machine.rivals": ok({**RIVALS, "modules": ["vboxdrv", "vmmon"]})},
    "rivals.stop-virtualbox",
    "rivals.stop-vmware",
)
case("kvm.run", SKIP, no_device(amd()))
case("kvm.run", UNKNOWN, without(amd(), "proof.plain") | ALONE)
case("kvm.run", UNKNOWN, amd(proof_plain=LATE) | ALONE, says="not begun")
case("kvm.run", UNKNOWN, amd(proof_plain=FORKLESS) | ALONE, says="no child process")
case("kvm.acceleration", PASS, amd())
case("kvm.acceleration", WARN, pvm_vm())
case("kvm.acceleration", SKIP, no_device(amd()))
case("kvm.acceleration", UNKNOWN, amd(proof_pace=failed("timeout", "ETIMEDOUT: stopped after 4 s")), says="ETIMEDOUT")
case("kvm.acceleration", UNKNOWN, without(amd(), "proof.pace"))
case("proof.flags", PASS, amd())
case("proof.flags", WARN, pvm_vm(), says="execution says yes")
case("proof.flags", WARN, amd(proof_plain=HUNG), says="execution says no")
case("proof.flags", SKIP, elsewhere("aarch64", True))
case("proof.flags", UNKNOWN, no_device(amd()))
case("proof.flags", UNKNOWN, amd(proof_plain=LATE))

SLOW = {"median_ns": 900000.0, "min_ns": 1.0, "max_ns": 2.0}
for _id in ("kvm.exit-cost", "nested.exit-cost"):
    case(_id, PASS, amd(), says="on bare metal")
    case(_id, PASS, amd(hypervisor_signatures=signature("VMwareVMware")), says="in a VM under VMware")
    case(_id, WARN, amd(proof_cost=ok(dict.fromkeys(COST, SLOW))), says="900.0 µs")
    case(_id, SKIP, without(amd(), "proof.cost"), says="--measure")
    case(_id, SKIP, tcg_guest() | {"proof.cost": ok(COST)}, says="emulated")
    case(_id, UNKNOWN, amd(proof_cost=failed("error", "killed")))
    case(_id, UNKNOWN, amd(proof_cost=ok({"cpuid_exit": None})))
case("kvm.exit-cost", PASS, amd() | {"proof.pace": pvm_vm()["proof.pace"]}, says="emulates")
case("nested.exit-cost", SKIP, pvm_vm() | {"proof.cost": ok(COST)})
