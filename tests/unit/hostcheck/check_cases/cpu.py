"""The CPU: has it the feature, is it everywhere the same, is it emulated."""

from full_machines import SNP, WSL_KERNEL, amd, cloud, dmi, elsewhere, intel, signature, without
from machines import amd_host, ok, tcg_guest

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

case("cpu.virtualization", PASS, amd(), says="AMD-V")
case("cpu.virtualization", PASS, elsewhere("s390x", True, "esan3 zarch sie"), says="sie")
case("cpu.virtualization", PASS, elsewhere("riscv64", None, "rv64imafdch_zicbom"), says="(h)")
case("cpu.virtualization", FAIL, elsewhere("s390x", False, "esan3 zarch"), says="sie")
case("cpu.virtualization", FAIL, elsewhere("riscv64", None, "rv64imafdc_sstc_h"), says="(h)")
case(
    "cpu.virtualization",
    FAIL,
    amd(cpu_flags=ok(["fpu"]), cpu_cpuid=ok({"vmx": False, "svm": False, "hypervisor": False})),
)
case("cpu.virtualization", FAIL, cloud(), "vm.libvirt", "vm.proxmox", says="this VM")
case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("VMwareVMware")), "vm.vsphere")
case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("Microsoft Hv")), "vm.hyperv")
case(
    "cpu.virtualization",
    FAIL,
    cloud(
        hypervisor_signatures=signature("Microsoft Hv"),
        machine_dmi=dmi(chassis_asset_tag="7783-7084-3265-9085-8269-3286-77"),
    ),
    "vm.azure",
)
case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("XenVMMXenVMM")), "vm.xen")
case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(sys_vendor="Amazon EC2")), "vm.aws")
case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="Google Compute Engine")), "vm.gce")
case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="OpenStack Nova")), "vm.openstack")
case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="KubeVirt")), "vm.kubevirt")
case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="VirtualBox")), "vm.virtualbox")
case("cpu.virtualization", FAIL, cloud(kernel_release=WSL_KERNEL), "vm.wsl")
case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("ACRNACRNACRN"), machine_dmi=dmi()), "vm.other")
case("cpu.virtualization", FAIL, cloud(machine_confidential=SNP), "vm.ordinary")
case("cpu.virtualization", SKIP, elsewhere("aarch64", True))
case("cpu.virtualization", UNKNOWN, without(amd(), "cpu.cpuid", "cpu.flags"))
case("cpu.virtualization", UNKNOWN, without(elsewhere("s390x", True), "cpu.flags"))
case("cpu.consistent", PASS, amd())
case("cpu.consistent", WARN, amd(cpu_per_cpu=ok({"asked": 8, "different": [{"cpu": 7, "svm": False}]})))
case("cpu.consistent", SKIP, elsewhere("aarch64", True))
case("cpu.consistent", UNKNOWN, without(amd(), "cpu.per_cpu"))
case("cpu.level", PASS, amd(), says="x86-64-v3")
case("cpu.level", WARN, amd_host())
case("cpu.level", SKIP, elsewhere("aarch64", True))
case("cpu.level", UNKNOWN, without(amd(), "cpu.flags"))
case("cpu.emulated", PASS, amd())
case("cpu.emulated", WARN, tcg_guest(), says="TCG")
case("cpu.emulated", WARN, intel(machine_dmi=dmi(bios_vendor="Bochs"), hypervisor_signatures=ok([])), says="Bochs")
case("cpu.emulated", UNKNOWN, without(amd(), "cpu.cpuid", "cpu.flags", "hypervisor.signatures"))
