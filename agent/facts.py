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
    ("cpu.per_cpu", "cpuid", "per_cpu", "CPUID instruction", 1, True),
    ("cpu.topology", "topology", "topology", "/sys/devices/system", 1, False),
    ("hypervisor.signatures", "cpuid", "signatures", "CPUID 0x40000000", 1, True),
    ("machine.dmi", "machine", "dmi", "/sys/class/dmi/id", 1, False),
    ("machine.container", "isolation", "container", "/proc/1", 1, False),
    ("machine.confidential", "isolation", "confidential", "/dev", 1, True),
    ("machine.iommu", "firmware", "iommu", "/sys/kernel/iommu_groups", 1, False),
    ("machine.rivals", "rivals", "rivals", "/proc", 2, True),
    ("kernel.release", "machine", "release", "/proc/sys/kernel/osrelease", 1, False),
    ("kernel.log", "klog", "lines", "/dev/kmsg", 1, True),
    ("kernel.config", "kvm.configured", "kernel_config", "/boot/config", 1, False),
    ("firmware.msr", "firmware", "msr", "/dev/cpu/0/msr", 1, True),
    ("firmware.boot", "firmware", "boot", "/sys/firmware/efi", 1, False),
    ("kvm.modules", "kvm.modules", "modules", "/sys/module", 1, False),
    ("kvm.configured", "kvm.configured", "configured", "/etc/modprobe.d", 1, False),
    ("kvm.device", "kvm.device", "device", "/dev/kvm", 1, True),
    ("kvm.api", "kvm.device", "api", "KVM_CREATE_VM", 2, True),
    ("kvm.offered", "kvm.offered", "offered", "KVM_GET_SUPPORTED_CPUID", 1, True),
    ("kvm.capabilities", "kvm.features", "capabilities", "KVM_CHECK_EXTENSION", 1, True),
    ("kvm.features", "kvm.features", "features", "KVM_GET_MSRS", 1, True),
    ("host.devices", "plumbing", "devices", "/dev", 1, True),
    ("host.cgroups", "plumbing", "cgroups", "/sys/fs/cgroup", 1, False),
    ("host.secure_guests", "plumbing", "secure_guests", "/sys/module", 1, False),
    ("capacity.cpu", "capacity", "cpu", "/proc/loadavg", 1, True),
    ("capacity.memory", "capacity", "memory", "/proc/meminfo", 1, False),
    ("capacity.disk", "capacity", "disk", "statvfs(2)", 1, True),
    ("guest.cloud_init", "guest_side", "cloud_init", "/run/cloud-init", 1, False),
    ("guest.virtio", "guest_side", "virtio", "/sys/bus/virtio/devices", 1, False),
    ("proof.plain", "proof.plain", "prove", "KVM_RUN", 3, True),
    ("proof.pace", "proof.plain", "pace", "KVM_RUN", 3, True),
    ("proof.nested", "proof.nested", "shadow", "KVM_RUN", 3, True),
    ("proof.nested_paging", "proof.nested", "paging", "KVM_RUN", 3, True),
    ("proof.cost", "proof.cost", "cost", "KVM_RUN", 60, True),  # only when it is asked for
)
