"""For every check and every result that it can give: a machine on which it gives it, and the remedies that it names.

Values are those that the agent prints; bare-metal and foreign machines follow the documented behaviour of the kernel.
"""

import datetime
from dataclasses import dataclass
from typing import Any

from machines import (
    FactDict,
    amd_host,
    as_nobody,
    failed,
    guest_without_feature,
    intel_host,
    no_device,
    not_offered,
    ok,
    proof,
    pvm_vm,
    tcg_guest,
)

from hostcheck.model import Status
from hostcheck.policy import Policy, Waiver

MachineFacts = dict[str, FactDict]
PASS, WARN, FAIL, SKIP, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP, Status.UNKNOWN
DENIED = failed("denied", "EACCES: Permission denied")
GIB = 1 << 30
TODAY = datetime.date(2026, 11, 22)


def kvm_modules(**modules: dict[str, str] | str) -> FactDict:
    """Loaded modules with their parameters, or a module's state as text."""
    return ok(
        {
            name: {"state": what, "parameters": {}}
            if isinstance(what, str)
            else {"state": "loaded", "parameters": what}
            for name, what in modules.items()
        },
        "/sys/module",
    )


def options(*entries: tuple[str, str, str, str]) -> FactDict:
    keys = ("module", "parameter", "value", "source")
    return ok({"options": [dict(zip(keys, e, strict=True)) for e in entries], "blacklisted": []}, "/etc/modprobe.d")


def barred(module: str, source: str) -> FactDict:
    return ok({"options": [], "blacklisted": [{"module": module, "source": source}]}, "/etc/modprobe.d")


def dmi(**values: str) -> FactDict:
    return ok(values, "/sys/class/dmi/id")


def kernel(release: str = "6.12.30-amd64", cmdline: str = "ro quiet") -> FactDict:
    return ok({"release": release, "version": "#1 SMP", "cmdline": cmdline}, "/proc/sys/kernel/osrelease")


INTEL = {"nested": "Y", "ept": "Y", "unrestricted_guest": "Y", "enable_shadow_vmcs": "Y", "enable_apicv": "Y"}
AMD = {"nested": "1", "npt": "Y", "vgif": "1", "vls": "1", "nrips": "1"}
SVM = {"nrip_save": True, "vgif": True, "virtual_vmload_vmsave": True, "flush_by_asid": True, "npt": True}
VMX = {"unrestricted_guest": True, "virtual_interrupt_delivery": True, "vpid": True, "ept": True}
V3 = (
    *("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"),
    *("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
)
DEVICES = {"vhost-net": "ok", "vhost-vsock": "ok", "net/tun": "ok", "fuse": "ok", "sev": "absent"}
RIVALS: dict[str, Any] = {"modules": [], "processes": {"qemu": 3}, "xen_dom0": False, "own_pid_namespace": False}
SPREAD = {"median_ns": 800.0, "min_ns": 700.0, "max_ns": 900.0}
COST = {"cpuid_exit": SPREAD, "port_exit": SPREAD, "inner_cpuid_exit": SPREAD, "inner_cpuid_exit_paging": SPREAD}
CAPABILITIES = {
    "irqchip": 1, "user_memory": 1, "immediate_exit": 1, "max_vcpus": 1024, "hyperv": 1, "hyperv_enlightened_vmcs": 1,
    "tsc_control": 1, "nested_state_bytes": 4224,
}  # fmt: skip
COMMON: MachineFacts = {
    "cpu.per_cpu": ok({"asked": 8, "different": []}, "CPUID instruction"),
    "cpu.vmx_flags": failed("absent", "/proc/cpuinfo has no line of vmx flags"),
    "machine.container": ok({"kind": None, "certain": False, "traces": []}, "/proc/1"),
    "machine.confidential": ok({"kind": None, "why": ""}, "/dev"),
    "machine.iommu": ok({"tables": ["IVRS"], "groups": 40}, "/sys/kernel/iommu_groups"),
    "machine.rivals": ok(RIVALS, "/proc"),
    "machine.os": ok({"id": "debian", "version_id": "12", "id_like": []}, "/etc/os-release"),
    "kernel.release": kernel(),
    "kernel.log": ok(["kvm_amd: Nested Virtualization enabled"], "/dev/kmsg"),
    "kernel.config": ok({"CONFIG_KVM": "m", "CONFIG_KVM_AMD": "m", "CONFIG_KVM_INTEL": "m", "source": "/boot/config"}),
    "firmware.msr": ok({"feature_control": None, "vm_cr": 0x8, "different": []}, "/dev/cpu/0/msr"),
    "firmware.boot": ok({"uefi": True, "secure_boot": False, "lockdown": "none"}, "/sys/firmware/efi"),
    "kvm.configured": options(("kvm_amd", "nested", "1", "/etc/modprobe.d/kvm.conf")),
    "kvm.capabilities": ok(CAPABILITIES, "KVM_CHECK_EXTENSION"),
    "kvm.features": ok({"svm": SVM}, "KVM_GET_MSRS"),
    "host.devices": ok(DEVICES, "/dev"),
    "host.cgroups": ok({"version": 2, "controllers": ["cpu", "cpuset", "io", "memory", "pids"]}, "/sys/fs/cgroup"),
    "host.namespaces": ok(["ipc", "mnt", "net", "pid", "user", "uts"], "/proc/self/ns"),
    "host.secure_guests": ok({"sev": False}, "/sys/module"),
    "host.libvirt_cache": ok(
        {"newest": 2000.0, "module_loaded": 1000.0, "path": "/var/cache/libvirt/qemu", "libvirt": 9000000}, "stat(2)"
    ),
    "capacity.cpu": ok({"load": [0.1], "usable": 16, "cgroup_cpus": None, "steal_percent": 0.0}, "/proc/loadavg"),
    "capacity.memory": ok({"total": 64 * GIB, "available": 60 * GIB, "cgroup_limit": None}, "/proc/meminfo"),
    "capacity.disk": ok({"path": "/var/lib", "total": 900 * GIB, "free": 500 * GIB, "read_only": False}, "statvfs(2)"),
    "guest.cloud_init": ok({"datasource": "DataSourceNoCloud", "done": True, "errors": [], "seeds": ["cidata"]}),
    "proof.cost": ok(COST, "KVM_RUN"),
}


def amd(**changes: FactDict) -> MachineFacts:
    """A good AMD host with every fact there is. Names of changes have _ for the dot between room and fact."""
    facts = amd_host() | COMMON | {"kvm.modules": kvm_modules(kvm={"enable_virt_at_load": "Y"}, kvm_amd=AMD)}
    facts["cpu.flags"] = ok(["npt", "svm", *V3], "/proc/cpuinfo")
    return facts | _named(changes)


def intel(**changes: FactDict) -> MachineFacts:
    """The same with Intel."""
    facts = intel_host() | COMMON | {"kvm.modules": kvm_modules(kvm={"enable_virt_at_load": "Y"}, kvm_intel=INTEL)}
    facts |= {
        "cpu.flags": ok(["ept", "vmx", *V3], "/proc/cpuinfo"),
        "cpu.vmx_flags": ok(["shadow_vmcs", "unrestricted_guest", "vpid"], "/proc/cpuinfo"),
        "kvm.features": ok({"vmx": VMX}, "KVM_GET_MSRS"),
        "firmware.msr": ok({"feature_control": 5, "vm_cr": None, "different": []}, "/dev/cpu/0/msr"),
        "kvm.configured": options(("kvm_intel", "nested", "1", "/etc/modprobe.d/kvm.conf")),
    }
    return facts | _named(changes)


def elsewhere(arch: str, nested: bool | None, flags: str = "", **changes: FactDict) -> MachineFacts:
    """A machine of another architecture."""
    facts = amd_host() | COMMON
    offered = {"vmx": False, "svm": False, "nested_paging": None, "nested": nested, "how": "KVM_CAP"}
    facts |= {
        "cpu.identity": ok({"arch": arch, "vendor": "0x41", "model_name": "", "cpus": 8}, "/proc/cpuinfo"),
        "cpu.flags": ok(flags.split(), "/proc/cpuinfo"),
        "cpu.cpuid": failed("unsupported", "CPUID is an x86 instruction"),
        "cpu.per_cpu": failed("unsupported", "CPUID is an x86 instruction"),
        "hypervisor.signatures": failed("unsupported", "CPUID is an x86 instruction"),
        "kvm.modules": kvm_modules(kvm="builtin"),
        "kvm.offered": ok(offered) if nested is not None else failed("unsupported", "nothing is known"),
        "proof.nested": failed("error", "KeyError: 'vendor'"),
        "proof.nested_paging": failed("error", "KeyError: 'vendor'"),
    }
    return facts | _named(changes)


def cloud(**changes: FactDict) -> MachineFacts:
    """A VM without vmx and svm."""
    return guest_without_feature() | {"hypervisor.signatures": signature("KVMKVMKVM")} | _named(changes)


def signature(*names: str) -> FactDict:
    return ok([{"leaf": 0x40000000 + 0x100 * n, "signature": name} for n, name in enumerate(names)], "CPUID 0x40000000")


def _named(changes: dict[str, FactDict]) -> MachineFacts:
    return {name.replace("_", ".", 1): value for name, value in changes.items()}


def without(facts: MachineFacts, *names: str) -> MachineFacts:
    return {name: value for name, value in facts.items() if name not in names}


@dataclass(frozen=True)
class Case:
    """One check on one machine."""

    check: str
    status: Status
    facts: MachineFacts
    remedies: tuple[str, ...] = ()
    says: str = ""
    policy: Policy | None = None


def _case(
    check: str, status: Status, facts: MachineFacts, *remedies: str, says: str = "", policy: Policy | None = None
) -> None:
    CASES.append(Case(check, status, facts, remedies, says, policy))


CASES: list[Case] = []
SNP = ok({"kind": "sev-snp", "why": "/dev/sev-guest"}, "/dev")
NOT_RUN = failed("absent", "ENOENT", {"ok": False, "kind": "plain", "stages": "", "cause": "no-device", "detail": {}})
HUNG = failed("timeout", "killed", {"ok": False, "kind": "plain", "stages": "A", "cause": "timeout", "detail": {}})
LATE = failed(
    "timeout", "ETIMEDOUT: not begun, the run's 10 s were used up",
    {"ok": False, "kind": "plain", "stages": "", "cause": "timeout", "detail": {}},
)  # fmt: skip
FORKLESS = failed(
    "error", "no child process: EAGAIN: Resource temporarily unavailable",
    {"ok": False, "kind": "plain", "stages": "", "cause": "setup", "detail": {}},
)  # fmt: skip
BROKEN_NEST = proof("svm", False, "wrong-result", "ABCD")
DOCKER = ok({"kind": "docker", "certain": True, "traces": ["pid 1 cgroup: 0::/docker/1"]}, "/proc/1")
WSL_KERNEL = kernel("6.6.87.2-microsoft-standard-WSL2")

UNREAD = ok({"kind": None, "why": "the kernel log may not be read"}, "/dev")


def vm_cpuid(sev_features: int) -> FactDict:
    return ok({"vmx": False, "svm": False, "hypervisor": True, "sev_features": sev_features, "tdx_guest": False})


# ---- machine ----
_case("machine.confidential", PASS, amd())
_case("machine.confidential", WARN, amd(machine_confidential=SNP))
_case("machine.confidential", FAIL, amd(machine_confidential=SNP, proof_plain=NOT_RUN), "vm.ordinary", says="sev-snp")
_case(
    "machine.confidential",
    FAIL,
    cloud(cpu_cpuid=ok({"vmx": False, "svm": False, "hypervisor": True, "tdx_guest": True})),
    "vm.ordinary",
    says="tdx",
)
_case("machine.confidential", PASS, without(amd(), "machine.confidential"), says="not a VM")
_case("machine.confidential", UNKNOWN, cloud())
_case("machine.confidential", UNKNOWN, cloud(machine_confidential=UNREAD), says="may not be read")
_case("machine.confidential", UNKNOWN, cloud(machine_confidential=UNREAD, cpu_cpuid=vm_cpuid(2)))
_case("machine.confidential", PASS, cloud(machine_confidential=UNREAD, cpu_cpuid=vm_cpuid(0)), says="neither SEV nor")
_case(
    "machine.confidential",
    UNKNOWN,
    cloud(machine_confidential=UNREAD, cpu_cpuid=vm_cpuid(0), hypervisor_signatures=signature("Microsoft Hv")),
)
_case("machine.hypervisor", PASS, amd(), says="no hypervisor")
_case(
    "machine.hypervisor",
    PASS,
    amd(hypervisor_signatures=signature("Microsoft Hv", "KVMKVMKVM")),
    says="KVM posing as Hyper-V",
)
_case("machine.hypervisor", PASS, amd(hypervisor_signatures=signature("NEWNEWNEWNEW")), says="'NEWNEWNEWNEW'")
_case("machine.hypervisor", PASS, amd(machine_rivals=ok({**RIVALS, "xen_dom0": True})), says="dom0")
_case(
    "machine.hypervisor",
    PASS,
    amd(hypervisor_signatures=failed("error", "x"), cpu_cpuid=ok({"vmx": False, "svm": True, "hypervisor": True})),
    says="does not say its name",
)
_case("machine.hypervisor", UNKNOWN, without(amd(), "cpu.cpuid", "cpu.flags", "hypervisor.signatures"))
_case("machine.container", PASS, amd())
_case(
    "machine.container",
    PASS,
    amd(machine_container=ok({"kind": "docker", "certain": False, "traces": ["/.dockerenv"]})),
    says="left-over",
)
_case("machine.container", PASS, amd(machine_container=DOCKER), says="with /dev/kvm")
_case("machine.container", PASS, amd(machine_container=ok({"kind": "wsl", "certain": True, "traces": []})), says="WSL")
_case("machine.container", WARN, no_device(amd(machine_container=DOCKER)), "device.container")
_case("machine.container", UNKNOWN, amd(machine_container=DENIED))
_case("machine.wsl", PASS, amd(kernel_release=WSL_KERNEL))
_case("machine.wsl", WARN, cloud(kernel_release=WSL_KERNEL), "vm.wsl")
_case("machine.wsl", SKIP, amd())
_case("machine.wsl", UNKNOWN, without(amd(), "kernel.release"))

# ---- cpu ----
_case("cpu.virtualization", PASS, amd(), says="AMD-V")
_case("cpu.virtualization", PASS, elsewhere("s390x", True, "esan3 zarch sie"), says="sie")
_case("cpu.virtualization", PASS, elsewhere("riscv64", None, "rv64imafdch_zicbom"), says="(h)")
_case("cpu.virtualization", FAIL, elsewhere("s390x", False, "esan3 zarch"), says="sie")
_case("cpu.virtualization", FAIL, elsewhere("riscv64", None, "rv64imafdc_sstc_h"), says="(h)")
_case(
    "cpu.virtualization",
    FAIL,
    amd(cpu_flags=ok(["fpu"]), cpu_cpuid=ok({"vmx": False, "svm": False, "hypervisor": False})),
)
_case("cpu.virtualization", FAIL, cloud(), "vm.libvirt", "vm.proxmox", says="this VM")
_case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("VMwareVMware")), "vm.vsphere")
_case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("Microsoft Hv")), "vm.hyperv")
_case(
    "cpu.virtualization",
    FAIL,
    cloud(
        hypervisor_signatures=signature("Microsoft Hv"),
        machine_dmi=dmi(chassis_asset_tag="7783-7084-3265-9085-8269-3286-77"),
    ),
    "vm.azure",
)
_case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("XenVMMXenVMM")), "vm.xen")
_case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(sys_vendor="Amazon EC2")), "vm.aws")
_case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="Google Compute Engine")), "vm.gce")
_case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="OpenStack Nova")), "vm.openstack")
_case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="KubeVirt")), "vm.kubevirt")
_case("cpu.virtualization", FAIL, cloud(machine_dmi=dmi(product_name="VirtualBox")), "vm.virtualbox")
_case("cpu.virtualization", FAIL, cloud(kernel_release=WSL_KERNEL), "vm.wsl")
_case("cpu.virtualization", FAIL, cloud(hypervisor_signatures=signature("ACRNACRNACRN"), machine_dmi=dmi()), "vm.other")
_case("cpu.virtualization", FAIL, cloud(machine_confidential=SNP), "vm.ordinary")
_case("cpu.virtualization", SKIP, elsewhere("aarch64", True))
_case("cpu.virtualization", UNKNOWN, without(amd(), "cpu.cpuid", "cpu.flags"))
_case("cpu.virtualization", UNKNOWN, without(elsewhere("s390x", True), "cpu.flags"))
_case("cpu.consistent", PASS, amd())
_case("cpu.consistent", WARN, amd(cpu_per_cpu=ok({"asked": 8, "different": [{"cpu": 7, "svm": False}]})))
_case("cpu.consistent", SKIP, elsewhere("aarch64", True))
_case("cpu.consistent", UNKNOWN, without(amd(), "cpu.per_cpu"))
_case("cpu.level", PASS, amd(), says="x86-64-v3")
_case("cpu.level", WARN, amd_host())
_case("cpu.level", SKIP, elsewhere("aarch64", True))
_case("cpu.level", UNKNOWN, without(amd(), "cpu.flags"))
_case("cpu.emulated", PASS, amd())
_case("cpu.emulated", WARN, tcg_guest(), says="TCG")
_case("cpu.emulated", WARN, intel(machine_dmi=dmi(bios_vendor="Bochs"), hypervisor_signatures=ok([])), says="Bochs")
_case("cpu.emulated", UNKNOWN, without(amd(), "cpu.cpuid", "cpu.flags", "hypervisor.signatures"))

# ---- firmware ----
LOCKED = {"kernel.log": ok(["x86/cpu: VMX (outside TXT) disabled by BIOS"]), "cpu.flags": ok(["fpu"])}
NO_KVM_INTEL = ok({"CONFIG_KVM": "m", "source": "/boot/config"}, "/boot/config")
_case("firmware.virtualization", PASS, intel())
_case("firmware.virtualization", FAIL, intel() | LOCKED, "firmware.enable")
_case("firmware.virtualization", FAIL, intel(firmware_boot=ok({"uefi": False})) | LOCKED, "firmware.enable-by-hand")
_case("firmware.virtualization", FAIL, intel(firmware_msr=ok({"feature_control": 1})), "firmware.enable", says="off")
_case("firmware.virtualization", FAIL, amd(firmware_msr=ok({"vm_cr": 0x18})), "firmware.enable")
_case("firmware.virtualization", FAIL, intel(cpu_flags=ok(["fpu"])), "firmware.enable", says="hides")
_case(
    "firmware.virtualization",
    FAIL,
    intel(cpu_flags=ok(["fpu"]), hypervisor_signatures=signature("VMwareVMware")),
    "vm.vsphere",
)
_case("firmware.virtualization", SKIP, cloud())
_case("firmware.virtualization", SKIP, elsewhere("aarch64", True))
_case("firmware.virtualization", UNKNOWN, intel(cpu_flags=DENIED))
_case(
    "firmware.virtualization",
    UNKNOWN,
    intel(cpu_flags=ok(["fpu"]), kernel_config=NO_KVM_INTEL),
    says="without kvm_intel",
)
_case("firmware.consistent", PASS, intel())
_case(
    "firmware.consistent",
    WARN,
    intel(firmware_msr=ok({"feature_control": 5, "different": [{"cpu": 1, "feature_control": 1}]})),
    says="off on 1 CPUs",
)
_case(
    "firmware.consistent",
    WARN,
    intel(firmware_msr=ok({"feature_control": 5, "different": [{"cpu": 1, "feature_control": 7}]})),
    says="different values",
)
_case("firmware.consistent", SKIP, elsewhere("aarch64", True))
_case("firmware.consistent", UNKNOWN, amd(firmware_msr=DENIED))
_case("firmware.lockdown", PASS, amd())
_case(
    "firmware.lockdown",
    PASS,
    amd(firmware_boot=ok({"uefi": True, "secure_boot": True, "lockdown": "integrity"})),
    says="all the same",
)
_case(
    "firmware.lockdown",
    WARN,
    no_device(amd(firmware_boot=ok({"uefi": True, "secure_boot": True, "lockdown": "integrity"}))),
)
_case("firmware.lockdown", UNKNOWN, without(amd(), "firmware.boot"))

# ---- modules ----
AVAILABLE = kvm_modules(kvm="loaded", kvm_amd="available")
ABSENT = kvm_modules(kvm="absent", kvm_amd="absent")
HELD = "kvm: enabling virtualization on CPU0 failed"


def _system(name: str, *like: str) -> FactDict:
    return ok({"id": name, "version_id": "1", "id_like": list(like)}, "/etc/os-release")


_case("kvm.module", PASS, amd(), says="kvm_amd")
_case("kvm.module", PASS, pvm_vm(), says="kvm_pvm")
_case("kvm.module", PASS, amd(kvm_modules=DENIED), says="answers")
_case("kvm.module", PASS, amd(kvm_modules=ABSENT), says="answers")
_case("kvm.module", PASS, elsewhere("aarch64", True), says="kvm is builtin")
_case("kvm.module", FAIL, no_device(amd(kvm_modules=AVAILABLE)), "module.load")
_case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kvm_configured=barred("kvm_amd", "/etc/modprobe.d/no.conf"))),
    "module.unblock",
    says="bars it",
)
_case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kvm_configured=barred("kvm_amd", "/proc/cmdline"))),
    "module.unblock-elsewhere",
)
_case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT)), "kernel.debian", says="no kvm_amd module")
_case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT, machine_os=_system("ubuntu", "debian"))), "kernel.ubuntu")
_case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=ABSENT, machine_os=_system("rocky", "rhel", "centos", "fedora"))),
    "kernel.fedora",
)
_case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT, machine_os=_system("sles", "suse"))), "kernel.suse")
_case("kvm.module", FAIL, no_device(amd(kvm_modules=ABSENT, machine_os=_system("gentoo"))), "kernel.other")
_case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kernel_release=kernel(cmdline="nomodule"))),
    "kernel.debian",
    says="nomodule",
)
_case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kernel_log=ok([HELD]))),
    "rivals.stop-other",
    says="another hypervisor",
)
_case(
    "kvm.module",
    FAIL,
    no_device(amd(kvm_modules=AVAILABLE, kernel_log=ok([HELD, "kvm_amd: Nested Paging enabled"]))),
    "module.load",
)
_case("kvm.module", FAIL, cloud(), says="cannot run without")
_case("kvm.module", UNKNOWN, no_device(amd(kvm_modules=DENIED)))
_case("kvm.module", UNKNOWN, no_device(without(amd(kvm_modules=ABSENT), "cpu.identity", "cpu.flags", "cpu.cpuid")))
_case("nested.parameter", PASS, amd())
_case("nested.parameter", PASS, intel())
_case("nested.parameter", PASS, elsewhere("aarch64", True, kernel_release=kernel(cmdline="kvm-arm.mode=nested")))
_case("nested.parameter", FAIL, amd(kvm_modules=kvm_modules(kvm_amd={"nested": "0"})), "module.nested-on")
_case(
    "nested.parameter",
    FAIL,
    intel(
        kvm_modules=kvm_modules(kvm_intel={"nested": "N"}),
        kvm_configured=options(("kvm_intel", "nested", "0", "/etc/modprobe.d/a.conf")),
    ),
    "module.nested-edit",
)
_case(
    "nested.parameter",
    FAIL,
    intel(
        kvm_modules=kvm_modules(kvm_intel={"nested": "N"}),
        kvm_configured=options(("kvm_intel", "nested", "0", "/proc/cmdline")),
    ),
    "module.nested-command-line",
)
_case("nested.parameter", FAIL, elsewhere("aarch64", False), "arch.arm64-nested")
_case(
    "nested.parameter",
    FAIL,
    elsewhere("s390x", False, kvm_modules=kvm_modules(kvm={"nested": "0"})),
    "arch.s390x-nested",
)
_case(
    "nested.parameter",
    FAIL,
    elsewhere("ppc64le", False, kvm_modules=kvm_modules(kvm_hv={"nested": "N"})),
    "arch.ppc64-nested",
)
_case("nested.parameter", SKIP, cloud())
_case("nested.parameter", SKIP, pvm_vm())
_case("nested.parameter", UNKNOWN, amd(kvm_modules=kvm_modules(kvm_amd={})))
_case("nested.parameter", UNKNOWN, without(elsewhere("aarch64", True), "kernel.release"))

# ---- device ----
NULL = ok({"path": "/dev/kvm", "mode": "0666", "type": "char", "major": 1, "minor": 3, "open": "ok"})
FILE = failed("error", "ENOTTY", {"path": "/dev/kvm", "mode": "0644", "type": "file", "open": "ENOTTY"})
STATIC = failed(
    "error", "ENODEV", {"path": "/dev/kvm", "mode": "0660", "type": "char", "major": 10, "minor": 232, "open": "ENODEV"}
)


def node(**changes: Any) -> FactDict:
    fact = amd_host()["kvm.device"]
    return {**fact, "value": {**fact["value"], **changes}}


def user(**changes: Any) -> FactDict:
    return ok({"uid": 1000, "gid": 1000, "groups": [1000], "user": "ann", **changes})


_case("kvm.device", PASS, amd())
_case("kvm.device", FAIL, no_device(amd()), "device.remake")
_case("kvm.device", FAIL, no_device(amd(kvm_modules=AVAILABLE)), "device.make")
_case("kvm.device", FAIL, no_device(amd(machine_container=DOCKER)), "device.container")
_case("kvm.device", FAIL, amd(kvm_device=FILE), "device.replace", says="file")
_case("kvm.device", FAIL, amd(kvm_device=NULL), "device.replace", says="something else")
_case("kvm.device", FAIL, amd(kvm_api=failed("error", "ENOTTY: Inappropriate ioctl for device")), "device.replace")
_case("kvm.device", FAIL, amd(kvm_device=STATIC), "device.make", says="no driver")
_case("kvm.device", UNKNOWN, without(amd(), "kvm.device"))
_case("kvm.access", PASS, amd())
_case("kvm.access", FAIL, as_nobody(amd()), "device.group", says="nobody")
_case(
    "kvm.access",
    FAIL,
    as_nobody(amd()) | {"process.identity": user(configured_groups=["kvm"])},
    "device.login",
    says="before that",
)
_case("kvm.access", FAIL, as_nobody(amd(), "0600"), "device.acl")
_case(
    "kvm.access",
    FAIL,
    amd(kvm_device=failed("denied", "EPERM", node(open="EPERM")["value"]), machine_container=DOCKER),
    "device.container",
    says="cgroup",
)
_case(
    "kvm.access", FAIL, amd(kvm_device=failed("denied", "EPERM", node(open="EPERM")["value"])), "device.allow",
    says="cgroup",
)  # fmt: skip
_case(
    "kvm.access",
    FAIL,
    amd(kvm_device=failed("denied", "EACCES", node(open="EACCES", group="nogroup")["value"])),
    "device.acl",
    says="user namespace",
)
_case("kvm.access", FAIL, amd(kvm_device=failed("error", "EBUSY", node(open="EBUSY")["value"])), says="EBUSY")
_case("kvm.access", SKIP, no_device(amd()))
_case("kvm.access", UNKNOWN, amd(kvm_device=failed("timeout", "ETIMEDOUT: stopped after 3 s")), says="ETIMEDOUT")
_case("kvm.access", UNKNOWN, without(amd(), "kvm.device"))
_case("kvm.permissions", PASS, amd(), says="group kvm")
_case("kvm.permissions", PASS, amd(kvm_device=node(mode="0666")), says="everybody")
_case("kvm.permissions", WARN, pvm_vm(), "device.rule", says="only root")
_case(
    "kvm.permissions",
    WARN,
    amd(kvm_device=node(acl=True), process_identity=user()),
    "device.rule",
    says="access control list",
)
_case("kvm.permissions", SKIP, no_device(amd()))
_case("kvm.permissions", UNKNOWN, amd(kvm_device=node(mode="")))

# ---- proof ----
UNTRIED = failed("absent", "not tried")
ALONE = {"proof.nested": UNTRIED, "proof.nested_paging": UNTRIED}
BUSY = (
    amd(kvm_api=failed("error", "EIO", {"version": 12, "create_vm": "EIO"}), proof_plain=failed("error", "EIO")) | ALONE
)
_case("kvm.run", PASS, amd())
_case("kvm.run", PASS, amd(proof_plain=HUNG), says="a guest ran")
_case("kvm.run", FAIL, amd(proof_plain=HUNG) | ALONE, says="timeout")
_case("kvm.run", FAIL, amd(proof_plain=failed("denied", "EPERM")) | ALONE, says="seccomp")
_case("kvm.run", FAIL, BUSY, "rivals.stop-other", says="EIO")
_case(
    "kvm.run",
    FAIL,
    BUSY | {"machine.rivals": ok({**RIVALS, "modules": ["vboxdrv", "vmmon"]})},
    "rivals.stop-virtualbox",
    "rivals.stop-vmware",
)
_case("kvm.run", SKIP, no_device(amd()))
_case("kvm.run", UNKNOWN, without(amd(), "proof.plain") | ALONE)
_case("kvm.run", UNKNOWN, amd(proof_plain=LATE) | ALONE, says="not begun")
_case("kvm.run", UNKNOWN, amd(proof_plain=FORKLESS) | ALONE, says="no child process")
_case("kvm.acceleration", PASS, amd())
_case("kvm.acceleration", WARN, pvm_vm())
_case("kvm.acceleration", SKIP, no_device(amd()))
_case("kvm.acceleration", UNKNOWN, amd(proof_pace=failed("timeout", "ETIMEDOUT: stopped after 4 s")), says="ETIMEDOUT")
_case("kvm.acceleration", UNKNOWN, without(amd(), "proof.pace"))
_case("proof.flags", PASS, amd())
_case("proof.flags", WARN, pvm_vm(), says="execution says yes")
_case("proof.flags", WARN, amd(proof_plain=HUNG), says="execution says no")
_case("proof.flags", SKIP, elsewhere("aarch64", True))
_case("proof.flags", UNKNOWN, no_device(amd()))
_case("proof.flags", UNKNOWN, amd(proof_plain=LATE))

# ---- nested ----
NPT_OFF = kvm_modules(kvm_amd={**AMD, "npt": "N"})
NO_PAGING = {
    "kvm.offered": ok({"vmx": False, "svm": True, "nested_paging": False}),
    "proof.nested_paging": failed("absent", "not offered"),
}
_case("nested.offered", PASS, amd(), says="svm")
_case("nested.offered", PASS, elsewhere("aarch64", True))
_case("nested.offered", FAIL, pvm_vm())
_case("nested.offered", FAIL, elsewhere("aarch64", False), "arch.arm64-nested")
_case("nested.offered", FAIL, elsewhere("s390x", False, "sie"), "arch.s390x-nested")
_case("nested.offered", FAIL, elsewhere("ppc64le", False), "arch.ppc64-nested")
_case("nested.offered", UNKNOWN, as_nobody(amd()))
_case("nested.offered", UNKNOWN, elsewhere("riscv64", None, "rv64imafdch"))
_case("nested.run", PASS, amd())
_case("nested.run", FAIL, amd(proof_nested=BROKEN_NEST, proof_nested_paging=failed("error", "x")))
_case("nested.run", SKIP, pvm_vm())
_case("nested.run", UNKNOWN, without(amd(), "proof.nested", "proof.nested_paging"))
_case("nested.run", UNKNOWN, amd(proof_nested=LATE, proof_nested_paging=LATE))
_case("nested.run", UNKNOWN, elsewhere("aarch64", True))
_case("nested.paging", PASS, amd())
_case("nested.paging", WARN, amd() | NO_PAGING)
_case("nested.paging", WARN, amd(kvm_modules=NPT_OFF) | NO_PAGING, "module.parameter-on")
_case("nested.paging", FAIL, amd() | {"proof.nested_paging": BROKEN_NEST})
_case("nested.paging", SKIP, pvm_vm())
_case("nested.paging", UNKNOWN, without(amd(), "proof.nested_paging"))
_case("nested.paging", UNKNOWN, amd() | {"proof.nested_paging": LATE})
_case("nested.agreement", PASS, amd())
_case("nested.agreement", WARN, not_offered(amd()), says="does not offer")
_case("nested.agreement", WARN, amd(kvm_modules=kvm_modules(kvm_amd={"nested": "0"})), says="offers")
_case("nested.agreement", WARN, amd(kvm_offered=ok({"vmx": False, "svm": False})), says="an inner guest ran")
_case("nested.agreement", SKIP, pvm_vm())
_case("nested.agreement", UNKNOWN, as_nobody(amd()))

# ---- engine ----
_case("kvm.engine", PASS, amd())
_case(
    "kvm.engine", PASS, intel(kvm_modules=kvm_modules(kvm_intel={**INTEL, "enlightened_vmcs": "Y"})), says="enlightened"
)
_case("kvm.engine", WARN, pvm_vm(), says="kvm_pvm")
_case(
    "kvm.engine",
    WARN,
    elsewhere("aarch64", False, kernel_release=kernel(cmdline="kvm-arm.mode=protected")),
    says="pKVM",
)
_case("kvm.engine", WARN, elsewhere("ppc64le", False, kvm_modules=kvm_modules(kvm_pr={})), says="kvm_pr")
_case("kvm.engine", SKIP, cloud())
_case("kvm.engine", UNKNOWN, without(amd(), "kvm.modules"))
for _id, _name, _parameter in (
    ("kvm.paging", "kvm_intel", "ept"),
    ("kvm.unrestricted-guest", "kvm_intel", "unrestricted_guest"),
):
    _off = kvm_modules(kvm_intel={**INTEL, _parameter: "N"})
    _case(_id, PASS, intel())
    _case(_id, WARN, intel(kvm_modules=_off), "module.parameter-on")
    _case(_id, WARN, intel(kvm_modules=_off, cpu_vmx_flags=ok([]), cpu_flags=ok(["vmx"])))
    _case(_id, SKIP, pvm_vm())
    _case(_id, UNKNOWN, intel(kvm_modules=kvm_modules(kvm_intel={"nested": "Y"})))
_case("kvm.paging", PASS, amd(), says="NPT")
_case(
    "kvm.unrestricted-guest",
    WARN,
    intel(kvm_modules=kvm_modules(kvm_intel={**INTEL, "unrestricted_guest": "N", "ept": "N"})),
    "module.parameter-on",
    says="needs EPT",
)

# ---- features ----
for _id, _key in (
    ("nested.unrestricted-guest", "unrestricted_guest"),
    ("nested.apicv", "virtual_interrupt_delivery"),
    ("nested.vpid", "vpid"),
):
    _case(_id, PASS, intel())
    _case(_id, WARN, intel(kvm_features=ok({"vmx": {**VMX, _key: False}})))
    _case(_id, SKIP, amd())
    _case(_id, UNKNOWN, without(intel(), "kvm.features"))
for _id, _key in (
    ("nested.nrip-save", "nrip_save"),
    ("nested.vgif", "vgif"),
    ("nested.virtual-vmload", "virtual_vmload_vmsave"),
    ("nested.flush-by-asid", "flush_by_asid"),
):
    _case(_id, PASS, amd())
    _case(_id, WARN, amd(kvm_features=ok({"svm": {**SVM, _key: False}})))
    _case(_id, SKIP, intel())
    _case(_id, UNKNOWN, as_nobody(amd()) | {"kvm.features": DENIED})
NO_SHADOW = kvm_modules(kvm_intel={**INTEL, "enable_shadow_vmcs": "N"})
_case("nested.shadow-vmcs", PASS, intel())
_case("nested.shadow-vmcs", WARN, intel(kvm_modules=NO_SHADOW), "module.parameter-on")
_case("nested.shadow-vmcs", WARN, intel(kvm_modules=NO_SHADOW, cpu_vmx_flags=ok([])))
_case("nested.shadow-vmcs", SKIP, amd())
_case("nested.shadow-vmcs", UNKNOWN, intel(kvm_modules=kvm_modules(kvm_intel={"nested": "Y"})))

# ---- cost ----
SLOW = {"median_ns": 900000.0, "min_ns": 1.0, "max_ns": 2.0}
for _id in ("kvm.exit-cost", "nested.exit-cost"):
    _case(_id, PASS, amd(), says="on bare metal")
    _case(_id, PASS, amd(hypervisor_signatures=signature("VMwareVMware")), says="in a VM under VMware")
    _case(_id, WARN, amd(proof_cost=ok(dict.fromkeys(COST, SLOW))), says="900.0 µs")
    _case(_id, SKIP, without(amd(), "proof.cost"), says="--measure")
    _case(_id, SKIP, tcg_guest() | {"proof.cost": ok(COST)}, says="emulated")
    _case(_id, UNKNOWN, amd(proof_cost=failed("error", "killed")))
    _case(_id, UNKNOWN, amd(proof_cost=ok({"cpuid_exit": None})))
_case("kvm.exit-cost", PASS, amd() | {"proof.pace": pvm_vm()["proof.pace"]}, says="emulates")
_case("nested.exit-cost", SKIP, pvm_vm() | {"proof.cost": ok(COST)})

# ---- exposure ----
IDLE = ok({**RIVALS, "processes": {}}, "/proc")


def shown(*signatures: str, **changes: FactDict) -> MachineFacts:
    """A VM that is shown vmx, and runs nothing that needs it."""
    facts = intel(machine_rivals=IDLE, hypervisor_signatures=signature(*signatures or ("KVMKVMKVM",)))
    return without(facts, "host.libvirt_cache") | _named(changes)


_case("guest.exposure", SKIP, intel(), says="not a VM")
_case("guest.exposure", SKIP, elsewhere("aarch64", True))
_case("guest.exposure", PASS, cloud(), says="neither")
_case("guest.exposure", PASS, shown(machine_rivals=ok(RIVALS)), says="3 x qemu")
_case("guest.exposure", PASS, shown(machine_rivals=ok({**RIVALS, "processes": {}, "modules": ["vboxdrv"]})))
_case("guest.exposure", PASS, shown(host_libvirt_cache=intel()["host.libvirt_cache"]), says="libvirt")
_case("guest.exposure", WARN, shown(), "hide.libvirt", "hide.proxmox", says="vmx is shown")
_case("guest.exposure", WARN, shown("VMwareVMware"), "hide.vsphere")
_case("guest.exposure", WARN, shown("Microsoft Hv"), "hide.hyperv")
_case("guest.exposure", WARN, shown("VBoxVBoxVBox"), "hide.virtualbox")
_case("guest.exposure", WARN, shown("bhyve bhyve "), "hide.other")
_case("guest.exposure", UNKNOWN, shown(machine_rivals=ok({**RIVALS, "processes": {}, "own_pid_namespace": True})))
_case("guest.exposure", UNKNOWN, without(shown(), "machine.rivals"))
_case("guest.exposure", UNKNOWN, without(intel(), "cpu.flags", "cpu.cpuid"))

# ---- prerequisites ----


def kept(libvirt: int, qemu: int = 0) -> FactDict:
    return ok(
        {"newest": 2.0, "module_loaded": 1.0, "path": "/var/cache/libvirt/qemu", "libvirt": libvirt, "qemu": qemu}
    )


_case("host.libvirt-version", PASS, amd(host_libvirt_cache=kept(9_000_000, 7_002_022)), says="9.0.0 with QEMU 7.2.22")
_case("host.libvirt-version", WARN, amd(host_libvirt_cache=kept(1_002_012)), "host.update-libvirt", says="1.2.12")
_case("host.libvirt-version", SKIP, amd(host_libvirt_cache=failed("absent", "ENOENT")))
_case("host.libvirt-version", UNKNOWN, amd(host_libvirt_cache=kept(0)), says="does not say")
_case("host.libvirt-version", UNKNOWN, amd(host_libvirt_cache=DENIED))
_case("host.proxmox-version", PASS, amd(kernel_release=kernel("6.8.12-4-pve")))
_case("host.proxmox-version", WARN, amd(kernel_release=kernel("4.15.18-30-pve")), "host.update-proxmox")
_case("host.proxmox-version", SKIP, amd())
_case("host.proxmox-version", UNKNOWN, without(amd(), "kernel.release"))
_case("host.proxmox-version", UNKNOWN, amd(kernel_release=kernel("next-pve")))

# ---- rivals ----
VBOX = {**RIVALS, "modules": ["vboxdrv"], "processes": {"VBoxHeadless": 2}}


def vbox(version: str, at_load: str, release: str = "6.12.1") -> MachineFacts:
    rivals = ok({**VBOX, "versions": {"vboxdrv": version}})
    modules = kvm_modules(kvm={"enable_virt_at_load": at_load}, kvm_amd=AMD)
    return amd(machine_rivals=rivals, kvm_modules=modules, kernel_release=kernel(release))


_case("rivals.present", PASS, amd())
_case("rivals.present", PASS, amd(machine_rivals=ok({**RIVALS, "own_pid_namespace": True})), says="PID namespace")
_case("rivals.present", WARN, amd(machine_rivals=ok(VBOX)), "rivals.stop-virtualbox", says="VirtualBox")
_case("rivals.present", WARN, amd(machine_rivals=ok({**RIVALS, "modules": ["vmmon"]})), "rivals.stop-vmware")
_case("rivals.present", WARN, amd(machine_rivals=ok({**RIVALS, "processes": {"prl_vm_app": 1}})), "rivals.stop-other")
_case("rivals.present", WARN, amd(machine_rivals=ok({**RIVALS, "xen_dom0": True})), says="dom0")
_case("rivals.present", UNKNOWN, without(amd(), "machine.rivals"))
_case("rivals.virt-at-load", PASS, vbox("7.2.10", "Y"))
_case("rivals.virt-at-load", PASS, vbox("7.1.4_Debian", "N"))
_case("rivals.virt-at-load", WARN, vbox("7.1.4_Debian", "Y"), "rivals.virt-on-demand", says="needs 0")
_case("rivals.virt-at-load", WARN, vbox("7.2.10", "N"), "rivals.virt-at-load", says="needs 1")
_case("rivals.virt-at-load", WARN, vbox("7.2.10 r170000 (0x00340001)", "N"), "rivals.virt-at-load", says="needs 1")
_case("rivals.virt-at-load", WARN, vbox("7.0.20_Debian r163906 (0x00330004)", "Y"), "rivals.virt-on-demand", says=" 0")
_case("rivals.virt-at-load", WARN, vbox("7.2.10.1", "Y"), "rivals.virt-on-demand", "rivals.virt-at-load")
_case("rivals.virt-at-load", WARN, vbox("", "Y"), "rivals.virt-on-demand", "rivals.virt-at-load", says="depends on")
_case("rivals.virt-at-load", SKIP, amd())
_case("rivals.virt-at-load", SKIP, vbox("7.1.4", "Y", "6.1.0-40-amd64"), says="before Linux 6.12")
_case("rivals.virt-at-load", UNKNOWN, vbox("7.1.4", "Y", "next"))
_case("rivals.virt-at-load", UNKNOWN, without(amd(), "machine.rivals"))

# ---- kernel ----
_case("kernel.log", PASS, amd())
_case("kernel.log", WARN, amd(kernel_log=ok(["kvm: Inconsistent VMCS config on CPU 8"])), says="CPU 8")
_case("kernel.log", UNKNOWN, amd_host())
_case("kernel.config", PASS, amd())
_case("kernel.config", WARN, amd(kernel_config=NO_KVM_INTEL), "kernel.debian")
_case("kernel.config", SKIP, without(amd(), "cpu.identity", "cpu.flags", "cpu.cpuid"))
_case("kernel.config", UNKNOWN, without(amd(), "kernel.config"))

# ---- drift ----
ETC = "/etc/modprobe.d/kvm.conf"
_case("module.drift", PASS, amd(), says="1 configured")
_case("module.drift", PASS, amd(kvm_configured=options()), says="nothing is configured")
_case(
    "module.drift",
    PASS,
    amd(kvm_configured=options(("kvm_amd", "nested", "0", ETC), ("kvm_amd", "nested", "1", "/proc/cmdline"))),
)
_case(
    "module.drift",
    PASS,
    intel(kvm_configured=options(("kvm_intel", "nested", "on", ETC), ("kvm_intel", "ept", "1", ETC))),
)
_case(
    "module.drift",
    WARN,
    intel(kvm_modules=kvm_modules(kvm_intel={"nested": "N"})),
    "module.reload",
    "module.persist",
    says="nested=N",
)
_case(
    "module.drift",
    WARN,
    amd(kvm_configured=options(("kvm_amd", "nested", "0", ETC))),
    "module.persist",
    says="nested=1",
)
_case(
    "module.drift",
    WARN,
    amd(kvm_modules=ok({"kvm_amd": {"state": "builtin", "parameters": {"nested": "0"}}})),
    "module.nested-command-line",
)
_case("module.drift", SKIP, cloud(kvm_configured=options()))
_case("module.drift", UNKNOWN, without(amd(), "kvm.configured"))
_case("module.options", PASS, amd())
_case("module.options", PASS, intel(kvm_configured=options(("kvm_intel", "nested", "Y", ETC))))
_case("module.options", WARN, amd(kvm_configured=options(("kvm_amd", "nested", "Y", ETC))), "module.fix-option")
_case("module.options", WARN, intel(kvm_configured=options(("kvm_intel", "nested", "2", "/proc/cmdline"))))
_case("module.options", SKIP, amd(kvm_configured=options()))
_case("module.options", UNKNOWN, without(amd(), "kvm.configured"))
_case("module.blacklist", PASS, amd())
_case("module.blacklist", WARN, amd(kvm_configured=barred("kvm_amd", ETC)), "module.unblock")
_case(
    "module.blacklist",
    WARN,
    amd(kvm_configured=barred("kvm_amd", "/usr/lib/modprobe.d/x.conf")),
    "module.override",
)
_case("module.blacklist", SKIP, cloud(kvm_configured=options()))
_case("module.blacklist", UNKNOWN, without(amd(), "kvm.configured"))

# ---- capabilities, hazards ----
_case("kvm.capabilities", PASS, amd(), says="1024")
_case("kvm.capabilities", PASS, elsewhere("aarch64", True, kvm_capabilities=ok({"user_memory": 1, "irqchip": 0})))
_case("kvm.capabilities", WARN, amd(kvm_capabilities=ok({**CAPABILITIES, "irqchip": 0})))
_case("kvm.capabilities", UNKNOWN, without(amd(), "kvm.capabilities"))
for _id, _key in (("kvm.hyperv", "hyperv"), ("kvm.tsc-scaling", "tsc_control")):
    _case(_id, PASS, amd())
    _case(_id, WARN, amd(kvm_capabilities=ok({**CAPABILITIES, _key: 0})))
    _case(_id, SKIP, elsewhere("aarch64", True))
    _case(_id, UNKNOWN, without(amd(), "kvm.capabilities"))
_case("nested.migration", PASS, intel())
_case("nested.migration", WARN, amd(), says="AMD")
_case("nested.migration", WARN, intel(kvm_capabilities=ok({"nested_state_bytes": 0})), says="cannot save")
_case("nested.migration", WARN, intel(kernel_release=kernel("5.2.0")), says="5.3")
_case("nested.migration", SKIP, pvm_vm())
_case("nested.migration", UNKNOWN, without(intel(), "kvm.capabilities"))
_case("nested.migration", UNKNOWN, without(intel(), "kernel.release"))
_case("libvirt.cache", PASS, amd())
_case("libvirt.cache", WARN, amd(host_libvirt_cache=ok({"newest": 1.0, "module_loaded": 9.0})), "libvirt.refresh")
_case("libvirt.cache", SKIP, amd(host_libvirt_cache=failed("absent", "ENOENT")))
_case("libvirt.cache", UNKNOWN, without(amd(), "host.libvirt_cache"))

# ---- capacity ----
_case("capacity.cpus", PASS, amd())
_case("capacity.cpus", PASS, amd(capacity_cpu=ok({"usable": 6})), says="recommended")
_case("capacity.cpus", WARN, amd(capacity_cpu=ok({"usable": 16, "cgroup_cpus": 1.5})), says="1.5")
_case("capacity.cpus", UNKNOWN, without(amd(), "capacity.cpu"))
_case("capacity.memory", PASS, amd())
_case("capacity.memory", PASS, amd(capacity_memory=ok({"total": int(7.6 * GIB)})), says="recommended")
_case("capacity.memory", WARN, amd(capacity_memory=ok({"total": 64 * GIB, "cgroup_limit": 2 * GIB})))
_case("capacity.memory", UNKNOWN, without(amd(), "capacity.memory"))
_case("capacity.disk", PASS, amd())
_case("capacity.disk", WARN, amd(capacity_disk=ok({"path": "/", "total": GIB, "free": GIB})))
_case(
    "capacity.disk",
    WARN,
    amd(capacity_disk=ok({"path": "/", "total": 900 * GIB, "free": 900 * GIB, "read_only": True})),
)
_case("capacity.disk", UNKNOWN, without(amd(), "capacity.disk"))
_case("capacity.steal", PASS, amd())
_case("capacity.steal", WARN, amd(capacity_cpu=ok({"usable": 4, "steal_percent": 30.0})))
_case("capacity.steal", UNKNOWN, amd(capacity_cpu=ok({"usable": 4, "steal_percent": None})))

# ---- plumbing ----
for _id, _key in (
    ("host.vhost-net", "vhost-net"),
    ("host.vhost-vsock", "vhost-vsock"),
    ("host.tun", "net/tun"),
    ("host.fuse", "fuse"),
):
    _case(_id, PASS, amd())
    _case(_id, WARN, amd(host_devices=ok({**DEVICES, _key: "absent"})), "plumbing.load")
    _case(_id, WARN, amd(host_devices=ok({**DEVICES, _key: "denied"})))
    _case(_id, UNKNOWN, without(amd(), "host.devices"))
    _case(_id, UNKNOWN, amd(host_devices=ok({})))
_case("host.cgroups", PASS, amd())
_case("host.cgroups", WARN, amd(host_cgroups=ok({"version": 1, "controllers": ["cpu", "memory"]})), says="blkio")
_case("host.cgroups", UNKNOWN, without(amd(), "host.cgroups"))
_case("host.namespaces", PASS, amd())
_case("host.namespaces", WARN, amd(host_namespaces=ok(["ipc", "mnt"])), says="user")
_case("host.namespaces", UNKNOWN, without(amd(), "host.namespaces"))
_case("host.iommu", PASS, amd())
_case("host.iommu", WARN, amd(machine_iommu=ok({"tables": ["IVRS"], "groups": 0})), "plumbing.iommu-amd")
_case("host.iommu", WARN, intel(machine_iommu=ok({"tables": ["DMAR"], "groups": 0})), "plumbing.iommu-intel")
_case("host.iommu", WARN, cloud(machine_iommu=ok({"tables": ["DMAR"], "groups": 0})), "plumbing.iommu-vm")
_case("host.iommu", SKIP, amd(machine_iommu=ok({"tables": [], "groups": 0})))
_case("host.iommu", UNKNOWN, without(amd(), "machine.iommu"))
_case("host.secure-guests", PASS, amd(host_secure_guests=ok({"sev": True}), host_devices=ok({"sev": "ok"})))
_case("host.secure-guests", WARN, amd(host_secure_guests=ok({"sev": True, "sev_es": True})), says="/dev/sev is absent")
_case("host.secure-guests", SKIP, amd())
_case("host.secure-guests", UNKNOWN, without(amd(), "host.secure_guests"))

# ---- guest, policy ----
_case("guest.cloud-init", PASS, amd())
_case(
    "guest.cloud-init",
    WARN,
    amd(guest_cloud_init=ok({"datasource": "DataSourceNone", "done": True, "seeds": ["cidata"]})),
    "guest.clean-cloud-init",
    says="never saw",
)
_case(
    "guest.cloud-init",
    WARN,
    amd(guest_cloud_init=ok({"datasource": "DataSourceNoCloud", "done": True, "errors": ["x"]})),
    "guest.clean-cloud-init",
)
_case("guest.cloud-init", SKIP, amd(guest_cloud_init=failed("absent", "cloud-init has not run here")))
_case("guest.cloud-init", SKIP, amd(guest_cloud_init=ok({"disabled": True})))
_case("guest.cloud-init", UNKNOWN, without(amd(), "guest.cloud_init"))
_case("guest.cloud-init", UNKNOWN, amd(guest_cloud_init=ok({"datasource": "DataSourceNoCloud", "done": False})))


def waiver(check: str, expires: datetime.date) -> Policy:
    return Policy(waivers=(Waiver(check, "known", "ann", expires),), today=TODAY, source="nestproof.toml")


_case("policy.waivers", PASS, amd(), policy=waiver("kvm.paging", TODAY))
_case("policy.waivers", WARN, amd(), policy=waiver("kvm.paging", TODAY - datetime.timedelta(days=1)), says="expired")
_case("policy.waivers", SKIP, amd())
