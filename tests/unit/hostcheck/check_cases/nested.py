"""What guests are offered for guests of their own."""

from full_machines import AMD, BROKEN_NEST, DENIED, INTEL, LATE, SVM, VMX, amd, elsewhere, intel, kvm_modules, without
from machines import as_nobody, failed, not_offered, ok, pvm_vm

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

NPT_OFF = kvm_modules(kvm_amd={**AMD, "npt": "N"})
NO_PAGING = {
    "kvm.offered": ok({"vmx": False, "svm": True, "nested_paging": False}),
    "proof.nested_paging": failed("absent", "not offered"),
}
case("nested.offered", PASS, amd(), says="svm")
case("nested.offered", PASS, elsewhere("aarch64", True))
case("nested.offered", FAIL, pvm_vm())
case("nested.offered", FAIL, elsewhere("aarch64", False), "arch.arm64-nested")
case("nested.offered", FAIL, elsewhere("s390x", False, "sie"), "arch.s390x-nested")
case("nested.offered", FAIL, elsewhere("ppc64le", False), "arch.ppc64-nested")
case("nested.offered", UNKNOWN, as_nobody(amd()))
case("nested.offered", UNKNOWN, elsewhere("riscv64", None, "rv64imafdch"))
case("nested.run", PASS, amd())
case("nested.run", FAIL, amd(proof_nested=BROKEN_NEST, proof_nested_paging=failed("error", "x")))
case("nested.run", SKIP, pvm_vm())
case("nested.run", UNKNOWN, without(amd(), "proof.nested", "proof.nested_paging"))
case("nested.run", UNKNOWN, amd(proof_nested=LATE, proof_nested_paging=LATE))
case("nested.run", UNKNOWN, elsewhere("aarch64", True))
case("nested.paging", PASS, amd())
case("nested.paging", WARN, amd() | NO_PAGING)
case("nested.paging", WARN, amd(kvm_modules=NPT_OFF) | NO_PAGING, "module.parameter-on")
case("nested.paging", FAIL, amd() | {"proof.nested_paging": BROKEN_NEST})
case("nested.paging", SKIP, pvm_vm())
case("nested.paging", UNKNOWN, without(amd(), "proof.nested_paging"))
case("nested.paging", UNKNOWN, amd() | {"proof.nested_paging": LATE})
case("nested.agreement", PASS, amd())
case("nested.agreement", WARN, not_offered(amd()), says="does not offer")
case("nested.agreement", WARN, amd(kvm_modules=kvm_modules(kvm_amd={"nested": "0"})), says="offers")
case("nested.agreement", WARN, amd(kvm_offered=ok({"vmx": False, "svm": False})), says="an inner guest ran")
case("nested.agreement", SKIP, pvm_vm())
case("nested.agreement", UNKNOWN, as_nobody(amd()))

for _id, _key in (
    ("nested.unrestricted-guest", "unrestricted_guest"),
    ("nested.apicv", "virtual_interrupt_delivery"),
    ("nested.vpid", "vpid"),
):
    case(_id, PASS, intel())
    case(_id, WARN, intel(kvm_features=ok({"vmx": {**VMX, _key: False}})))
    case(_id, SKIP, amd())
    case(_id, UNKNOWN, without(intel(), "kvm.features"))
for _id, _key in (
    ("nested.nrip-save", "nrip_save"),
    ("nested.vgif", "vgif"),
    ("nested.virtual-vmload", "virtual_vmload_vmsave"),
    ("nested.flush-by-asid", "flush_by_asid"),
):
    case(_id, PASS, amd())
    case(_id, WARN, amd(kvm_features=ok({"svm": {**SVM, _key: False}})))
    case(_id, SKIP, intel())
    case(_id, UNKNOWN, as_nobody(amd()) | {"kvm.features": DENIED})
NO_SHADOW = kvm_modules(kvm_intel={**INTEL, "enable_shadow_vmcs": "N"})
case("nested.shadow-vmcs", PASS, intel())
case("nested.shadow-vmcs", WARN, intel(kvm_modules=NO_SHADOW), "module.parameter-on")
case("nested.shadow-vmcs", WARN, intel(kvm_modules=NO_SHADOW, cpu_vmx_flags=ok([])))
case("nested.shadow-vmcs", SKIP, amd())
case("nested.shadow-vmcs", UNKNOWN, intel(kvm_modules=kvm_modules(kvm_intel={"nested": "Y"})))
