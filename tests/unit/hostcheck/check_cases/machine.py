"""What the machine is: bare metal, a VM of whom, a container, WSL, confidential."""

from full_machines import DENIED, DOCKER, NOT_RUN, RIVALS, SNP, WSL_KERNEL, amd, cloud, signature, without
from machines import FactDict, failed, no_device, ok

from check_cases.case import FAIL, PASS, SKIP, UNKNOWN, WARN, Cases

CASES = Cases()
case = CASES.add

UNREAD = ok({"kind": None, "why": "the kernel log may not be read"}, "/dev")


def vm_cpuid(sev_features: int) -> FactDict:
    return ok({"vmx": False, "svm": False, "hypervisor": True, "sev_features": sev_features, "tdx_guest": False})


case("machine.confidential", PASS, amd())
case("machine.confidential", WARN, amd(machine_confidential=SNP))
case("machine.confidential", FAIL, amd(machine_confidential=SNP, proof_plain=NOT_RUN), "vm.ordinary", says="sev-snp")
case(
    "machine.confidential",
    FAIL,
    cloud(cpu_cpuid=ok({"vmx": False, "svm": False, "hypervisor": True, "tdx_guest": True})),
    "vm.ordinary",
    says="tdx",
)
case("machine.confidential", PASS, without(amd(), "machine.confidential"), says="not a VM")
case("machine.confidential", UNKNOWN, cloud())
case("machine.confidential", UNKNOWN, cloud(machine_confidential=UNREAD), says="may not be read")
case("machine.confidential", UNKNOWN, cloud(machine_confidential=UNREAD, cpu_cpuid=vm_cpuid(2)))
case("machine.confidential", PASS, cloud(machine_confidential=UNREAD, cpu_cpuid=vm_cpuid(0)), says="neither SEV nor")
case(
    "machine.confidential",
    UNKNOWN,
    cloud(machine_confidential=UNREAD, cpu_cpuid=vm_cpuid(0), hypervisor_signatures=signature("Microsoft Hv")),
)
case("machine.hypervisor", PASS, amd(), says="no hypervisor")
case(
    "machine.hypervisor",
    PASS,
    amd(hypervisor_signatures=signature("Microsoft Hv", "KVMKVMKVM")),
    says="KVM posing as Hyper-V",
)
case("machine.hypervisor", PASS, amd(hypervisor_signatures=signature("NEWNEWNEWNEW")), says="'NEWNEWNEWNEW'")
case("machine.hypervisor", PASS, amd(machine_rivals=ok({**RIVALS, "xen_dom0": True})), says="dom0")
case(
    "machine.hypervisor",
    PASS,
    amd(hypervisor_signatures=failed("error", "x"), cpu_cpuid=ok({"vmx": False, "svm": True, "hypervisor": True})),
    says="does not say its name",
)
case("machine.hypervisor", UNKNOWN, without(amd(), "cpu.cpuid", "cpu.flags", "hypervisor.signatures"))
case("machine.container", PASS, amd())
case(
    "machine.container",
    PASS,
    amd(machine_container=ok({"kind": "docker", "certain": False, "traces": ["/.dockerenv"]})),
    says="left-over",
)
case("machine.container", PASS, amd(machine_container=DOCKER), says="with /dev/kvm")
case("machine.container", PASS, amd(machine_container=ok({"kind": "wsl", "certain": True, "traces": []})), says="WSL")
case("machine.container", WARN, no_device(amd(machine_container=DOCKER)), "device.container")
case("machine.container", UNKNOWN, amd(machine_container=DENIED))
case("machine.wsl", PASS, amd(kernel_release=WSL_KERNEL))
case("machine.wsl", WARN, cloud(kernel_release=WSL_KERNEL), "vm.wsl")
case("machine.wsl", SKIP, amd())
case("machine.wsl", UNKNOWN, without(amd(), "kernel.release"))
