"""What KVM itself can, and what it does to guests that nest."""

from full_machines import CAPABILITIES, INTEL, amd, cloud, elsewhere, intel, kernel, kvm_modules, without
from machines import failed, ok, pvm_vm

from check_cases.case import PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

case("kvm.engine", PASS, amd())
case(
    "kvm.engine", PASS, intel(kvm_modules=kvm_modules(kvm_intel={**INTEL, "enlightened_vmcs": "Y"})), says="enlightened"
)
case("kvm.engine", WARN, pvm_vm(), says="kvm_pvm")
case(
    "kvm.engine",
    WARN,
    elsewhere("aarch64", False, kernel_release=kernel(cmdline="kvm-arm.mode=protected")),
    says="pKVM",
)
case("kvm.engine", WARN, elsewhere("ppc64le", False, kvm_modules=kvm_modules(kvm_pr={})), says="kvm_pr")
case("kvm.engine", SKIP, cloud())
case("kvm.engine", UNKNOWN, without(amd(), "kvm.modules"))
for _id, _name, _parameter in (
    ("kvm.paging", "kvm_intel", "ept"),
    ("kvm.unrestricted-guest", "kvm_intel", "unrestricted_guest"),
):
    _off = kvm_modules(kvm_intel={**INTEL, _parameter: "N"})
    case(_id, PASS, intel())
    case(_id, WARN, intel(kvm_modules=_off), "module.parameter-on")
    case(_id, WARN, intel(kvm_modules=_off, cpu_vmx_flags=ok([]), cpu_flags=ok(["vmx"])))
    case(_id, SKIP, pvm_vm())
    case(_id, UNKNOWN, intel(kvm_modules=kvm_modules(kvm_intel={"nested": "Y"})))
case("kvm.paging", PASS, amd(), says="NPT")
case(
    "kvm.unrestricted-guest",
    WARN,
    intel(kvm_modules=kvm_modules(kvm_intel={**INTEL, "unrestricted_guest": "N", "ept": "N"})),
    "module.parameter-on",
    says="needs EPT",
)

case("kvm.capabilities", PASS, amd(), says="1024")
case("kvm.capabilities", PASS, elsewhere("aarch64", True, kvm_capabilities=ok({"user_memory": 1, "irqchip": 0})))
case("kvm.capabilities", WARN, amd(kvm_capabilities=ok({**CAPABILITIES, "irqchip": 0})))
case("kvm.capabilities", UNKNOWN, without(amd(), "kvm.capabilities"))
for _id, _key in (("kvm.hyperv", "hyperv"), ("kvm.tsc-scaling", "tsc_control")):
    case(_id, PASS, amd())
    case(_id, WARN, amd(kvm_capabilities=ok({**CAPABILITIES, _key: 0})))
    case(_id, SKIP, elsewhere("aarch64", True))
    case(_id, UNKNOWN, without(amd(), "kvm.capabilities"))
case("nested.migration", PASS, intel())
case("nested.migration", WARN, amd(), says="AMD")
case("nested.migration", WARN, intel(kvm_capabilities=ok({"nested_state_bytes": 0})), says="cannot save")
case("nested.migration", WARN, intel(kernel_release=kernel("5.2.0")), says="5.3")
case("nested.migration", SKIP, pvm_vm())
case("nested.migration", UNKNOWN, without(intel(), "kvm.capabilities"))
case("nested.migration", UNKNOWN, without(intel(), "kernel.release"))
case("libvirt.cache", PASS, amd())
case("libvirt.cache", WARN, amd(host_libvirt_cache=ok({"newest": 1.0, "module_loaded": 9.0})), "libvirt.refresh")
case("libvirt.cache", SKIP, amd(host_libvirt_cache=failed("absent", "ENOENT")))
case("libvirt.cache", UNKNOWN, without(amd(), "host.libvirt_cache"))
