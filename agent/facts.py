"""The facts that the agent knows how to get: id, where from, and how long one may take."""


class NotOk(Exception):
    """A probe's answer that is not ``ok``: its status, why, and what can be said nevertheless."""

    def __init__(self, status, error, value=None):
        Exception.__init__(self, error)
        self.status = status
        self.error = error
        self.value = value


# id, module, function, source, seconds allowed, whether it executes something (not done below --root)
PROBES = (
    ("process.identity", "process", "identity", "getuid(2)", 1, True),
    ("cpu.identity", "cpu", "identity", "/proc/cpuinfo", 1, False),
    ("cpu.flags", "cpu", "flags", "/proc/cpuinfo", 1, False),
    ("cpu.vmx_flags", "cpu", "vmx_flags", "/proc/cpuinfo", 1, False),
    ("cpu.cpuid", "cpuid", "features", "CPUID instruction", 1, True),
    ("hypervisor.signatures", "cpuid", "signatures", "CPUID 0x40000000", 1, True),
    ("machine.dmi", "machine", "dmi", "/sys/class/dmi/id", 1, False),
    ("kernel.release", "machine", "release", "/proc/sys/kernel/osrelease", 1, False),
    ("kernel.log", "klog", "lines", "/dev/kmsg", 1, True),
    ("firmware.msr", "firmware", "msr", "/dev/cpu/0/msr", 1, True),
    ("kvm.modules", "kvm.modules", "modules", "/sys/module", 1, False),
    ("kvm.device", "kvm.device", "device", "/dev/kvm", 1, True),
    ("kvm.api", "kvm.device", "api", "KVM_CREATE_VM", 2, True),
    ("kvm.offered", "kvm.offered", "offered", "KVM_GET_SUPPORTED_CPUID", 1, True),
    ("proof.plain", "proof.plain", "prove", "KVM_RUN", 3, True),
    ("proof.pace", "proof.plain", "pace", "KVM_RUN", 3, True),
    ("proof.nested", "proof.nested", "shadow", "KVM_RUN", 3, True),
    ("proof.nested_paging", "proof.nested", "paging", "KVM_RUN", 3, True),
)
