"""The firmware's locks, and the kernel's log and configuration."""

from full_machines import DENIED, amd, cloud, elsewhere, intel, signature, without
from machines import amd_host, no_device, ok

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

LOCKED = {"kernel.log": ok(["x86/cpu: VMX (outside TXT) disabled by BIOS"]), "cpu.flags": ok(["fpu"])}
NO_KVM_INTEL = ok({"CONFIG_KVM": "m", "source": "/boot/config"}, "/boot/config")
case("firmware.virtualization", PASS, intel())
case("firmware.virtualization", FAIL, intel() | LOCKED, "firmware.enable")
case("firmware.virtualization", FAIL, intel(firmware_boot=ok({"uefi": False})) | LOCKED, "firmware.enable-by-hand")
case("firmware.virtualization", FAIL, intel(firmware_msr=ok({"feature_control": 1})), "firmware.enable", says="off")
case("firmware.virtualization", FAIL, amd(firmware_msr=ok({"vm_cr": 0x18})), "firmware.enable")
case("firmware.virtualization", FAIL, intel(cpu_flags=ok(["fpu"])), "firmware.enable", says="hides")
case(
    "firmware.virtualization",
    FAIL,
    intel(cpu_flags=ok(["fpu"]), hypervisor_signatures=signature("VMwareVMware")),
    "vm.vsphere",
)
case("firmware.virtualization", SKIP, cloud())
case("firmware.virtualization", SKIP, elsewhere("aarch64", True))
case("firmware.virtualization", UNKNOWN, intel(cpu_flags=DENIED))
case(
    "firmware.virtualization",
    UNKNOWN,
    intel(cpu_flags=ok(["fpu"]), kernel_config=NO_KVM_INTEL),
    says="without kvm_intel",
)
case("firmware.consistent", PASS, intel())
case(
    "firmware.consistent",
    WARN,
    intel(firmware_msr=ok({"feature_control": 5, "different": [{"cpu": 1, "feature_control": 1}]})),
    says="off on 1 CPUs",
)
case(
    "firmware.consistent",
    WARN,
    intel(firmware_msr=ok({"feature_control": 5, "different": [{"cpu": 1, "feature_control": 7}]})),
    says="different values",
)
case("firmware.consistent", SKIP, elsewhere("aarch64", True))
case("firmware.consistent", UNKNOWN, amd(firmware_msr=DENIED))
case("firmware.lockdown", PASS, amd())
case(
    "firmware.lockdown",
    PASS,
    amd(firmware_boot=ok({"uefi": True, "secure_boot": True, "lockdown": "integrity"})),
    says="all the same",
)
case(
    "firmware.lockdown",
    WARN,
    no_device(amd(firmware_boot=ok({"uefi": True, "secure_boot": True, "lockdown": "integrity"}))),
)
case("firmware.lockdown", UNKNOWN, without(amd(), "firmware.boot"))

case("kernel.log", PASS, amd())
case("kernel.log", WARN, amd(kernel_log=ok(["kvm: Inconsistent VMCS config on CPU 8"])), says="CPU 8")
case("kernel.log", UNKNOWN, amd_host())
case("kernel.config", PASS, amd())
case("kernel.config", WARN, amd(kernel_config=NO_KVM_INTEL), "kernel.debian")
case("kernel.config", SKIP, without(amd(), "cpu.identity", "cpu.flags", "cpu.cpuid"))
case("kernel.config", UNKNOWN, without(amd(), "kernel.config"))
