"""Machines with every fact that there is, and the facts that cases change in them.

Values are those that the agent prints; bare-metal and foreign machines follow the documented behaviour of the kernel.
"""

from typing import Any

from machines import FactDict, amd_host, failed, guest_without_feature, intel_host, ok, proof

MachineFacts = dict[str, FactDict]
DENIED = failed("denied", "EACCES: Permission denied")
GIB = 1 << 30


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
    return facts | named(changes)


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
    return facts | named(changes)


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
    return facts | named(changes)


def cloud(**changes: FactDict) -> MachineFacts:
    """A VM without vmx and svm."""
    return guest_without_feature() | {"hypervisor.signatures": signature("KVMKVMKVM")} | named(changes)


def signature(*names: str) -> FactDict:
    return ok([{"leaf": 0x40000000 + 0x100 * n, "signature": name} for n, name in enumerate(names)], "CPUID 0x40000000")


def named(changes: dict[str, FactDict]) -> MachineFacts:
    return {name.replace("_", ".", 1): value for name, value in changes.items()}


def without(facts: MachineFacts, *names: str) -> MachineFacts:
    return {name: value for name, value in facts.items() if name not in names}


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
